package round_test

import (
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// opened is the event that the groups named hold, with the share sums so far.
func (s *story) opened(groups ...int) round.SumOpened {
	var used []federation.HospitalID
	for _, a := range s.state.Round.Sends {
		used = append(used, a.Hospital)
	}
	return round.SumOpened{Round: s.state.Round.Number, Result: s.w.digest("result"), Snapshot: s.w.digest("snapshot"),
		Parameters: s.w.digest("parameters"), Sends: len(used), Groups: groups, Used: used, Note: "group 1: noise out of range"}
}

// publishTask is the identifier of the publish task that is owed.
func (s *story) publishTask() string {
	s.t.Helper()
	for _, t := range round.Pending(s.state, s.moment()) {
		if t.Kind == round.TaskPublish {
			return t.ID
		}
	}
	s.t.Fatalf("no publish task in %s", s.state.Round.Phase)
	return ""
}

// TestStoryGroupThatDoesNotOpen: a group that does not open waits for as many share sums as
// settle it, whoever is gone and whatever the time, and then the others are published without
// it.
func TestStoryGroupThatDoesNotOpen(t *testing.T) {
	s := newGroupedStory(t, 6, 2, 0) // t = 5, f = 2
	s.stand("ABCDEF")
	s.send("ABCDE")
	first := s.publishTask()
	s.must("only group 0 opens", s.opened(0))
	s.gone = s.ids("F")
	s.pass(3600)
	s.must("only group 0 opens", s.opened(0))
	if s.state.Round.Phase != round.Publishing || s.publishTask() != first {
		t.Fatalf("the round is %s while F may send", s.state.Round.Phase)
	}
	five := s.opened(0)
	s.send("F")
	if s.publishTask() == first {
		t.Error("the task is the same after another share sum")
	}
	s.must("only group 0 opened before F sent", five)
	if s.state.Round.Phase != round.Publishing {
		t.Fatalf("the round is %s: six share sums were not tried", s.state.Round.Phase)
	}
	s.must("only group 0 opens with all share sums", s.opened(0))
	s.expect(round.Done, "ABC")
	s.tell("group-not-opened")
}

// TestStoryGroupTooSmall: a group that falls below K is dropped, and what is left opens
// with t share sums.
func TestStoryGroupTooSmall(t *testing.T) {
	s := newGroupedStory(t, 6, 2, 0)
	s.gather("ABCDEF")
	s.update("ABCDE")
	s.must("F declines", s.declineEvent("F", federation.RoleUpdate))
	s.own(round.TaskPropose)
	for _, l := range "ABCDEF" {
		s.ready(string(l))
	}
	if set := s.state.Round.S; len(set[1]) != 0 {
		t.Fatalf("group 1 is summed with %v", set[1])
	}
	s.send("ABCDE")
	s.must("group 0 opens", s.opened(0))
	s.expect(round.Done, "ABC")
}

// TestStoryRefusals: what was refused of a hospital stands in the log once a round and
// role, and changes nothing else.
func TestStoryRefusals(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.own(round.TaskOpen)
	refusal := func(letter, role string) round.MessageRefused {
		return round.MessageRefused{Round: s.state.Round.Number, Hospital: s.id(letter), Role: role, Reason: "segment 0: residue is not below prime 97"}
	}
	s.refused("refusal too early", round.ErrStale, refusal("D", federation.RoleUpdate))
	s.join("ABCD")
	s.own(round.TaskManifest)
	s.must("refusal of D", refusal("D", federation.RoleUpdate))
	before := len(s.log)
	s.must("refusal of D again", refusal("D", federation.RoleUpdate))
	if len(s.log) != before {
		t.Error("the same refusal is logged twice")
	}
	stranger := refusal("D", federation.RoleUpdate)
	stranger.Hospital = "h-aaaaaaaaaaaaaaaa"
	s.refused("refusal of a stranger", round.ErrUnknown, stranger)
	old := refusal("C", federation.RoleUpdate)
	old.Round--
	s.refused("refusal in an old round", round.ErrStale, old)
	s.update("ABCD") // D sent what it should after all
	s.own(round.TaskPropose)
	s.must("refusal of D as custodian", refusal("D", federation.RoleCustodian))
	s.ready("A", "B", "C", "D")
	s.send("ABC")
	s.own(round.TaskPublish)
	s.expect(round.Done, "ABCD")
	s.tell("refusals")
}

// TestJoinCounterGrowsAcrossRounds: a journal that was restored from a backup signs
// Joins with numbers that were used before.
func TestJoinCounterGrowsAcrossRounds(t *testing.T) {
	s := newStory(t, 5, 0)
	s.own(round.TaskOpen)
	s.join("ABCD")
	for _, l := range "ABC" { // too few are left
		s.must("decline", s.declineEvent(string(l), federation.RoleUpdate))
	}
	s.own(round.TaskAbandon)
	s.own(round.TaskOpen)
	s.refused("join of A from an old journal", round.ErrOldJournal, s.joinEvent("A", 1))
	s.must("join of A", s.joinEvent("A", 2))
	s.must("first join of E", s.joinEvent("E", 1))
	if j, ok := s.state.LatestJoin(s.id("B")); !ok || j.Counter != 1 {
		t.Errorf("latest join of B: %+v", j)
	}
}

func TestJoinsOfOneRoundAreBounded(t *testing.T) {
	s := newStory(t, 4, 0)
	s.own(round.TaskOpen)
	for n := range uint64(round.MaxJoins) {
		s.must("join", s.joinEvent("A", n+1))
	}
	s.refused("one more", round.ErrTooMany, s.joinEvent("A", round.MaxJoins+1))
}

// TestStoryRuleNeedsGroups: as many groups as a rule compares must be left before any
// custodian is asked to send, or the question would be tied to an S without a version.
func TestStoryRuleNeedsGroups(t *testing.T) {
	s := newGroupedStory(t, 9, 3, 0)
	s.w.plan.Aggregation.Rule = federation.Median
	s.must("a plan that compares groups", round.PlanAccepted{Plan: s.w.plan.Digest(), Schedule: s.w.plan.Schedule, Rule: s.w.plan.Comparing()})
	s.statistics("ABCDEFGHI")
	s.gather("ABCDEFGHI")
	s.update("ABCEFI")
	s.must("G declines", s.declineEvent("G", federation.RoleUpdate))
	if task := s.task(round.TaskAbandon); task != nil {
		t.Fatalf("the round ends with two groups left: %s", task.Reason)
	}
	s.must("D declines", s.declineEvent("D", federation.RoleUpdate))
	s.own(round.TaskAbandon)
	if reason := s.state.Round.Reason; s.state.Round.Phase != round.Abandoned || !strings.Contains(reason, "fewer than 2 groups, which rule median needs, reach the minimum cohort 3") {
		t.Fatalf("the round is %s: %s", s.state.Round.Phase, reason)
	}
	s.tell("rule-needs-groups")
}

// task is the first of a kind that is owed.
func (s *story) task(kind round.TaskKind) *round.Task {
	for _, t := range round.Pending(s.state, s.moment()) {
		if t.Kind == kind {
			return &t
		}
	}
	return nil
}
