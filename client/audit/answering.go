package audit

import (
	"context"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
)

// checkCandidate checks a candidate as a custodian does: of the updates that were
// acknowledged all that the log leaves, with C of each group as the blob that it names. That
// C is what they add up to is what Replay finds out.
func (c *checker) checkCandidate(ctx context.Context, s step) error {
	raw, err := c.blob(ctx, s.entry.Blob, federation.MaxManifestBytes, s.name())
	if err != nil {
		return err
	}
	list, err := federation.DecodeCandidate(raw)
	if err == nil {
		err = federation.CheckCandidate(s.before.Round.Part.Rules(c.charter), c.now.manifest, list)
	}
	if err != nil {
		return s.wrong(err)
	}
	for _, group := range list.Groups {
		for _, m := range group {
			if blob, ok := s.before.Round.Update(m.Hospital); !ok || blob != m.Submission {
				return s.contrary("submission %s of %s was not acknowledged", m.Submission.Short(), m.Hospital)
			}
		}
	}
	if err := checkSet(s, list, s.after.Round.S, "updates that custodians could read"); err != nil {
		return err
	}
	bytes, err := opening.Round{Header: c.now.header, Candidate: list}.Bytes()
	if err != nil {
		return s.wrong(err)
	}
	if bytes != s.entry.Bytes {
		return s.contrary("its ciphertexts have %d bytes, the entry says %d", bytes, s.entry.Bytes)
	}
	c.now.candidate, c.now.index = list, s.index
	return c.checkSums(ctx, s, list)
}

// checkSet compares a candidate with the hospitals that must be on it.
func checkSet(s step, list federation.Candidate, want [][]federation.HospitalID, source string) error {
	for g, have := range list.Set() {
		for _, id := range want[g] {
			if !slices.Contains(have, id) {
				return s.contrary("it leaves out %s, which is among the %s", id, source)
			}
		}
		for _, id := range have {
			if !slices.Contains(want[g], id) {
				return s.contrary("it has %s, which is not among the %s", id, source)
			}
		}
	}
	return nil
}

// checkReady checks a custodian's word on the candidate, under a checkpoint that has it.
func (c *checker) checkReady(ctx context.Context, s step) error {
	r, err := signed[federation.Ready](ctx, c, s)
	if err != nil {
		return err
	}
	_, custodian := c.charter.Point(r.Custodian)
	switch now := s.before.Round; {
	case r.Manifest != now.Manifest || r.Candidate != now.Candidate:
		return s.contrary("it names candidate %s of manifest %s, not %s of %s", r.Candidate.Short(), r.Manifest.Short(), now.Candidate.Short(), now.Manifest.Short())
	case !custodian:
		return s.contrary("%s is no custodian", r.Custodian)
	case r.Asks != federation.AsksDigest(c.now.header.Questions, federation.SetDigest(now.S)):
		return s.contrary("it is for other questions or another set")
	case !slices.Equal(r.Unreadable, s.entry.Hospitals):
		return s.contrary("the entry has other complaints")
	case r.Checkpoint.Size <= c.now.index || r.Checkpoint.Size > s.index:
		return s.contrary("its checkpoint of size %d is not between the candidate, entry %d, and itself", r.Checkpoint.Size, c.now.index)
	}
	c.noteStanding(s)
	return c.cosigned(s, r.Custodian, r.Checkpoint, r.Cosignature)
}

// noteStanding remembers with which entry the candidate stood.
func (c *checker) noteStanding(s step) {
	if !s.before.Stands() && s.after.Stands() {
		c.now.stands = s.index
	}
}

// checkVouch checks a submitter's fingerprint as far as it can be checked alone.
func (c *checker) checkVouch(ctx context.Context, s step) error {
	v, err := signed[federation.Vouch](ctx, c, s)
	if err != nil {
		return err
	}
	switch now := s.before.Round; {
	case v.Manifest != now.Manifest || v.Candidate != now.Candidate:
		return s.contrary("it names candidate %s of manifest %s", v.Candidate.Short(), v.Manifest.Short())
	case v.Checkpoint.Size != c.now.index+1:
		return s.contrary("its points follow from a checkpoint of size %d: the candidate is entry %d", v.Checkpoint.Size, c.now.index)
	}
	c.heads = append(c.heads, head{v.Checkpoint, storage.Blob(s.entry.Blob), s.name()})
	c.noteStanding(s)
	return nil
}

