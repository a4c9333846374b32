package participant

import (
	"fmt"

	"atrium/coordinator/federation"
)

// Recall is an answer of this hospital as the coordinator has it: signed by it, with what
// it names.
type Recall struct {
	Manifest   federation.Digest
	Round      uint64
	Questions  []string
	Message    federation.Digest // signed answer
	Submitters federation.Digest
	Set        [][]federation.HospitalID
}

// Recover decides what a journal that is older than what this hospital signed takes up:
// the number of its latest Join, and every answer that it lacks. Every manifest that it
// knows or is told of, and did not answer, is burned: the keys of the runs before are gone,
// so nothing is lost by the promise, and what it cannot remember it does not repeat.
// recalled were signed by this hospital; open is the manifest of the round under way, or
// zero. A manifest that was burned and answered is refused: two daemons ran.
func Recover(s State, counter uint64, recalled []Recall, open federation.Digest) ([]Entry, error) {
	e := entry(Recovered, federation.Digest{})
	e.Counter = max(counter, s.Counter)
	entries := []Entry{e}
	answered := map[federation.Digest]bool{}
	for _, r := range recalled {
		known, _ := s.Recall(r.Manifest)
		switch {
		case answered[r.Manifest] || known.Answered() && known.Submitters == r.Submitters:
			continue
		case known.Answered():
			return nil, fmt.Errorf("answer under manifest %s: %w: the journal has another answer", r.Manifest.Short(), ErrConflict)
		case known.Burned:
			return nil, fmt.Errorf("answer under manifest %s: %w", r.Manifest.Short(), ErrBurned)
		}
		answered[r.Manifest] = true
		e := entry(Recalled, r.Manifest)
		e.Round, e.Questions, e.Message, e.Submitters, e.Set = r.Round, r.Questions, r.Message, r.Submitters, r.Set
		entries = append(entries, e)
	}
	if !s.IsCustodian() {
		return entries, nil
	}
	burn := func(manifest federation.Digest, round uint64) {
		e := entry(Burned, manifest)
		e.Round = round
		entries = append(entries, e)
		answered[manifest] = true
	}
	for _, m := range s.Memory {
		if !m.Answered() && !m.Burned && !m.Past && !answered[m.Manifest] {
			burn(m.Manifest, m.Round)
		}
	}
	if m, _ := s.Recall(open); !open.IsZero() && !m.Answered() && !m.Burned && !answered[open] {
		burn(open, m.Round)
	}
	return entries, nil
}

func applyRecovery(s State, e Entry) (State, error) {
	if e.Kind == Recovered {
		if e.Counter < s.Counter {
			return s, fmt.Errorf("%w: recovered to join %d after %d", ErrEntry, e.Counter, s.Counter)
		}
		s.Counter, s.Live = e.Counter, Live{Incarnation: s.Live.Incarnation}
		return s, nil
	}
	if m, _ := s.Recall(e.Digest); m.Answered() || m.Burned || e.Message.IsZero() {
		return s, fmt.Errorf("%w: manifest %s was answered or burned", ErrEntry, e.Digest.Short())
	}
	s = s.remember(Memory{Manifest: e.Digest, Round: e.Round, Questions: e.Questions})
	return s.change(e.Digest, func(m *Memory) { m.Answer, m.Submitters, m.Set = e.Message, e.Submitters, e.Set })
}
