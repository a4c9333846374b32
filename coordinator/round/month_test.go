package round_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// newMonthStory has five hospitals, of which sums are of all or nobody, with a plan of one
// train round and four months from the one before; its training is done.
func newMonthStory(t *testing.T) *story {
	t.Helper()
	c := testCharter(t, 5, 1)
	c.MinCohort, c.Cohort, c.Guard = 4, federation.CohortAll, 0
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	plan := testPlan(1, 1)
	plan.Schedule.Months = federation.Months{Date: "admitted", First: "2026-02", Count: 4}
	s := newStoryOf(t, c, plan)
	s.statistics("ABCDE")
	s.trained("ABCDE", "two")
	return s
}

// trained runs the train round of a plan, after which its training is done.
func (s *story) trained(letters, parameters string) {
	s.t.Helper()
	s.stand(letters)
	s.send("ABCD")
	s.publish(func(ev *round.SumOpened) { ev.Parameters = s.w.digest(parameters) })
	s.derive(letters)
	s.own(round.TaskFinish)
}

// until passes the time to a moment.
func (s *story) until(moment string) {
	s.t.Helper()
	at, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		s.t.Fatal(err)
	}
	s.pass(int(at.Sub(start.Add(s.w.now)).Seconds()))
}

// evaluates runs an evaluation of letters, of whom those in away did not join.
func (s *story) evaluates(letters, away string) {
	s.t.Helper()
	s.gone = s.ids(away)
	s.stand(letters)
	s.publishes("ABCD")
	s.expect(round.Done, letters)
	s.gone = nil
}

// TestMonths: after training each month is evaluated when it is over everywhere, once, of K
// hospitals or more, each of its own: one is away in March, another has too few records of
// April. Where fewer than K have some, the month is left out after a day of tries.
func TestMonths(t *testing.T) {
	s := newMonthStory(t)
	if s.state.Evaluated != 0 {
		t.Error("the last version was evaluated whole")
	}
	s.says("months", round.MonthText(s.state), "2026-02 to 2026-05, by admitted; next 2026-02, on 2026-03-02")
	s.until("2026-03-01T23:59:59Z")
	if tasks := round.OwnTasks(s.state, s.moment()); len(tasks) > 0 {
		t.Fatalf("while it is February somewhere: %+v", tasks)
	}
	if due := round.MonthWake(s.state); !due.Equal(start.Add(s.w.now + time.Second)) {
		t.Errorf("it wakes at %s", due)
	}
	s.pass(1)
	s.evaluates("ABCDE", "")
	s.says("months", round.MonthText(s.state), "2026-02 to 2026-05, by admitted; next 2026-03, on 2026-04-02")
	s.until("2026-04-02T00:00:00Z")
	s.evaluates("ABCD", "E")
	s.until("2026-05-02T00:00:00Z")
	s.own(round.TaskOpen)
	s.says("months", round.MonthText(s.state), "2026-02 to 2026-05, by admitted; now 2026-04")
	s.join("ABCDE")
	s.must("decline", s.declineEvent("B", federation.RoleUpdate))
	if len(s.state.Withheld) > 0 {
		t.Errorf("B keeps the plan waiting: %+v", s.state.Withheld)
	}
	s.own(round.TaskManifest)
	s.update("ACDE")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C", "D")
	s.publishes("ABCD")
	s.expect(round.Done, "ACDE")
	s.until("2026-06-02T00:00:00Z")
	tries, gather, last := 0, time.Duration(s.w.plan.Schedule.GatherSeconds)*time.Second, time.Time{}
	for began := s.moment().Now; s.state.Month != "2026-05"; tries++ {
		s.own(round.TaskOpen)
		if at := s.moment().Now; at.Sub(last) < gather {
			t.Fatalf("try %d is %s after the one before", tries, at.Sub(last))
		} else {
			last = at
		}
		s.join("ABCD")
		s.must("decline", s.declineEvent("B", federation.RoleUpdate))
		s.says("waiting", round.Waiting(s.state), "4 hospitals joined: no group reaches the minimum cohort 4; E did not join; B declined (the policy says no)")
		s.join("E")
		s.must("decline", s.declineEvent("C", federation.RoleUpdate))
		s.own(round.TaskAbandon)
		if skipped := s.state.Month == "2026-05"; skipped != (s.moment().Now.Sub(began) >= 24*time.Hour) {
			t.Fatalf("after %s skipped: %v", s.moment().Now.Sub(began), skipped)
		} else if skipped {
			continue
		}
		if got := round.Waiting(s.state); !strings.HasPrefix(got, "the next try, at "+s.state.NotBefore) || !strings.HasSuffix(got, s.state.Round.Reason) {
			t.Fatalf("between tries it waits for %q", got)
		}
		s.until(s.state.NotBefore)
	}
	if tries < 20 || tries > 40 {
		t.Errorf("the month was tried %d times", tries)
	}
	s.says("reason", s.state.Round.Reason, "the evaluation of version 2 by month 2026-05 is skipped: no group can still reach the minimum cohort 4 "+
		"(B declined (the policy says no); C declined (the policy says no)). Their people decide, and are asked again in each round. "+
		"Only where they want to leave: atrium coordinator charter propose --remove B,C")
	s.says("months", round.MonthText(s.state), "2026-02 to 2026-05, by admitted; none is left")
	s.until("2027-01-01T00:00:00Z")
	if tasks := round.OwnTasks(s.state, s.moment()); len(tasks) > 0 || !round.MonthWake(s.state).IsZero() {
		t.Errorf("after the last month: %+v", tasks)
	}
	var asked []string
	for _, e := range s.entries() {
		if e.Kind == round.Open && e.Part != "" {
			asked = append(asked, string(e.Part))
		}
	}
	if got, want := strings.Join(asked, " "), "2026-02 2026-03 2026-04"+strings.Repeat(" 2026-05", tries); got != want {
		t.Errorf("it asked %s", got)
	}
	s.tell("months")
}

