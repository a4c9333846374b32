package evidence

import (
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage/roundlog"
)

// ErrContent: a field is intact and does not fit the others.
var ErrContent = errors.New("it does not fit the rest of the file")

// Finding is what a file shows.
type Finding struct {
	Federation string                  `json:"federation"`
	Charter    federation.Digest       `json:"charter"`
	Epoch      uint64                  `json:"epoch"`
	Custodian  federation.HospitalID   `json:"custodian"`
	Name       string                  `json:"name,omitempty"` // where the charter shows it
	Round      uint64                  `json:"round"`
	Entry      int64                   `json:"entry"`
	Kind       round.EntryKind         `json:"kind"`
	Time       string                  `json:"time"` // of the entry, by the coordinator's clock
	Size       int64                   `json:"size"` // of the checkpoint
	Root       federation.Digest       `json:"root"`
	Differs    []federation.Difference `json:"differs"`
	From       From                    `json:"from"`
}

// From is what the custodian's word rests on, by digest: what an auditor needs to judge it.
type From struct {
	Header    federation.Digest       `json:"header"`
	Plan      federation.Digest       `json:"plan"`
	Version   uint64                  `json:"version,omitempty"` // of the base
	Base      federation.Digest       `json:"base,omitzero"`
	Manifest  federation.Digest       `json:"manifest"`
	Candidate federation.Digest       `json:"candidate"`
	Sums      []federation.Digest     `json:"sums"`
	Sent      []federation.HospitalID `json:"sent,omitempty"`
	Vouched   []federation.HospitalID `json:"vouched,omitempty"`
}

// checking is a file while it is checked: what of it was decoded.
type checking struct {
	File
	charter   federation.Charter
	objection federation.Objection
	entry     round.Entry
	candidate federation.Candidate
	manifest  federation.Manifest
	header    federation.Header
	found     Finding
}

// Check verifies a file against the charter of its epoch. An error names the field of the
// file that it is about.
func Check(f File, charter federation.Charter) (Finding, error) {
	c := checking{File: f, charter: charter, found: Finding{Federation: charter.Federation, Charter: charter.Digest(), Epoch: charter.Epoch, Entry: f.Index}}
	for _, field := range []struct {
		name  string
		check func() error
	}{
		{"objection", c.checkObjection}, {"checkpoint", c.checkCheckpoint}, {"entry", c.checkEntry}, {"candidate", c.checkCandidate},
		{"manifest", c.checkManifest}, {"header", c.checkHeader}, {"readies", c.checkReadies}, {"vouches", c.checkVouches},
		{"sends", c.checkSends}, {"entry", c.checkNames}, {"result", c.checkResult}, {"objection", c.checkDiffers},
	} {
		if err := field.check(); err != nil {
			return Finding{}, fmt.Errorf("%s: %w", field.name, err)
		}
	}
	return c.found, nil
}

func contrary(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrContent)
}

func (c *checking) checkObjection() (err error) {
	if c.objection, err = envelope.OpenMessage[federation.Objection](c.charter, c.Objection); err != nil {
		return err
	}
	if _, ok := c.charter.Point(c.objection.Custodian); !ok {
		return contrary("%s is no custodian of charter %s", c.objection.Custodian, c.charter.Digest().Short())
	}
	if n := len(c.objection.Differs); n == 0 || n > federation.MaxDifferences {
		return contrary("%d differences, of 1 to %d", n, federation.MaxDifferences)
	}
	member, _ := c.charter.Member(c.objection.Custodian)
	c.found.Custodian, c.found.Name, c.found.Differs = member.ID, member.Name, c.objection.Differs
	return nil
}

func (c *checking) checkCheckpoint() error {
	head, err := roundlog.ParseCheckpoint([]byte(c.Checkpoint), c.charter.LogKey)
	if err != nil {
		return err
	}
	c.found.Size, c.found.Root = head.Size, federation.Digest(head.Root)
	return nil
}

func (c *checking) checkEntry() (err error) {
	if c.objection.Entry != federation.Sum(c.Entry) {
		return contrary("the objection is to entry %s, this is %s", c.objection.Entry.Short(), federation.Sum(c.Entry).Short())
	}
	if c.entry, err = round.DecodeEntry(c.Entry); err != nil {
		return err
	}
	if len(c.Inclusion) > 64 {
		return contrary("inclusion proof of %d digests", len(c.Inclusion))
	}
	proof := roundlog.InclusionProof{}
	for _, d := range c.Inclusion {
		proof = append(proof, roundlog.Hash(d))
	}
	if err := roundlog.CheckInclusion(proof, c.found.Size, roundlog.Hash(c.found.Root), c.Index, roundlog.LeafHash(c.Entry)); err != nil {
		return fmt.Errorf("it is not entry %d under that checkpoint: %w", c.Index, err)
	}
	c.found.Round, c.found.Kind, c.found.Time = c.entry.Round, c.entry.Kind, c.entry.Time
	return nil
}

// Each of candidate, manifest and header is the one that what was checked before it names.
func (c *checking) checkCandidate() (err error) {
	c.found.From = From{Header: federation.Sum(c.Header), Manifest: federation.Sum(c.Manifest), Candidate: federation.Sum(c.Candidate)}
	if c.objection.Candidate != c.found.From.Candidate {
		return contrary("the objection is about candidate %s, this is %s", c.objection.Candidate.Short(), c.found.From.Candidate.Short())
	}
	if c.candidate, err = federation.DecodeCandidate(c.Candidate); err != nil {
		return err
	}
	if len(c.candidate.Sums) != len(c.candidate.Groups) {
		return contrary("%d sums of %d groups", len(c.candidate.Sums), len(c.candidate.Groups))
	}
	c.found.From.Sums = c.candidate.Sums
	return nil
}

