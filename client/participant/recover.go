package participant

import (
	"cmp"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// Recall is a Send of this hospital as the coordinator has it: signed by it, with what it
// names.
type Recall struct {
	Manifest  federation.Digest
	Round     uint64
	Epoch     uint64 // of the charter that its header names
	Questions []string
	Message   federation.Digest // signed Send
	Candidate federation.Digest
	Set       federation.Digest  // SetDigest
	Opens     *federation.Opened // what guard and line remember of it, see Opens
}

// Recover decides what a journal that is older than what this hospital signed takes up: the
// number of its latest Join, and every Send that it lacks. What it may have sent and forgot
// it neither sends nor burns: nothing is burned that carries a Join up to that number, and
// under a manifest of which the journal holds share sums, or that it verified last, it stays
// silent for ever. The questions of these it answers under no other manifest either, until a
// burn certificate or an epoch frees them; guard and line of evaluations take what it was ready
// for under them as sent, too. recalled were signed by this hospital, or are what the log lets
// it have sent. A manifest that was burned and sent under is refused: two daemons ran.
func Recover(s State, counter uint64, recalled []Recall) ([]Entry, error) {
	e := entry(Recovered, federation.Digest{})
	e.Counter = max(counter, s.Counter)
	var entries []Entry
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
		e.Round, e.Epoch, e.Questions, e.Message, e.Candidate, e.Set, e.Opens = r.Round, r.Epoch, r.Questions, r.Message, r.Candidate, r.Set, r.Opens
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Round, b.Round) }) // of sums the newest are remembered
	return append([]Entry{e}, entries...), nil
}

func applyRecovery(s State, e Entry) (State, error) {
	if e.Kind == Recovered {
		if e.Counter < s.Counter {
			return s, fmt.Errorf("%w: recovered to join %d after %d", ErrEntry, e.Counter, s.Counter)
		}
		s.Counter, s.Recovered, s.Live = e.Counter, e.Counter, Live{Incarnation: s.Live.Incarnation}
		return s.silenced(), nil
	}
	if m, _ := s.Recall(e.Digest); m.HasSent() || m.Burned || e.Message.IsZero() {
		return s, fmt.Errorf("%w: manifest %s was sent under or burned", ErrEntry, e.Digest.Short())
	}
	s = s.remember(Memory{Manifest: e.Digest, Round: e.Round, Questions: e.Questions})
	s = s.noted(e.Opens) // beside what it was ready for: who recalls it may lie
	return s.change(e.Digest, func(m *Memory) {
		m.Sent, m.Candidate, m.Set, m.Silent = e.Message, e.Candidate, e.Set, false
		if e.Epoch > s.Epoch {
			m.Epoch = e.Epoch
		}
	})
}

// silenced marks what may have been sent under after the journal's last entry: nothing is
// ready but under the manifest verified last, and what was ready may be sent at any time.
func (s State) silenced() State {
	s.Memory = slices.Clone(s.Memory)
	last := true
	for i := len(s.Memory) - 1; i >= 0; i-- {
		m := &s.Memory[i]
		open := !m.HasSent() && !m.Burned && !m.Past
		if open && !m.Silent {
			for _, r := range m.Readies {
				s = s.noted(r.Opens)
			}
		}
		m.Silent = m.Silent || open && (last || len(m.Readies) > 0)
		last = last && m.Burned // an unknown manifest may have been burned after the last one was verified
	}
	return s
}