// TestMonthsOfTwoPlans: on the next plan's version a month is of the hospitals of the first
// time, and left out where one of them is missing; where the version was evaluated whole by
// the plan before, none is asked.
func TestMonthsOfTwoPlans(t *testing.T) {
	s := newMonthStory(t)
	s.until("2026-05-02T00:00:00Z")
	for range 3 { // February to April at once
		s.evaluates("ABCD", "E")
	}
	plan := s.w.plan
	plan.Name = "next"
	s.w.plan = plan
	s.must("plan", round.PlanAccepted{Plan: plan.Digest(), Schedule: plan.Schedule})
	s.trained("ABCDE", "three")
	s.own(round.TaskOpen)
	s.join("ABDE")
	s.says("status", round.Waiting(s.state), "C must be there again: evaluations of the same records are of exactly these hospitals")
	for s.state.Month == "" { // a day
		s.pass(20)
		s.own(round.TaskAbandon)
		if s.state.Month == "" {
			s.until(s.state.NotBefore)
			s.own(round.TaskOpen)
			s.join("ABDE")
		}
	}
	s.evaluates("ABCD", "E")
	if s.state.Month != "2026-03" {
		t.Errorf("month %s", s.state.Month)
	}
	s.state.Attempts = append(s.state.Attempts, round.Attempt{Round: 1, Kind: federation.Evaluate, S: s.state.Round.S,
		Manifest: s.w.digest("whole"), Asks: federation.Part{}.Evaluation(s.state.Model.Parameters)})
	if month, _ := s.state.NextMonth(); month != "" {
		t.Errorf("%s of a version that was evaluated whole", month)
	}
}

// TestMonthMustFollow: no entry opens another month, or the month of another kind of round.
func TestMonthMustFollow(t *testing.T) {
	s := newMonthStory(t)
	open := round.Entry{V: 1, Kind: round.Open, Time: federation.FormatTime(s.moment().Now), Round: s.state.Round.Number + 1, RoundKind: federation.Evaluate,
		Part: "2026-02", Blob: s.w.digest("header"), Deadline: federation.FormatTime(s.moment().Now)}
	if _, err := round.Apply(s.state, open); err != nil {
		t.Error(err)
	}
	later, train := open, open
	later.Part, train.RoundKind = "2026-03", federation.Train
	for _, e := range []round.Entry{later, train} {
		if _, err := round.Apply(s.state, e); !errors.Is(err, round.ErrEntry) {
			t.Errorf("%s of %s: %v", e.RoundKind, e.Part, err)
		}
	}
	s.until("2026-03-02T00:00:00Z")
	for _, task := range round.OwnTasks(s.state, s.moment()) {
		task.Month = "2026-03"
		s.refused("another month", round.ErrMismatch, s.event(task, s.state))
	}
}
