package federation

// Metrics of an evaluate round that a stop rule may look at.
const (
	MetricAUC      = "auc"
	MetricAccuracy = "accuracy"
)

// Stop ends a plan before its last round, by the evaluations of all hospitals together.
// The zero Stop ends nothing.
type Stop struct {
	Metric   string  `json:"metric,omitempty"`    // MetricAUC or MetricAccuracy
	Target   float64 `json:"target,omitempty"`    // the plan ends once the metric is that much; 0: none
	Patience int     `json:"patience,omitempty"`  // or after so many evaluations in a row that did not raise it; 0: never
	MinDelta float64 `json:"min_delta,omitempty"` // a metric counts as raised if it exceeds the best one by more than that
}

// SteadyWords says what an evaluation wants of the hospitals.
const SteadyWords = "are of the hospitals of the first one and skipped where one of them is missing: they, and stop rules, want cohort all, or few hospitals that are always there"

// On reports whether there is a stop rule.
func (s Stop) On() bool { return s.Metric != "" }

func (s Stop) validate(evaluateEvery int) error {
	if s == (Stop{}) {
		return nil
	}
	switch {
	case s.Metric != MetricAUC && s.Metric != MetricAccuracy:
		return bad("schedule.stop.metric", "%q: want %s or %s", s.Metric, MetricAUC, MetricAccuracy)
	case !(s.Target >= 0 && s.Target <= 1):
		return bad("schedule.stop.target", "%v: want 0 (none) to 1", s.Target)
	case s.Patience < 0 || s.Patience > MaxRounds:
		return bad("schedule.stop.patience", "%d: want 0 (never) to %d evaluations", s.Patience, MaxRounds)
	case !(s.MinDelta >= 0 && s.MinDelta < 1):
		return bad("schedule.stop.min_delta", "%v: want 0 or more, and less than 1", s.MinDelta)
	case s.Target == 0 && s.Patience == 0:
		return bad("schedule.stop", "want a target, patience or both")
	case s.MinDelta > 0 && s.Patience == 0:
		return bad("schedule.stop.min_delta", "%v: want patience too", s.MinDelta)
	case evaluateEvery == 0:
		return bad("schedule.stop", "nothing is evaluated: want evaluate_every of 1 or more")
	}
	return nil
}
