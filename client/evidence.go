package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"atrium/client/evidence"
	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/envelope"
)

// EvidenceFolder of the state directory holds what shows that the coordinator's log says what
// does not follow, a file for each entry of it: at most maxEvidence, of which none gives way.
const EvidenceFolder = "evidence"

// errForged: what the log says does not follow from what it rests on.
var errForged = errors.New("what the coordinator's log says does not follow")

// forged is a refusal with what of an entry does not follow.
type forged struct {
	differs []federation.Difference
	err     error
}

func (f *forged) Error() string { return f.err.Error() }
func (f *forged) Unwrap() error { return f.err }

// otherSum is the refusal of a C that is not the sum; a zero digest says that it is not known
// which one is.
func otherSum(c federation.Candidate, group int, follows federation.Digest, why string) error {
	return &forged{evidence.OtherSum(c, group, follows), fmt.Errorf("group %d: %s: %w", group, why, opening.ErrSum)}
}

// otherBase adds to the refusal of a base what this custodian knows of the version of that
// number. One of which it knows nothing may only be late.
func (d *Daemon) otherBase(err error) error {
	h := d.live.header
	for _, b := range d.state.Bases {
		if differs := evidence.OtherBase(h, b.Snapshot, b.Parameters); errors.Is(err, participant.ErrBase) && b.Version == h.Version && len(differs) > 0 {
			return &forged{differs, err}
		}
	}
	return err
}

// witnessed keeps evidence of what a custodian refuses because it does not follow.
func (d *Daemon) witnessed(ctx context.Context, w *atriumpb.Work, err error) error {
	var f *forged
	if !errors.As(err, &f) {
		return err
	}
	candidate, decoded := federation.DecodeCandidate(w.GetCandidate())
	if decoded != nil {
		return errors.Join(err, decoded)
	}
	if kept := d.keepEvidence(ctx, w, candidate, f.differs, nil); kept != nil {
		return kept
	}
	return err
}

// keepEvidence says loudly that an entry does not follow, and keeps what shows it. The entry
// that comes with the task was verified. What cannot be kept is said too; only a disk that
// does not hold is an error.
func (d *Daemon) keepEvidence(ctx context.Context, w *atriumpb.Work, candidate federation.Candidate, differs []federation.Difference, result []byte) error {
	folder, name := filepath.Join(d.cfg.State, EvidenceFolder), fmt.Sprintf("round-%d-%s.json", w.GetRound(), federation.Sum(w.GetEntry()).Short())
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fatal{err}
	}
	names, err := os.ReadDir(folder)
	if err != nil {
		return fatal{err}
	}
	d.cfg.Logger.Error("forged", "error", errForged, "round", w.GetRound(), "entry", w.GetEntryIndex(), "differs", differs, "evidence", path)
	f, err := d.evidenceOf(ctx, w, candidate, differs, result)
	b := federation.Encode(f)
	switch {
	case err != nil:
	case len(names) >= maxEvidence:
		err = fmt.Errorf("%d files are there, more are not kept", len(names))
	case len(b) > evidence.MaxFileBytes:
		err = fmt.Errorf("%d bytes, at most %d", len(b), evidence.MaxFileBytes)
	default:
		if err := keepFile(folder, name, b); err != nil {
			return fatal{err}
		}
		return nil
	}
	d.cfg.Logger.Warn("evidence", "round", w.GetRound(), "error", err)
	return nil
}

// evidenceOf gathers what a file of evidence holds, signs the objection, and checks it as an
// auditor will.
func (d *Daemon) evidenceOf(ctx context.Context, w *atriumpb.Work, candidate federation.Candidate, differs []federation.Difference, result []byte) (evidence.File, error) {
	f := evidence.File{V: 1, Checkpoint: string(w.GetCheckpoint()), Index: w.GetEntryIndex(), Entry: w.GetEntry(), Inclusion: []federation.Digest{},
		Header: w.GetHeader(), Candidate: w.GetCandidate(), Result: result}
	for _, raw := range w.GetInclusion() {
		digest, err := asDigest(raw)
		if err != nil {
			return f, err
		}
		f.Inclusion = append(f.Inclusion, digest)
	}
	for _, list := range []struct {
		into *[]federation.Signed
		from [][]byte
	}{{&f.Readies, w.GetReadies()}, {&f.Vouches, w.GetVouches()}, {&f.Sends, w.GetSends()}} {
		for _, raw := range list.from {
			signed, err := federation.DecodeSigned(raw)
			if err != nil {
				return f, err
			}
			*list.into = append(*list.into, signed)
		}
	}
	var err error
	if d.live.manifest.Digest == candidate.Manifest { // the header is the one that this hospital joined
		f.Header, f.Manifest = federation.Encode(d.live.header), federation.Encode(d.live.manifest.Manifest)
	} else if f.Manifest, err = d.link.fetch(ctx, candidate.Manifest, federation.MaxManifestBytes); err != nil {
		return f, err
	}
	f.Objection = envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, federation.Objection{V: 1, Custodian: d.self,
		Entry: federation.Sum(f.Entry), Candidate: candidate.Digest(), Differs: differs})
	_, err = evidence.Check(f, d.cfg.Charter)
	return f, err
}
