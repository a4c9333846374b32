package round

import (
	"fmt"
	"math"
	"slices"

	"atrium/coordinator/federation"
)

// tookRounds is how many train rounds the next deadline looks back on. The longest of them
// counts, so that one that was cut short does not shorten the next.
const tookRounds = 3

// UpdateSeconds is how long a round of a kind that opens now waits for updates; 0 where
// the plan fixes it. It follows from the log: from what a share of the hospitals took in
// the last train rounds, or, before the first, from what hospitals said they take.
func UpdateSeconds(s State, kind federation.RoundKind) int {
	d := s.Schedule.Deadline
	if !d.Auto() || kind != federation.Train {
		return 0
	}
	took := s.Took
	if len(took) == 0 {
		if declared, ok := quantile(s.declared(), d.Quantile); ok {
			took = []int{1000 * declared}
		}
	}
	if len(took) == 0 {
		return s.Schedule.UpdateSeconds
	}
	seconds := math.Ceil(float64(slices.Max(took)) / 1000 * d.Factor)
	return int(min(max(seconds, float64(d.Least)), float64(s.Schedule.UpdateSeconds)))
}

// declared lists how many seconds hospitals said that they train, in their latest Joins.
func (s State) declared() []int {
	var list []int
	for _, j := range s.Latest {
		if n := j.Capability.TrainSeconds; n > 0 {
			list = append(list, n)
		}
	}
	return list
}

// quantile is the nearest-rank quantile of a list; ok is false for an empty one.
func quantile(list []int, q float64) (value int, ok bool) {
	if len(list) == 0 {
		return 0, false
	}
	list = slices.Sorted(slices.Values(list))
	return list[max(0, min(int(math.Ceil(q*float64(len(list))))-1, len(list)-1))], true
}

// elapsed is the milliseconds since the round began to collect, by the clock of entries,
// within what the deadline allows: a wall clock that is set tells no more than that.
func (r Round) elapsed(now string) int {
	from, err := federation.ParseTime(r.Collected)
	if err != nil {
		return 0
	}
	at, err := federation.ParseTime(now)
	if err != nil {
		return 0
	}
	return int(min(max(at.Sub(from).Milliseconds(), 0), int64(r.Seconds)*1000))
}

// tookUpdate notes what an update took, where the next deadline will ask.
func (s State) tookUpdate(e Entry) State {
	if s.Round.Seconds > 0 {
		s.Round.Durations = append(slices.Clone(s.Round.Durations), s.Round.elapsed(e.Time))
	}
	return s
}

// closes notes what a train round took when it no longer waits for updates. Who was asked
// and is still outstanding took longer than that; it counts as this long, and so a deadline
// that is too short for too many grows.
func (s State) closes(e Entry) State {
	if s.Round.Seconds == 0 || s.Round.Collected == "" {
		return s
	}
	all := slices.Clone(s.Round.Durations)
	for range collected(s).waiting {
		all = append(all, s.Round.elapsed(e.Time))
	}
	if took, ok := quantile(all, s.Schedule.Deadline.Quantile); ok {
		s.Took = append(slices.Clone(s.Took), took)
		s.Took = s.Took[max(0, len(s.Took)-tookRounds):]
	}
	s.Round.Durations, s.Round.Collected = nil, ""
	return s
}

func invariantDeadline(s State) error {
	r := s.Round
	switch {
	case r.Seconds < 0 || r.Seconds > federation.MaxDeadlineSecond:
		return fmt.Errorf("updates have %d seconds", r.Seconds)
	case len(r.Durations) > len(r.Updates) || (len(r.Durations) > 0 || r.Collected != "") && (r.Phase != Collecting || r.Seconds == 0):
		return fmt.Errorf("%d durations of %d updates while %s", len(r.Durations), len(r.Updates), r.Phase)
	case len(s.Took) > tookRounds || slices.ContainsFunc(s.Took, func(ms int) bool { return ms < 0 || ms > 1000*federation.MaxDeadlineSecond }):
		return fmt.Errorf("rounds took %v ms", s.Took)
	}
	return nil
}
