package participant

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// Recall is a Send of this hospital as the coordinator has it: signed by it, with what it
// names.
type Recall struct {
	Manifest  federation.Digest
	Round     uint64
	Questions []string
	Message   federation.Digest // signed Send
	Candidate federation.Digest
	Set       federation.Digest // SetDigest
}

// Recover decides what a journal that is older than what this hospital signed takes up: the
// number of its latest Join, and every Send that it lacks. Under every other manifest that
// it knows, and every one that carries a Join up to that number, it stays silent for ever:
// what it may have sent and forgot it neither sends nor burns. recalled were signed by this
// hospital. A manifest that was burned and sent under is refused: two daemons ran.
func Recover(s State, counter uint64, recalled []Recall) ([]Entry, error) {
	e := entry(Recovered, federation.Digest{})
	e.Counter = max(counter, s.Counter)
	entries := []Entry{e}
	taken := map[federation.Digest]bool{}
	for _, r := range recalled {
		known, _ := s.Recall(r.Manifest)
		switch {
		case taken[r.Manifest] || known.HasSent() && known.Candidate == r.Candidate:
			continue
		case known.HasSent():
			return nil, fmt.Errorf("send under manifest %s: %w: the journal has another", r.Manifest.Short(), ErrConflict)
		case known.Burned:
			return nil, fmt.Errorf("send under manifest %s: %w", r.Manifest.Short(), ErrBurned)
		}
		taken[r.Manifest] = true
		e := entry(Recalled, r.Manifest)
		e.Round, e.Questions, e.Message, e.Candidate, e.Set = r.Round, r.Questions, r.Message, r.Candidate, r.Set
		entries = append(entries, e)
	}
	return entries, nil
}

func applyRecovery(s State, e Entry) (State, error) {
	if e.Kind == Recovered {
		if e.Counter < s.Counter {
			return s, fmt.Errorf("%w: recovered to join %d after %d", ErrEntry, e.Counter, s.Counter)
		}
		s.Counter, s.Recovered, s.Live = e.Counter, e.Counter, Live{Incarnation: s.Live.Incarnation}
		s.Memory = slices.Clone(s.Memory)
		for i, m := range s.Memory {
			s.Memory[i].Silent = !m.HasSent() && !m.Burned && !m.Past
		}
		return s, nil
	}
	if m, _ := s.Recall(e.Digest); m.HasSent() || m.Burned || e.Message.IsZero() {
		return s, fmt.Errorf("%w: manifest %s was sent under or burned", ErrEntry, e.Digest.Short())
	}
	s = s.remember(Memory{Manifest: e.Digest, Round: e.Round, Questions: e.Questions})
	return s.change(e.Digest, func(m *Memory) { m.Sent, m.Candidate, m.Set, m.Silent = e.Message, e.Candidate, e.Set, false })
}
