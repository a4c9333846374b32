package participant

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// MayOpen reports whether this hospital, as a custodian, may open its envelopes for a
// candidate: it verified the manifest in this run, gave nothing under it and did not burn
// it, the candidate holds for the charter and lies within before, the one of that manifest
// that it was ready for last, if there is one; the base is one that it may start from; the
// question was not answered; and neither the guard nor the line of evaluations is met.
func MayOpen(s State, m federation.VerifiedManifest, c federation.Candidate, before *federation.Candidate) error {
	fail := func(err error) error { return fmt.Errorf("open under manifest %s: %w", m.Digest.Short(), err) }
	memory, _ := s.Recall(m.Digest)
	switch {
	case m.Custodian(s.Self) == nil:
		return fail(ErrNotMember)
	case !s.Closed.IsZero():
		return fail(ErrClosed)
	case s.Live.Manifest != m.Digest || m.Digest.IsZero():
		return fail(ErrRestarted)
	case memory.Burned:
		return fail(ErrBurned)
	case memory.HasSent():
		return fail(ErrSent)
	}
	if err := MayStart(s); err != nil {
		return fail(err)
	}
	if n := len(memory.Readies); n > 0 {
		last := memory.Readies[n-1].Candidate
		if before == nil || before.Digest() != last || !c.Within(*before) {
			return fail(fmt.Errorf("candidate %s after %s: %w", c.Digest().Short(), last.Short(), ErrNotWithin))
		}
	}
	if err := federation.CheckCandidate(s.Live.Part.Rules(s.Charter), m, c); err != nil {
		return err
	}
	if err := s.unanswered(m.Digest, s.Live.Questions, federation.SetDigest(c.Set())); err != nil {
		return err
	}
	return s.guarded(s.opens(m.Digest, c))
}

// unanswered reports whether nothing was sent, nor may have been before the journal was lost,
// on any of these questions under another manifest. What was burned by enough custodians
// does not count, nor what every hospital released in its Join of this manifest; where no
// group held, the same hospitals may be asked once more in the same form, so that they encrypt
// what they kept.
func (s State) unanswered(manifest federation.Digest, questions []string, set federation.Digest) error {
	asked, _ := s.Recall(manifest)
	for _, old := range s.Memory {
		free := !old.HasSent() && !old.Silent || old.Certified || old.Past || old.Failed && !old.Over && old.Set == set && old.Form == asked.Form
		if old.Manifest == manifest || free || slices.Contains(asked.Released, old.Manifest) {
			continue
		}
		if federation.Overlap(old.Questions, questions) {
			return fmt.Errorf("manifest %s: %w, under manifest %s of round %d", manifest.Short(), ErrAnswered, old.Manifest.Short(), old.Round)
		}
	}
	for _, old := range s.Bound {
		if federation.Overlap(old.Questions, questions) && !slices.Contains(asked.Released, old.Manifest) {
			return fmt.Errorf("manifest %s: %w, under manifest %s of an earlier epoch", manifest.Short(), ErrAnswered, old.Manifest.Short())
		}
	}
	return nil
}

// BeReady fixes that this custodian holds its share sums for a candidate; they are on disk.
// After it is persisted the Ready may be signed and sent. It binds nothing.
func BeReady(s State, m federation.VerifiedManifest, c federation.Candidate, before *federation.Candidate, shareSums []federation.Digest) ([]Entry, error) {
	if err := MayOpen(s, m, c, before); err != nil {
		return nil, err
	}
	memory, known := s.Recall(m.Digest)
	if _, held := memory.Ready(c.Digest()); held {
		return nil, nil
	}
	switch {
	case !known:
		return nil, fmt.Errorf("ready under manifest %s: %w", m.Digest.Short(), ErrRestarted)
	case len(memory.Readies) >= MaxCandidates:
		return nil, fmt.Errorf("candidate %d of manifest %s: %w", len(memory.Readies)+1, m.Digest.Short(), ErrTooMany)
	case len(shareSums) != len(c.Groups):
		return nil, fmt.Errorf("ready under manifest %s: %d share sums for %d groups", m.Digest.Short(), len(shareSums), len(c.Groups))
	}
	e := entry(BecameReady, m.Digest)
	e.Candidate, e.Set, e.ShareSums, e.Opens = c.Digest(), federation.SetDigest(c.Set()), shareSums, s.opens(m.Digest, c)
	return []Entry{e}, nil
}

