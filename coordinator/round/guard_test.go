package round_test

import (
	"errors"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// at is a publication of a version at a place of a line, of norm 1 or so.
func (s *story) at(place float32) {
	s.t.Helper()
	s.publish(func(ev *round.SumOpened) {
		ev.Sketch, ev.Parameters = &federation.Sketch{1, place}, s.w.digest("parameters")
	})
}

// newGuardedStory is a story of n hospitals under the default guard, after the statistics,
// whose version is at 0. Three train rounds are planned.
func newGuardedStory(t *testing.T, n int, evaluateEvery int) *story {
	t.Helper()
	plan := testPlan(3, evaluateEvery)
	c := testCharter(t, n, 1)
	if c.Guard != federation.DefaultGuard {
		t.Fatalf("guard %v", c.Guard)
	}
	s := newStoryOf(t, c, plan)
	all := "ABCDEFGH"[:n]
	s.stand(all)
	s.send(all[:c.Threshold])
	s.at(0)
	s.derive(all)
	return s
}

// another begins another plan.
func (s *story) another() {
	s.t.Helper()
	s.w.plan.Name += " again"
	s.must("plan", round.PlanAccepted{Plan: s.w.plan.Digest(), Schedule: s.w.plan.Schedule})
}

// TestGuardConverges: a version nearer to the one before than the guard ends the plan. The
// next plan trains on it, of the very hospitals: one that is missing is waited for by name,
// and one that is new is not asked. Without that it would meet the guard of the custodians.
func TestGuardConverges(t *testing.T) {
	s := newGuardedStory(t, 7, 0)
	s.gone = s.ids("G")
	s.stand("ABCDEF")
	s.send("ABCDE")
	s.at(.01) // far
	s.derive("ABCDEF")
	if s.state.Converged || len(s.state.Opened) != 1 {
		t.Fatalf("converged %v, %d sums are remembered", s.state.Converged, len(s.state.Opened))
	}
	s.stand("ABCDEF")
	s.send("ABCDE")
	s.at(.0105) // near
	s.derive("ABCDEF")
	s.own(round.TaskFinish)
	if s.state.Finished != "converged after 2 train rounds" {
		t.Errorf("it ended: %q", s.state.Finished)
	}
	s.another()
	s.gone = nil
	s.own(round.TaskOpen)
	s.join("ABCDEG")
	s.pass(100)
	s.says("status", round.Waiting(s.state), "F must be there again: on nearly the same version a sum was opened of exactly these hospitals")
	if tasks := round.OwnTasks(s.state, s.moment()); len(tasks) != 0 {
		t.Fatalf("while F is missing the coordinator owes %v", tasks)
	}
	s.join("F")
	s.own(round.TaskManifest)
	s.update("ABCDEF")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C", "D", "E")
	s.send("ABCDE")
	s.at(.02)
	s.expect(round.Done, "ABCDEF")
}

// TestGuardOfWhatWasReleased: what every hospital released is no sum that another one meets.
func TestGuardOfWhatWasReleased(t *testing.T) {
	s := newGuardedStory(t, 7, 0)
	s.stand("ABCDEFG")
	s.send("ABCDE")
	s.publish(func(ev *round.SumOpened) {
		ev.Sketch, ev.Parameters = s.state.Sketch, s.state.Model.Parameters
	})
	s.own(round.TaskFinish)
	s.another()
	s.release("ABCDEFG", s.state.Round.Manifest)
	s.gather("ABCDEFG")
	s.update("ABCDEF")
	s.pass(20)
	s.own(round.TaskPropose)
	s.expect(round.Opening, "ABCDEF")
}

// TestGuardAtTheCandidate: everyone joined and one sends nothing. Its sum would meet the
// guard, so none is proposed; an entry that proposes it all the same does not apply.
func TestGuardAtTheCandidate(t *testing.T) {
	s := newGuardedStory(t, 7, 0)
	s.stand("ABCDEFG")
	s.send("ABCDE")
	s.at(.0005)
	s.derive("ABCDEFG")
	s.own(round.TaskFinish)
	s.another()
	s.gather("ABCDEFG")
	s.update("ABCDEF")
	s.pass(20)
	if task := s.task(round.TaskPropose); task != nil {
		t.Fatal("it proposes a sum without G")
	}
	log, w := s.entries(), s.moment()
	e := round.Entry{V: 1, Kind: round.Candidate, Time: federation.FormatTime(w.Now), Round: s.state.Round.Number, Blob: s.w.digest("candidate"), Bytes: 1, Deadline: log[0].Time}
	if _, err := round.Apply(s.state, e); !errors.Is(err, round.ErrEntry) {
		t.Errorf("a candidate without G applies: %v", err)
	}
	s.own(round.TaskAbandon)
	s.says("reason", s.state.Round.Reason, "6 updates: on nearly the same version a sum was opened of nearly the same hospitals before the deadline")
}

// TestEvaluationIsSkipped: the evaluations of a plan are of those whom the first was of. Once
// one of them is missing, the evaluation is given up when its time to gather is over; the log
// says so, training goes on, the stop rule waits no shorter, and the last evaluation is asked.
func TestEvaluationIsSkipped(t *testing.T) {
	s := newPlannedStory(t, 4, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.EvaluateEvery = 3, 1
		p.Schedule.Stop = federation.Stop{Metric: federation.MetricAUC, Patience: 2}
	})
	s.statistics("ABCD")
	metric := .7
	evaluate := func() {
		s.publish(func(ev *round.SumOpened) { ev.Metric = &metric })
	}
	train := func() {
		s.stand("ABCD")
		s.send("ABC")
		s.publish(func(ev *round.SumOpened) { ev.Parameters = s.w.digest("parameters") })
	}
	train()
	s.gone = s.ids("D")
	s.stand("ABC")
	s.send("ABC")
	evaluate() // of A, B and C
	s.gone = nil
	train()
	s.own(round.TaskOpen)
	s.join("ABD")
	s.says("status", round.Waiting(s.state), "C must be there again: evaluations under this plan are of exactly these hospitals")
	s.pass(19)
	if task := s.task(round.TaskAbandon); task != nil {
		t.Fatal("it is skipped while it gathers")
	}
	s.pass(1)
	s.own(round.TaskAbandon)
	s.says("reason", s.state.Round.Reason, "the evaluation of version 3 is skipped: C must be there again: evaluations under this plan are of exactly these hospitals (silent: C)")
	log := s.entries()
	last := log[len(log)-1]
	if !last.Skipped || s.state.Evaluated != 2 || s.state.Failures != 0 || s.state.Scored.Count != 1 || s.state.Scored.Waited != 0 {
		t.Errorf("after %s: %+v", last.Encode(), s.state.Scored)
	}
	if kind, end := s.state.Next(); kind != federation.Train {
		t.Fatalf("next is %s %s", kind, end)
	}
	train()
	s.gather("ABCD")
	s.update("ABC") // D is not asked
	s.own(round.TaskPropose)
	s.ready("A", "B", "C")
	s.send("ABC")
	evaluate()
	s.expect(round.Done, "ABC")
	s.own(round.TaskFinish)
}

