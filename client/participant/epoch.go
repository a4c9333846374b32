package participant

import (
	"bytes"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// Pin ties a journal to the charter that s carries. A new journal can only begin with
// epoch 1; one that knows another charter of the same epoch or of a later one refuses.
func Pin(s State) ([]Entry, error) {
	digest := s.Charter.Digest()
	switch {
	case s.Pinned == digest:
		return nil, nil
	case s.Pinned.IsZero() && s.Charter.Epoch == 1:
		e := entry(Pinned, digest)
		e.Epoch = 1
		return []Entry{e}, nil
	case s.Pinned.IsZero():
		return nil, fmt.Errorf("charter %s of epoch %d: the closing statements of epoch %d come first: %w",
			digest.Short(), s.Charter.Epoch, s.Charter.Epoch-1, ErrEpoch)
	}
	return nil, fmt.Errorf("charter %s of epoch %d after %s of epoch %d: %w", digest.Short(), s.Charter.Epoch, s.Pinned.Short(), s.Epoch, ErrEpoch)
}

// Shows finds what a closing statement shows for a candidate: the signed readies of t
// custodians, from the log, and this hospital's signed Send, which is missing where the
// journal was lost. nil: there is nothing to show.
type Shows func(manifest, candidate federation.Digest) *federation.Proof

// ClosingOf is what this custodian has to say when the epoch ends: the questions that it
// sent on, each with what shows it, and after the loss of its journal those that it may
// have sent on. A proof may be left out where the log has the sends of t custodians, of whom
// f+1 name the same. Before the statement is signed the custodian sends for every candidate
// of which it has seen the readies of t custodians, and erases its one-round key.
func ClosingOf(s State, random federation.Digest, shows Shows) (federation.Closing, error) {
	if !s.IsCustodian() {
		return federation.Closing{}, fmt.Errorf("close epoch %d: %w", s.Epoch, ErrNotMember)
	}
	c := federation.Closing{V: 1, Charter: s.Charter.Digest(), Custodian: s.Self, Answered: []federation.Answered{}, Before: s.before(), Random: random}
	for _, m := range s.Memory {
		switch {
		case m.Past || m.Certified:
		case m.HasSent():
			c.Answered = append(c.Answered, federation.Answered{Manifest: m.Manifest, Candidate: m.Candidate, Questions: m.Questions, Set: m.Set,
				Proof: shows(m.Manifest, m.Candidate)})
		case m.Silent:
			c.Answered = append(c.Answered, m.perhaps(shows)...)
		}
	}
	slices.SortFunc(c.Answered, federation.CompareAnswered)
	return c, federation.CheckClosing(s.Charter, c)
}

// before is what this epoch began with, sorted. A transition that was cut short left answers
// of the epoch to come, and some twice.
func (s State) before() []federation.Answered {
	list := []federation.Answered{}
	for _, b := range s.Bound {
		if b.Epoch == s.Epoch {
			list = append(list, b.Answered)
		}
	}
	slices.SortFunc(list, federation.CompareAnswered)
	return slices.CompactFunc(list, func(a, b federation.Answered) bool { return federation.CompareAnswered(a, b) == 0 })
}

// perhaps lists the candidates for which a custodian may have sent before its journal was
// lost: it was ready for them, and so were t.
func (m Memory) perhaps(shows Shows) (list []federation.Answered) {
	for _, r := range m.Readies {
		if p := shows(m.Manifest, r.Candidate); p != nil {
			list = append(list, federation.Answered{Manifest: m.Manifest, Candidate: r.Candidate, Questions: m.Questions, Set: r.Set, Proof: p})
		}
	}
	return list
}

// CloseEpoch fixes the closing statement, which is on disk as a signed message; after it
// is persisted the statement may be sent, and nothing more is joined, readied or sent in
// this epoch.
func CloseEpoch(s State, signed federation.Digest) ([]Entry, error) {
	switch {
	case !s.IsCustodian():
		return nil, fmt.Errorf("close epoch %d: %w", s.Epoch, ErrNotMember)
	case s.Closed == signed && !signed.IsZero():
		return nil, nil
	case !s.Closed.IsZero() || signed.IsZero():
		return nil, fmt.Errorf("close epoch %d with statement %s: %w", s.Epoch, signed.Short(), ErrConflict)
	}
	e := entry(Closed, s.Charter.Digest())
	e.Message = signed
	return []Entry{e}, nil
}

// BeginEpoch decides whether to go over to the next epoch. A hospital that was there
// before goes on from the charter it has pinned; one that is new starts with the
// transition that it was given. known lists added hospitals that it approved itself.
// After the entries are persisted s must carry the new charter.
func BeginEpoch(s State, t federation.Transition, known []federation.HospitalID) ([]Entry, error) {
	if !s.Pinned.IsZero() && s.Pinned != t.Old.Digest() {
		return nil, fmt.Errorf("begin epoch %d after charter %s, pinned is %s of epoch %d: %w",
			t.New.Epoch, t.Old.Digest().Short(), s.Pinned.Short(), s.Epoch, ErrEpoch)
	}
	inherited, err := federation.CheckTransition(t, known)
	if err != nil {
		return nil, err
	}
	if mine := s.before(); !s.Pinned.IsZero() && !bytes.Equal(federation.Encode(mine), federation.Encode(t.Closings[0].Before)) {
		return nil, fmt.Errorf("begin epoch %d: the closing statements say that epoch %d began with %d answers, not with these %d: %w",
			t.New.Epoch, t.Old.Epoch, len(t.Closings[0].Before), len(mine), ErrEpoch)
	}
	if _, ok := t.New.Member(s.Self); !ok {
		return nil, fmt.Errorf("begin epoch %d: %w", t.New.Epoch, ErrNotMember)
	}
	var entries []Entry
	for _, a := range inherited {
		e := entry(Inherited, a.Manifest)
		e.Epoch, e.Answer = t.New.Epoch, &a
		entries = append(entries, e)
	}
	e := entry(Began, t.New.Digest())
	e.Epoch = t.New.Epoch
	return append(entries, e), nil
}

// applyEpoch applies the entries of an epoch's beginning and end. Inherited answers come
// before the entry that begins the epoch, so a journal cut short in between has too many
// rules and never too few.
func applyEpoch(s State, e Entry) (State, error) {
	switch e.Kind {
	case Pinned:
		if !s.Pinned.IsZero() || e.Epoch != 1 || e.Digest.IsZero() {
			return s, fmt.Errorf("%w: charter %s of epoch %d after epoch %d", ErrEntry, e.Digest.Short(), e.Epoch, s.Epoch)
		}
		s.Pinned, s.Epoch = e.Digest, e.Epoch
	case Closed:
		if !s.Closed.IsZero() || e.Message.IsZero() || e.Digest != s.Pinned {
			return s, fmt.Errorf("%w: epoch %d is closed, or another", ErrEntry, s.Epoch)
		}
		s.Closed = e.Message
		s.Live = Live{Incarnation: s.Live.Incarnation}
	case Inherited:
		if e.Answer == nil || e.Epoch <= s.Epoch {
			return s, fmt.Errorf("%w: answer inherited into epoch %d during epoch %d", ErrEntry, e.Epoch, s.Epoch)
		}
		s.Bound = append(slices.Clip(s.Bound), Bound{e.Epoch, *e.Answer})
	case Began:
		return applyBegan(s, e)
	}
	return s, nil
}

func applyBegan(s State, e Entry) (State, error) {
	if e.Digest.IsZero() || (!s.Pinned.IsZero() && e.Epoch != s.Epoch+1) || e.Epoch < 2 {
		return s, fmt.Errorf("%w: epoch %d after epoch %d", ErrEntry, e.Epoch, s.Epoch)
	}
	s.Pinned, s.Epoch, s.Closed = e.Digest, e.Epoch, federation.Digest{}
	s.Live = Live{Incarnation: s.Live.Incarnation}
	s.Bound = slices.DeleteFunc(slices.Clone(s.Bound), func(b Bound) bool { return b.Epoch != e.Epoch })
	s.Memory = slices.Clone(s.Memory)
	for i := range s.Memory {
		s.Memory[i].Past = s.Memory[i].Epoch < e.Epoch
	}
	return s.ofThisEpoch(), nil
}