// MaySend reports whether share sums for a candidate may be given: this hospital was ready
// for exactly it, under this manifest it sent for no other and burned nothing, and on its
// question it sent under no other manifest. Also after a restart: what was ready stays so.
func MaySend(s State, manifest, candidate federation.Digest) error {
	fail := func(err error) error { return fmt.Errorf("send under manifest %s: %w", manifest.Short(), err) }
	memory, _ := s.Recall(manifest)
	ready, ok := memory.Ready(candidate)
	switch {
	case memory.HasSent() && memory.Candidate == candidate:
		return nil
	case memory.HasSent():
		return fail(fmt.Errorf("%w, for candidate %s", ErrSent, memory.Candidate.Short()))
	case !ok:
		return fail(ErrNotReady)
	case memory.Silent:
		return fail(ErrRecovered)
	case memory.Burned:
		return fail(ErrBurned)
	case memory.Past:
		return fail(ErrEpoch)
	case !s.Closed.IsZero():
		return fail(ErrClosed)
	}
	if err := s.unanswered(manifest, memory.Questions, ready.Set); err != nil {
		return err
	}
	return s.guarded(ready.Opens)
}

// SendFor fixes what this custodian sends under a manifest, for ever; the signed Send is on
// disk. After it is persisted the one-round key must be erased, then it may be sent.
func SendFor(s State, manifest, candidate, signed federation.Digest) ([]Entry, error) {
	if err := MaySend(s, manifest, candidate); err != nil {
		return nil, err
	}
	if m, _ := s.Recall(manifest); m.HasSent() {
		return nil, nil
	}
	e := entry(Sent, manifest)
	e.Candidate, e.Message = candidate, signed
	return []Entry{e}, nil
}

// NoGroupHeld records that this custodian derived that nothing came of what it sent for: the
// same hospitals may be asked the same question once more.
func NoGroupHeld(s State, manifest, candidate federation.Digest) ([]Entry, error) {
	m, _ := s.Recall(manifest)
	switch {
	case m.Over:
		return nil, fmt.Errorf("manifest %s: %w: it was derived, or signed, what followed from its sum", manifest.Short(), ErrAnswered)
	case !m.HasSent() || m.Candidate != candidate || m.Failed:
		return nil, nil // nothing of ours depends on it
	}
	return []Entry{entry(Failed, manifest)}, nil
}

// Conclude records that the sum of a manifest is public, as this hospital derived itself or f+1
// custodians signed: for the question nothing is encrypted again but by a release.
func Conclude(s State, manifest federation.Digest) ([]Entry, error) {
	if m, ok := s.Recall(manifest); !ok || m.Over {
		return nil, nil
	}
	return []Entry{entry(Over, manifest)}, nil
}

// concluded reports whether nothing is to be encrypted under a manifest, because its question was
// answered under another, which was not released.
func (s State) concluded(manifest federation.Digest) error {
	asked, _ := s.Recall(manifest)
	for _, old := range s.Memory {
		if old.Over && old.Manifest != manifest && !slices.Contains(asked.Released, old.Manifest) && federation.Overlap(old.Questions, asked.Questions) {
			return fmt.Errorf("%w, under manifest %s of round %d", ErrAnswered, old.Manifest.Short(), old.Round)
		}
	}
	return nil
}

// BurnManifest promises never to send under a manifest, known or not. joined is the number
// of this hospital's Join in it, 0 where it has none. After it is persisted the one-round
// key and what is held of that manifest must be erased, then the burn may be signed.
func BurnManifest(s State, round uint64, manifest federation.Digest, joined uint64) ([]Entry, error) {
	fail := func(err error) error { return fmt.Errorf("burn manifest %s: %w", manifest.Short(), err) }
	m, _ := s.Recall(manifest)
	switch {
	case !s.IsCustodian():
		return nil, fail(ErrNotMember)
	case m.HasSent():
		return nil, fail(ErrSent)
	case m.Silent, joined > 0 && joined <= s.Recovered, joined > s.Counter: // the last: a Join that this journal never made
		return nil, fail(ErrRecovered)
	case m.Past, slices.ContainsFunc(s.Bound, func(b Bound) bool { return b.Manifest == manifest }):
		return nil, fail(ErrEpoch) // for the custodians of that epoch, by their closing statements
	case m.Burned:
		return nil, nil
	}
	e := entry(Burned, manifest)
	e.Round = round
	return []Entry{e}, nil
}