// TestEvaluationComesToNothing: one that is missing after its Join costs one more try, which
// then waits for nobody.
func TestEvaluationComesToNothing(t *testing.T) {
	s := newWholeStory(t)
	s.w.plan.Schedule.EvaluateEvery = 1
	s.w.plan.Name = "evaluated"
	s.must("plan", round.PlanAccepted{Plan: s.w.plan.Digest(), Schedule: s.w.plan.Schedule})
	s.stand("ABCD")
	s.send("ABC")
	s.publish(func(ev *round.SumOpened) { ev.Parameters = s.w.digest("parameters") })
	s.gather("ABCD")
	s.update("ABC")
	s.gone = s.ids("D")
	s.own(round.TaskAbandon)
	if log := s.entries(); log[len(log)-1].Skipped || s.state.Evaluated != 0 {
		t.Error("it is skipped at once")
	}
	s.own(round.TaskOpen)
	s.join("ABC")
	s.pass(20)
	s.own(round.TaskAbandon)
	s.says("reason", s.state.Round.Reason, "the evaluation of version 2 is skipped: D did not join: the charter sums all of a group or none (silent: D)")
	s.own(round.TaskFinish)
	if !strings.HasPrefix(s.state.Finished, "all 1 train rounds") {
		t.Errorf("it ended: %q", s.state.Finished)
	}
}

// TestSkippedMustFollow: an entry cannot skip what is no evaluation, nor fail to say so.
func TestSkippedMustFollow(t *testing.T) {
	s := newWholeStory(t)
	s.own(round.TaskOpen)
	e := round.Entry{V: 1, Kind: round.Abandon, Time: federation.FormatTime(s.moment().Now), Round: s.state.Round.Number, Reason: "because", Skipped: true}
	if _, err := round.Apply(s.state, e); !errors.Is(err, round.ErrEntry) {
		t.Errorf("a train round is skipped: %v", err)
	}
}
