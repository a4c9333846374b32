package round

import (
	"fmt"
	"math"

	"atrium/coordinator/federation"
)

// Scored is what the stop rule goes by: the evaluations under the plan so far.
type Scored struct {
	Count   int     `json:"count"` // evaluations whose metric is defined
	Last    float64 `json:"last"`
	Best    float64 `json:"best"`
	Version uint64  `json:"version"` // that had the best
	Waited  int     `json:"waited"`  // evaluations since
}

// with returns the evaluations and one more. One whose metric is not defined, because no
// or every record had the label, says nothing.
func (s Scored) with(rule federation.Stop, version uint64, metric *float64) Scored {
	if !rule.On() || metric == nil {
		return s
	}
	s.Count++
	s.Last = *metric
	s.Waited++
	if s.Count == 1 || s.Last > s.Best+rule.MinDelta {
		s.Best, s.Version, s.Waited = s.Last, version, 0
	}
	return s
}

// stopped says why the stop rule ends the plan, or "". The words are in the log, and an
// auditor compares them.
func (s State) stopped() string {
	rule, scored := s.Schedule.Stop, s.Scored
	switch {
	case !rule.On() || scored.Count == 0:
		return ""
	case rule.Target > 0 && scored.Last >= rule.Target:
		return fmt.Sprintf("%s %.4f reached the target %v after %d of %d train rounds", rule.Metric, scored.Last, rule.Target, s.Trained, s.Schedule.Rounds)
	case rule.Patience > 0 && scored.Waited >= rule.Patience:
		return fmt.Sprintf("%s did not rise by more than %v, evaluations in a row: %d; the best is %.4f of version %d, after %d of %d train rounds",
			rule.Metric, rule.MinDelta, scored.Waited, scored.Best, scored.Version, s.Trained, s.Schedule.Rounds)
	}
	return ""
}

func invariantScored(s State) error {
	c := s.Scored
	finite := !math.IsNaN(c.Last+c.Best) && !math.IsInf(c.Last+c.Best, 0)
	if !finite || c.Count < 0 || c.Waited < 0 || c.Waited > max(0, c.Count-1) || c.Version > s.Newest || (c.Count > 0 && !s.Schedule.Stop.On()) {
		return fmt.Errorf("%d evaluations, the best %d ago", c.Count, c.Waited)
	}
	return nil
}
