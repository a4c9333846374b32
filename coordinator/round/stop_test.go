package round_test

import (
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// ended returns a story in which a plan with the rule was evaluated with these metrics,
// one a train round, as long as it went on. A negative metric is one that is not defined.
func ended(t *testing.T, rule federation.Stop, metrics ...float64) *story {
	t.Helper()
	s := newPlannedStory(t, 4, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Schedule.Stop = len(metrics), 1, rule
	})
	s.statistics("ABCD")
	for _, metric := range metrics {
		if _, end := s.state.Next(); end != "" {
			break
		}
		s.stand("ABCD")
		s.send("ABC")
		s.publish(func(ev *round.SumOpened) { ev.Parameters = s.w.digest("parameters") })
		s.stand("ABCD")
		s.send("ABC")
		s.publish(func(ev *round.SumOpened) {
			if metric >= 0 {
				ev.Metric = &metric
			}
		})
	}
	s.own(round.TaskFinish)
	return s
}

// publish is own of the task that publishes, with a change of what was opened.
func (s *story) publish(change func(*round.SumOpened)) {
	s.t.Helper()
	for _, task := range round.Pending(s.state, s.moment()) {
		if task.Kind == round.TaskPublish {
			ev := s.event(task, s.state).(round.SumOpened)
			change(&ev)
			s.must("publish", ev)
		}
	}
}

func TestStopRule(t *testing.T) {
	auc := func(target float64, patience int, delta float64) federation.Stop {
		return federation.Stop{Metric: federation.MetricAUC, Target: target, Patience: patience, MinDelta: delta}
	}
	for _, c := range []struct {
		rule    federation.Stop
		metrics []float64
		trained int
		want    string
	}{
		{auc(0.8, 0, 0), []float64{0.5, 0.7, 0.8, 0.9}, 3, "auc 0.8000 reached the target 0.8 after 3 of 4 train rounds"},
		{auc(0.8, 0, 0), []float64{0.5, 0.7, 0.79}, 3, "all 3 train rounds are done"},
		{auc(0, 2, 0), []float64{0.5, 0.7, 0.7, 0.6, 0.9}, 4,
			"auc did not rise by more than 0, evaluations in a row: 2; the best is 0.7000 of version 3, after 4 of 5 train rounds"},
		{auc(0, 2, 0), []float64{0.5, 0.7, 0.6, 0.71, 0.7, 0.7, 0.8}, 6,
			"auc did not rise by more than 0, evaluations in a row: 2; the best is 0.7100 of version 5, after 6 of 7 train rounds"},
		{auc(0, 2, 0.05), []float64{0.5, 0.52, 0.54, 0.56}, 3, // each rises, none by enough
			"auc did not rise by more than 0.05, evaluations in a row: 2; the best is 0.5000 of version 2, after 3 of 4 train rounds"},
		{auc(0, 1, 0), []float64{-1, 0.6, -1, -1, 0.5, 0.9}, 5, // what is not defined says nothing
			"auc did not rise by more than 0, evaluations in a row: 1; the best is 0.6000 of version 3, after 5 of 6 train rounds"},
		{auc(0.9, 1, 0), []float64{0.95, 0.1}, 1, "auc 0.9500 reached the target 0.9 after 1 of 2 train rounds"},
		{federation.Stop{}, []float64{0.9, 0.1, 0.1}, 3, "all 3 train rounds are done"},
	} {
		s := ended(t, c.rule, c.metrics...)
		if s.state.Trained != c.trained || s.state.Finished != c.want {
			t.Errorf("%+v with %v: it ended after %d rounds: %s; want %d: %s", c.rule, c.metrics, s.state.Trained, s.state.Finished, c.trained, c.want)
		}
		for _, e := range s.entries() {
			if e.Metric != nil && (e.Kind != round.Publish || e.Version != 0 || !c.rule.On()) {
				t.Errorf("an entry has a metric: %s", e.Encode())
			}
		}
	}
}
