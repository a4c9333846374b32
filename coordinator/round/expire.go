package round

import (
	"fmt"
	"slices"
	"time"

	"atrium/coordinator/federation"
)

// DayEnd is the last round that ended on a day.
type DayEnd struct {
	Day   string `json:"day"` // such as 2026-03-01, UTC
	Round uint64 `json:"round"`
}

// ExpiryReached completes TaskExpire.
type ExpiryReached struct{}

func (ev ExpiryReached) decide(s State, w When) ([]Entry, error) {
	n := s.expirable(w.Now)
	if n <= s.Expired {
		return nil, fmt.Errorf("expire rounds: %w", ErrNotDue)
	}
	e := entry(Expire, w)
	e.Round = n
	return one(e)
}

// expirable is the last round whose ciphertexts the charter lets go at a moment; those of
// all before it may go too. 0 is none.
func (s State) expirable(now time.Time) uint64 {
	keep := s.Charter.Retention
	ended := s.ended()
	if keep.IsZero() || ended <= uint64(keep.Rounds) {
		return 0
	}
	n := ended - uint64(keep.Rounds)
	if keep.Days == 0 {
		return n
	}
	first, last := now.UTC().AddDate(0, 0, -keep.Days).Format(time.DateOnly), uint64(0)
	for _, d := range s.Ended {
		if d.Day < first {
			last = d.Round
		}
	}
	return min(n, last)
}

// ended is the number of the last round that is over.
func (s State) ended() uint64 {
	if s.Round.Phase.Running() {
		return s.Round.Number - 1
	}
	return s.Round.Number
}

// ExpiryWake is [Wake] for what expires with time.
func ExpiryWake(s State) time.Time {
	keep := s.Charter.Retention
	if keep.Days == 0 || s.Round.Phase.Running() {
		return time.Time{}
	}
	for _, d := range s.Ended {
		day, err := time.Parse(time.DateOnly, d.Day)
		if err == nil && d.Round > s.Expired {
			return day.AddDate(0, 0, keep.Days+1)
		}
	}
	return time.Time{}
}

// over notes that the round under way ended at a time.
func (s State) over(at string) State {
	t, err := federation.ParseTime(at)
	if err != nil || s.Charter.Retention.Days == 0 {
		s.Ended = nil
		return s
	}
	day := t.UTC().Format(time.DateOnly)
	s.Ended = slices.Clone(s.Ended)
	if n := len(s.Ended); n > 0 && s.Ended[n-1].Day >= day { // a clock that was set back must not let anything go early
		s.Ended[n-1].Round = s.Round.Number
		return s
	}
	s.Ended = append(s.Ended, DayEnd{day, s.Round.Number})
	return s
}

// applyExpire checks the charter's rule, so that nobody who replays the log has to take
// the coordinator's word for it but that of its clock.
func applyExpire(s State, e Entry) (State, error) {
	at, err := federation.ParseTime(e.Time)
	if err != nil {
		return s, err
	}
	if n := s.expirable(at); e.Round <= s.Expired || e.Round > n {
		return s, fmt.Errorf("rounds up to %d: rounds up to %d did already, up to %d may", e.Round, s.Expired, n)
	}
	s.Expired = e.Round
	s.Ended = slices.DeleteFunc(slices.Clone(s.Ended), func(d DayEnd) bool { return d.Round <= e.Round })
	return s, nil
}

func invariantExpired(s State) error {
	if s.Expired > s.ended() {
		return fmt.Errorf("round %d expired before its end", s.Expired)
	}
	for i, d := range s.Ended {
		if d.Round > s.ended() || d.Round <= s.Expired || (i > 0 && (s.Ended[i-1].Day >= d.Day || s.Ended[i-1].Round >= d.Round)) {
			return fmt.Errorf("round %d ended on %s, out of order", d.Round, d.Day)
		}
	}
	return nil
}