// checkFetch: whose ciphertexts custodians fetch follows from state and clock; what they make of
// them is in C.
func (c *checker) checkFetch(_ context.Context, s step) error {
	c.noteStanding(s)
	return nil
}

// checkSend checks what a custodian sent: for the candidate that stands, under a checkpoint
// that has the readies of t custodians in it.
func (c *checker) checkSend(ctx context.Context, s step) error {
	m, err := signed[federation.Send](ctx, c, s)
	if err != nil {
		return err
	}
	switch now := s.before.Round; {
	case m.Manifest != now.Manifest || m.Candidate != now.Candidate:
		return s.contrary("it is for candidate %s of manifest %s", m.Candidate.Short(), m.Manifest.Short())
	case !s.before.Stands():
		return s.contrary("fewer than %d custodians were ready", c.charter.Threshold)
	case m.Checkpoint.Size <= c.now.stands || m.Checkpoint.Size > s.index:
		return s.contrary("its checkpoint of size %d is not between entry %d, with which custodians were ready, and itself", m.Checkpoint.Size, c.now.stands)
	}
	if err := c.checkShareSums(ctx, s, m); err != nil {
		return err
	}
	return c.cosigned(s, m.Custodian, m.Checkpoint, m.Cosignature)
}

// checkShareSums: what a custodian signed that is no share sum counts as a wrong one and says
// something about the custodian, not about the log.
func (c *checker) checkShareSums(ctx context.Context, s step, m federation.Send) error {
	what := fmt.Sprintf("share sum of %s in round %d", s.entry.Hospital, s.entry.Round)
	sums, err := opening.ReadShareSums(m, c.now.candidate.Groups, c.now.degree, func(digest federation.Digest) ([]byte, error) {
		return c.blob(ctx, digest, opening.MaxShareSumBytes, what)
	})
	if err != nil {
		return err
	}
	for g, members := range c.now.candidate.Groups {
		if len(members) > 0 && sums.ByGroup[g] == nil {
			c.note("what %s sent in round %d is no share sum of group %d", c.nameOf(m.Custodian), s.entry.Round, g)
		}
	}
	return nil
}

// checkBurn checks a promise never to send under the manifest of a round that cannot end.
// One that its custodian broke says something about the custodian, not about the log.
func (c *checker) checkBurn(ctx context.Context, s step) error {
	b, err := signed[federation.Burn](ctx, c, s)
	if err != nil {
		return err
	}
	now := s.before.Round
	if b.Manifest != now.Manifest {
		return s.contrary("it is of manifest %s, not %s", b.Manifest.Short(), now.Manifest.Short())
	}
	if slices.ContainsFunc(now.Sends, func(h round.Held) bool { return h.Hospital == b.Custodian }) {
		c.note("%s burned manifest %s of round %d, under which it had sent", c.nameOf(b.Custodian), b.Manifest.Short(), now.Number)
	}
	return nil
}

// checkDerived checks a custodian's word on what followed. One that differs from the log is
// for Replay to judge.
func (c *checker) checkDerived(ctx context.Context, s step) error {
	d, err := signed[federation.Derived](ctx, c, s)
	if err != nil {
		return err
	}
	o := s.before.Outcome
	switch {
	case d.Manifest != o.Manifest || d.Candidate != o.Candidate || d.Round != o.Round:
		return s.contrary("it is of round %d, candidate %s, not of round %d, %s", d.Round, d.Candidate.Short(), o.Round, o.Candidate.Short())
	case o.Agrees(d) != (s.entry.Reason == ""):
		return s.contrary("the entry says otherwise whether it is what the log says")
	case s.entry.Reason != "":
		c.note("%s derived something else from round %d: %s", c.nameOf(d.Custodian), d.Round, s.entry.Reason)
	}
	return nil
}

// nameOf is how people know a hospital: its name where the charter shows it.
func (h *history) nameOf(id federation.HospitalID) string {
	if m, ok := h.charter.Member(id); ok && m.Name != "" {
		return m.Name
	}
	return string(id)
}
