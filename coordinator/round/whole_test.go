package round_test

import (
	"strings"
	"testing"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// newWholeStory is a story of four hospitals of which all are summed or none, after the
// statistics. The plan's patience is a day.
func newWholeStory(t *testing.T) *story {
	t.Helper()
	c := testCharter(t, 4, 1)
	c.Cohort, c.Guard = federation.CohortAll, 0
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s := newStoryOf(t, c, testPlan(1, 0))
	s.statistics("ABCD")
	return s
}

func (s *story) says(what, got, want string) {
	s.t.Helper()
	for i, m := range s.w.charter.Members {
		got = strings.ReplaceAll(got, string(m.ID), string(rune('A'+i)))
	}
	if got != want {
		s.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestWholeWaitsForANight: one hospital is offline while a round gathers. It is waited for by
// name, whatever the deadline, and in the morning the same round goes on.
func TestWholeWaitsForANight(t *testing.T) {
	s := newWholeStory(t)
	s.own(round.TaskOpen)
	s.gone = s.ids("D")
	s.join("ABC")
	s.says("status", round.Waiting(s.state), "D did not join: the charter sums all of a group or none")
	if got := round.Advice(s.state, s.moment()); got != "" {
		t.Errorf("advice before the deadline: %q", got)
	}
	for range 10 {
		s.pass(3600)
		if tasks := round.OwnTasks(s.state, s.moment()); len(tasks) != 0 {
			t.Fatalf("in the night the coordinator owes %v", tasks)
		}
	}
	s.says("advice", round.Advice(s.state, s.moment()), "If they never come back, go on without them: atrium coordinator charter propose --remove D")
	if paused := round.Paused(s.state, s.moment()); len(paused) != 0 {
		t.Errorf("absence is not a decline: %v", paused)
	}
	s.gone = nil
	s.join("D")
	s.own(round.TaskManifest)
	s.update("ABCD")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C")
	s.publishes("ABC")
	s.expect(round.Done, "ABCD")
	if s.state.Round.Number != 2 {
		t.Errorf("it is round %d", s.state.Round.Number)
	}
}

// TestWholeLosesOneAfterItsJoin: nothing was ready, so the round is abandoned, at once where
// its connection is gone, and the next begins at once and waits for it by name.
func TestWholeLosesOneAfterItsJoin(t *testing.T) {
	s := newWholeStory(t)
	s.gather("ABCD")
	s.update("ABC")
	if task := s.task(round.TaskAbandon); task != nil {
		t.Fatalf("D is there, and the round ends: %s", task.Reason)
	}
	s.gone = s.ids("D")
	s.own(round.TaskAbandon)
	s.says("reason", s.state.Round.Reason, "3 updates; D is gone: the charter sums all of a group or none")
	s.own(round.TaskOpen)
	s.join("ABC")
	s.pass(8 * 3600)
	s.says("status", round.Waiting(s.state), "D did not join: the charter sums all of a group or none")
	s.gone = nil
	s.join("D")
	s.own(round.TaskManifest)
	s.update("ABC")
	s.pass(20) // D is there, and slow
	s.own(round.TaskAbandon)
	s.says("reason", s.state.Round.Reason, "3 updates; D sent nothing before the deadline: the charter sums all of a group or none")
}

// TestWholeDoesNotVouch: who does not vouch cannot be left out; the round ends without one.
func TestWholeDoesNotVouch(t *testing.T) {
	s := newWholeStory(t)
	s.w.bytes = 4 * (federation.AddBytes + 1)
	s.gather("ABCD")
	s.update("ABCD")
	s.own(round.TaskPropose)
	s.vouch("ABC")
	s.ready("A", "B", "C")
	s.gone = s.ids("D")
	s.own(round.TaskAbandon)
	s.says("reason", s.state.Round.Reason, "D did not vouch: D cannot be summed and too few are left (not connected: D)")
	s.own(round.TaskOpen)
}

// TestWholePauses: a hospital declines. It is waited for by name and reason and asked again,
// ever more seldom; after a day the plan counts as paused, and the advice says what goes on
// without it. It goes on by itself once the hospital sends.
func TestWholePauses(t *testing.T) {
	s := newWholeStory(t)
	began := s.moment().Now
	asked := 0
	for s.moment().Now.Sub(began) < 25*time.Hour {
		s.own(round.TaskOpen)
		asked++
		s.join("ABC")
		s.must("D declines", s.declineEvent("D", federation.RoleUpdate))
		waiting, next, _ := strings.Cut(round.Waiting(s.state), ". Next try at ")
		s.says("status", waiting, "D declined (the policy says no, since 2026-03-01T08:00:00.000Z): the charter sums all of a group or none")
		if task := s.task(round.TaskAbandon); task != nil {
			t.Fatalf("the round ends at once: %s", task.Reason)
		}
		if len(round.Paused(s.state, s.moment())) > 0 && s.moment().Now.Sub(began) < 24*time.Hour {
			t.Fatal("the plan has no patience")
		}
		s.pass(20)
		s.own(round.TaskAbandon)
		if next != s.state.NotBefore || !strings.HasPrefix(round.Waiting(s.state), "the next try, at "+next+"; round ") || !strings.HasSuffix(round.Waiting(s.state), s.state.Round.Reason) {
			t.Fatalf("next try at %s, then %q, and the machine waits until %s", next, round.Waiting(s.state), s.state.NotBefore)
		}
		for !s.isOwed(round.TaskOpen) {
			s.pass(20)
		}
	}
	if asked < 20 || asked > 40 {
		t.Errorf("it was asked %d times in a day", asked)
	}
	if list := round.Paused(s.state, s.moment()); len(list) != 1 || list[0].Hospital != s.id("D") {
		t.Errorf("paused by %v", list)
	}
	s.says("advice", round.Advice(s.state, s.moment()), "the plan is paused: D declined (the policy says no, since 2026-03-01T08:00:00.000Z). "+
		"Their people decide: it goes on when they send, and another plan that they take part in goes on with them. Only where they want to leave does a charter go on without them: "+
		"atrium coordinator charter propose --remove D, or, where others may see by the difference who is missing, --cohort k")
	s.own(round.TaskOpen)
	s.join("ABCD")
	s.own(round.TaskManifest)
	s.update("ABCD")
	if s.state.Withheld != nil || round.Advice(s.state, s.moment()) != "" {
		t.Errorf("D sent, and is still waited for: %v", s.state.Withheld)
	}
	s.own(round.TaskPropose)
	s.ready("A", "B", "C")
	s.publishes("ABC")
	s.expect(round.Done, "ABCD")
}

// TestWholeDeclinesItsOwnUpdate: refused by its own data or gate after the manifest, a
// hospital ends the round at once, and is asked again after a while.
func TestWholeDeclinesItsOwnUpdate(t *testing.T) {
	s := newWholeStory(t)
	s.gather("ABCD")
	s.update("ABC")
	s.must("D declines", s.declineEvent("D", federation.RoleUpdate))
	s.own(round.TaskAbandon)
	s.says("reason", s.state.Round.Reason, "3 updates; D declined (the policy says no, since 2026-03-01T08:00:00.000Z): the charter sums all of a group or none")
	if s.isOwed(round.TaskOpen) {
		t.Error("it is asked again at once")
	}
	s.pass(20)
	s.own(round.TaskOpen)
	s.must("another plan", func() round.Event { // forgets who declined
		s.must("A declines", s.declineEvent("A", federation.RoleUpdate))
		s.pass(20)
		s.own(round.TaskAbandon)
		return round.PlanAccepted{Plan: s.w.digest("plan"), Schedule: s.w.plan.Schedule}
	}())
	if s.state.Withheld != nil {
		t.Errorf("another plan waits for %v", s.state.Withheld)
	}
}

// TestWholeComplaints: nobody is left out of a candidate; who is unreadable ends the round.
func TestWholeComplaints(t *testing.T) {
	s := newWholeStory(t)
	s.gather("ABCD")
	s.update("ABCD")
	s.own(round.TaskPropose)
	s.ready("A-D", "B-D")
	s.own(round.TaskAbandon)
	s.says("reason", s.state.Round.Reason, "0 of 3 custodians are ready: D cannot be summed and too few are left (no word yet: C, D)")
}