func (c *checking) checkManifest() (err error) {
	if c.candidate.Manifest != c.found.From.Manifest {
		return contrary("the candidate is of manifest %s, this is %s", c.candidate.Manifest.Short(), c.found.From.Manifest.Short())
	}
	c.manifest, err = federation.DecodeManifest(c.Manifest)
	return err
}

func (c *checking) checkHeader() (err error) {
	if c.manifest.Header != c.found.From.Header {
		return contrary("the manifest is of header %s, this is %s", c.manifest.Header.Short(), c.found.From.Header.Short())
	}
	if c.header, err = federation.DecodeHeader(c.Header); err != nil {
		return err
	}
	if c.header.Federation != c.charter.Federation || c.header.Charter != c.charter.Digest() || c.header.Round != c.entry.Round {
		return contrary("of round %d in %s under charter %s; the entry is of round %d", c.header.Round, c.header.Federation, c.header.Charter.Short(), c.entry.Round)
	}
	c.found.From.Plan, c.found.From.Version, c.found.From.Base = c.header.Plan, c.header.Version, c.header.Base
	return nil
}

// words opens messages of one kind, one a hospital, that must be about the candidate.
func words[T envelope.Message](c *checking, list []federation.Signed, about func(T) federation.Digest) ([]federation.HospitalID, error) {
	if len(list) > maxWords {
		return nil, contrary("%d messages", len(list))
	}
	var from []federation.HospitalID
	for i, signed := range list {
		m, err := envelope.OpenMessage[T](c.charter, signed)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		if about(m) != c.found.From.Candidate || slices.Contains(from, m.From()) {
			return nil, contrary("message %d of %s is about candidate %s", i, m.From(), about(m).Short())
		}
		from = append(from, m.From())
	}
	return from, nil
}

func (c *checking) checkReadies() error {
	_, err := words(c, c.Readies, func(m federation.Ready) federation.Digest { return m.Candidate })
	return err
}

func (c *checking) checkVouches() (err error) {
	c.found.From.Vouched, err = words(c, c.Vouches, func(m federation.Vouch) federation.Digest { return m.Candidate })
	return err
}

func (c *checking) checkSends() (err error) {
	c.found.From.Sent, err = words(c, c.Sends, func(m federation.Send) federation.Digest { return m.Candidate })
	for _, id := range c.found.From.Sent {
		if _, ok := c.charter.Point(id); !ok {
			return contrary("%s is no custodian", id)
		}
	}
	return err
}

// checkNames checks that the entry is about the candidate: it names it, or a message about it,
// or says what followed from what t custodians sent for it.
func (c *checking) checkNames() error {
	named := false
	switch c.entry.Kind {
	case round.Candidate, round.Fetch:
		named = c.entry.Blob == c.found.From.Candidate
	case round.Ready:
		named = slices.ContainsFunc(c.Readies, func(s federation.Signed) bool { return s.Digest() == c.entry.Blob })
	case round.Vouched:
		named = slices.ContainsFunc(c.Vouches, func(s federation.Signed) bool { return s.Digest() == c.entry.Blob })
	case round.Publish:
		named = len(c.found.From.Sent) >= c.charter.Threshold
	case round.Abandon:
		named = c.entry.Failed && len(c.found.From.Sent) >= c.charter.Threshold
	}
	if !named {
		return contrary("a %s entry, with %d sends, is not shown to be about candidate %s", c.entry.Kind, len(c.found.From.Sent), c.found.From.Candidate.Short())
	}
	return nil
}

// checkResult: a result is there exactly where the objection says that one follows.
func (c *checking) checkResult() error {
	want := ""
	for _, d := range c.objection.Differs {
		if d.What == Result || d.What == Groups {
			want = d.Follows
		}
	}
	if len(c.Result) == 0 {
		if want != "" && want != None {
			return contrary("the objection says %s, and the result is not here", want)
		}
		return nil
	}
	r, err := opening.DecodeResult(c.Result)
	if err == nil && (r.Manifest != c.found.From.Manifest || r.Round != c.entry.Round) {
		return contrary("it is of round %d, manifest %s", r.Round, r.Manifest.Short())
	}
	return err
}

// checkDiffers: each difference names once what the entry really says, and something else.
func (c *checking) checkDiffers() error {
	stated := says(c.entry, c.header, c.candidate)
	for _, d := range c.objection.Differs {
		i := slices.IndexFunc(stated, func(s statement) bool { return s.what == d.What })
		if i < 0 {
			return contrary("%q is nothing that a %s entry says", d.What, c.entry.Kind)
		}
		if stated[i].says != d.Says || d.Follows == d.Says || d.Follows == "" {
			return contrary("%s: it says %s, and that %s follows; the log says %s", d.What, d.Says, d.Follows, stated[i].says)
		}
		if follows := c.followed(d.What); follows != "" && follows != d.Follows {
			return contrary("%s: it says that %s follows, the result that is here %s", d.What, d.Follows, follows)
		}
		stated = slices.Delete(stated, i, i+1)
	}
	return nil
}

// followed is what the result that is here says of something; empty where it says nothing.
func (c *checking) followed(what string) string {
	if len(c.Result) == 0 || what != Result && what != Groups {
		return ""
	}
	if what == Result {
		return federation.Sum(c.Result).String()
	}
	r, err := opening.DecodeResult(c.Result)
	if err != nil {
		return None
	}
	return groupsText(held(r))
}
