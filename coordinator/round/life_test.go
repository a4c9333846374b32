package round_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// proposed is a story of four custodians (t = 3, f = 1) whose first candidate is there.
func proposed(t *testing.T) *story {
	t.Helper()
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.gather("ABCD")
	s.update("ABCD")
	s.own(round.TaskPropose)
	return s
}

// owing lists in letters who owes a task.
func (s *story) owing(kind round.TaskKind) string {
	var text string
	for _, task := range round.Pending(s.state, s.moment()) {
		if task.Kind == kind {
			text += s.letter(task.Hospital)
		}
	}
	return text
}

func (s *story) owe(kind round.TaskKind, want string) {
	s.t.Helper()
	if got := s.owing(kind); got != want {
		s.t.Errorf("%s owe %s, want %s: %s", got, kind, want, round.Waiting(s.state))
	}
}

// TestCustodianLostAtAnyStep: of four custodians one is lost before it is ready, after, or
// after it sent; the round ends by the three others. Whoever was not ready when the candidate
// stood is taken late.
func TestCustodianLostAtAnyStep(t *testing.T) {
	for name, lose := range map[string]func(*story){
		"before ready": func(s *story) {
			s.gone = s.ids("D")
			s.ready("A", "B", "C")
			s.publishes("ABC")
		},
		"after ready": func(s *story) {
			s.ready("A", "B", "D") // D is lost; C is not ready yet
			s.gone = s.ids("D")
			s.send("AB")
			s.owe(round.TaskReady, "C")
			s.pass(3600)
			s.ready("C")
			s.publishes("C")
		},
		"after sending": func(s *story) {
			s.ready("A", "B", "D")
			s.send("D")
			s.gone = s.ids("D")
			s.send("A")
			s.ready("C")
			s.publishes("C")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := proposed(t)
			lose(s)
			s.expect(round.Done, "ABCD")
		})
	}
}

// TestNoWindow: when answers were bound as soon as they were given, t−f to t−1 of them and one
// lost custodian left nothing but the same S, for ever. Now each number of sends that can
// come before a custodian is lost ends by the others or by a certificate.
func TestNoWindow(t *testing.T) {
	for sent := range 3 { // of t = 3; D, which was ready, is lost
		s := proposed(t)
		s.ready("A", "B", "D")
		s.gone = s.ids("D")
		s.send("ABC"[:min(sent, 2)])
		s.pass(3600)
		s.expect(round.Opening, "ABCD")
		if sent == 2 && !strings.Contains(round.Waiting(s.state), string(s.id("D"))) {
			t.Errorf("D was ready and is not named: %s", round.Waiting(s.state))
		}
		s.ready("C")
		s.publishes("ABC"[min(sent, 2):])
		s.expect(round.Done, "ABCD")
	}
}

// TestStandingHasNoDeadline: before t are ready time ends a round, afterwards nothing but
// sends or a certificate does, and the advice names who can end it.
func TestStandingHasNoDeadline(t *testing.T) {
	s := proposed(t)
	s.ready("A", "B")
	s.pass(10)
	if task := s.task(round.TaskAbandon); task == nil || !strings.Contains(task.Reason, "2 of 3 custodians are ready before the deadline") {
		t.Errorf("two are ready at the deadline: %+v", task)
	}
	s.ready("C") // in time all the same: nobody decided yet
	s.gone = s.ids("ABCD")
	s.pass(30 * 86400)
	if tasks := round.OwnTasks(s.state, s.moment()); len(tasks) != 0 {
		t.Errorf("after a month the coordinator owes %v", tasks)
	}
	s.send("AB")
	want := fmt.Sprintf("%s, %s can still end this round. If they never come back", s.id("C"), s.id("D"))
	if got := round.Advice(s.state, s.moment()); !strings.HasPrefix(got, want) {
		t.Errorf("advice %q, want %q", got, want)
	}
	s.publishes("C")
	s.expect(round.Done, "ABCD")
}

// TestHostileComplaints: complaints of up to f custodians that leave fewer than t without one
// drop the fewest more; where t are left without a complaint they drop nobody.
func TestHostileComplaints(t *testing.T) {
	five := func(words ...string) *story {
		s := newStory(t, 5, 0) // t = 4, f = 1
		s.statistics("ABCDE")
		s.gather("ABCDE")
		s.update("ABCDE")
		s.own(round.TaskPropose)
		s.ready(words...)
		return s
	}
	s := five("A", "B", "C", "D-ABCE", "E")
	if !s.state.Stands() || s.isOwed(round.TaskPropose) {
		t.Errorf("four are ready and one complains: %s", round.Waiting(s.state))
	}
	s.publishes("ABCE")
	s.expect(round.Done, "ABCDE")

	s = five("A-CD", "B", "C", "D-E", "E")
	s.own(round.TaskPropose) // not C and D, of whom A complains: without E four are left
	s.expect(round.Opening, "ABCD")
	s.ready("A", "B", "C", "D")
	s.publishes("ABCD")
	s.expect(round.Done, "ABCD")

	s = five("A", "B", "C", "D-ABCE")
	s.owe(round.TaskReady, "E") // E may be the fourth
	s.must("E declines", s.declineEvent("E", federation.RoleCustodian))
	s.own(round.TaskAbandon) // without those of whom D complains nobody is left
	if !strings.Contains(s.state.Round.Reason, "3 of 4 custodians are ready: ") || !strings.Contains(s.state.Round.Reason, "cannot be summed and too few are left") {
		t.Errorf("abandoned: %q", s.state.Round.Reason)
	}
}

// TestMissingVouches: above the bound each of S vouches beside the readies; who does not is
// left out of a second candidate, at once where it says so or is gone, otherwise at the
// deadline; and those who vouched vouch anew, because the points are others.
func TestMissingVouches(t *testing.T) {
	for name, silent := range map[string]func(*story){
		"says so": func(s *story) { s.must("D has none", s.declineEvent("D", federation.RoleUpdate)) },
		"is gone": func(s *story) { s.gone = s.ids("D") },
		"is late": func(s *story) { s.pass(10) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, 4, 0)
			s.statistics("ABCD")
			s.w.bytes = federation.AddBytes + 1
			s.gather("ABCD")
			s.update("ABCD")
			s.own(round.TaskPropose)
			s.owe(round.TaskVouch, "ABCD")
			s.vouch("ABC")
			s.owe(round.TaskReady, "ABC") // one task at a time: D vouches first
			s.ready("A", "B", "C", "D")
			s.refused("send before all vouched", round.ErrWrongPhase, s.sendEvent("A", false))
			if s.isOwed(round.TaskPropose) {
				t.Error("nobody waits for D")
			}
			silent(s)
			late := s.vouchEvent("D")
			s.own(round.TaskPropose)
			s.expect(round.Opening, "ABC")
			s.refused("late vouch", round.ErrStale, late)
			s.refused("vouch of who is not in S", round.ErrNotInCohort, s.vouchEvent("D"))
			s.ready("A", "B", "C", "D")
			s.vouch("AB")
			v := s.vouchEvent("A")
			v.Blob = s.w.digest("another vouch")
			s.refused("another vouch", round.ErrConflict, v)
			s.vouch("C")
			s.publishes("ABC")
			s.expect(round.Done, "ABC")
		})
	}
}

// TestBurnsOfWhoDeclined: who declined after it was ready may hold the share sum that the
// others lack. It burns only when it is sure that a certificate can come, and is asked to
// send again once it cannot.
func TestBurnsOfWhoDeclined(t *testing.T) {
	s := proposed(t) // a certificate wants 3 of 4
	s.ready("A", "B", "C", "D")
	s.must("C declines", s.declineEvent("C", federation.RoleCustodian))
	s.must("D declines", s.declineEvent("D", federation.RoleCustodian))
	s.owe(round.TaskBurn, "AB") // both may have sent
	s.send("A")
	s.owe(round.TaskBurn, "B")
	s.send("B") // it had
	s.owe(round.TaskBurn, "")
	s.owe(round.TaskSend, "CD")
	s.publishes("D") // its people change their mind
	s.expect(round.Done, "ABCD")
}

// TestTooFewSendsSettleNothing: with fewer share sums than settle it no failure is taken,
// whatever the coordinator's shell says, and a group that is missing is not left out.
func TestTooFewSendsSettleNothing(t *testing.T) {
	s := proposed(t)
	s.ready("A", "B", "C", "D")
	s.send("ABC")
	before := federation.Encode(s.state)
	for _, ev := range []round.Event{
		round.OpeningFailed{Round: 2, Sends: 3, Reason: "no"}, round.OpeningFailed{Round: 2, Sends: 2, Reason: "no"},
		round.SumOpened{Round: 2, Sends: 2}, round.SumOpened{Round: 2, Sends: 3},
	} {
		s.must(fmt.Sprintf("%T", ev), ev)
		if !bytes.Equal(before, federation.Encode(s.state)) {
			t.Fatalf("%+v changed the state", ev)
		}
	}
	s.send("D")
	s.must("no group holds, but of three", round.OpeningFailed{Round: 2, Sends: 3, Reason: "no"})
	s.expect(round.Publishing, "ABCD")
	s.must("no group holds", round.OpeningFailed{Round: 2, Sends: 4, Reason: "no"})
	s.expect(round.Abandoned, "")
	if o := s.state.Outcome; !o.Result.IsZero() || o.Round != 2 || len(o.Owing) != 4 || !s.state.Attempts[1].Failed {
		t.Errorf("outcome %+v, attempts %+v", o, s.state.Attempts)
	}
}

// TestLostObject: a sum whose objects are gone is not one that failed: it was answered, and is
// asked for again only when every hospital released it.
func TestLostObject(t *testing.T) {
	s := proposed(t)
	s.ready("A", "B", "C")
	s.send("ABC")
	s.must("an object is gone", round.SumLost{Round: 2, Reason: "segment 3 is gone"})
	s.expect(round.Abandoned, "")
	s.own(round.TaskOpen)
	s.join("ABCD")
	if !strings.HasPrefix(round.Waiting(s.state), "what this train round asks was sent for in round 2, and nothing followed") || s.owes(round.TaskManifest) {
		t.Errorf("round %d waits for %q, the plan ended: %q", s.state.Round.Number, round.Waiting(s.state), s.state.Finished)
	}
}

// TestConvergedAndTheNextPlan: parameters that did not change are neither evaluated again nor
// trained on again; the next plan that asks for it waits for every hospital's release.
func TestConvergedAndTheNextPlan(t *testing.T) {
	s := newPlannedStory(t, 4, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 5, 1 })
	s.statistics("ABCD")
	same := s.w.digest("parameters")
	for range 2 {
		s.stand("ABCD")
		s.send("ABC")
		s.publish(func(ev *round.SumOpened) { ev.Parameters = same })
		if s.state.Converged {
			break
		}
		s.stand("ABCD") // evaluate
		s.publishes("ABC")
	}
	s.own(round.TaskFinish)
	if s.state.Finished != "converged after 2 train rounds" {
		t.Errorf("the plan ended: %q", s.state.Finished)
	}
	s.w.plan.Schedule.Rounds = 6
	s.must("the next plan", round.PlanAccepted{Plan: s.w.plan.Digest(), Schedule: s.w.plan.Schedule})
	s.own(round.TaskOpen)
	s.join("ABCD")
	if got := round.Waiting(s.state); !strings.HasPrefix(got, "what this train round asks was answered in round 4") {
		t.Errorf("round %d is %s, the plan ended: %q, waiting for %q", s.state.Round.Number, s.state.Round.Phase, s.state.Finished, got)
	}
}

// TestDerivations: each custodian that was ready derives once; what does not agree is kept
// beside the others, and no step waits for any of it.
func TestDerivations(t *testing.T) {
	s := proposed(t)
	s.ready("A", "B", "C")
	s.publishes("ABC")
	s.owe(round.TaskDerive, "ABC")
	other := s.derivedEvent("A", true)
	other.Candidate = s.w.digest("candidate")
	s.refused("of another candidate", round.ErrStale, other)
	s.refused("of who was not ready", round.ErrNotCustodian, s.derivedEvent("D", true))
	s.must("A", s.derivedEvent("A", true))
	s.must("A again", s.derivedEvent("A", false))
	s.must("B, otherwise", s.derivedEvent("B", false))
	s.owe(round.TaskDerive, "C")
	o := s.state.Outcome
	if len(o.Derived) != 1 || len(o.Disputed) != 1 || o.Disputed[0].Hospital != s.id("B") {
		t.Errorf("derived %v, disputed %v", o.Derived, o.Disputed)
	}
	last := s.entries()[len(s.log)-1]
	if !strings.HasPrefix(last.Reason, "it derived version 2 as snapshot ") {
		t.Errorf("the log says of B: %q", last.Reason)
	}
	s.own(round.TaskFinish)
}

// TestLeaderChangesAtEveryStep: after each entry of a round with two candidates, vouches and
// late readies another leader goes on from the stored Memo, and owes and serves the same.
func TestLeaderChangesAtEveryStep(t *testing.T) {
	s := newStory(t, 5, 0)
	s.statistics("ABCDE")
	s.w.bytes = federation.AddBytes + 1
	s.gather("ABCDE")
	s.update("ABCDE")
	s.own(round.TaskPropose)
	s.vouch("ABCDE")
	s.ready("A", "B-E", "C-E")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C", "D")
	s.vouch("ABCD")
	s.send("AB")
	s.ready("E")
	s.publishes("DE")
	s.derive("ABCDE")
	m := round.Memo{State: round.State{Charter: s.w.charter}}
	var candidate, ready int64
	for i, e := range s.entries() {
		next, err := m.Apply(e)
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == round.Candidate {
			candidate = int64(i)
		}
		if next.State.Stands() && !m.State.Stands() {
			ready = int64(i)
		}
		stored, err := round.DecodeMemo(next.Encode())
		if err != nil {
			t.Fatalf("after %s: %v", e.Kind, err)
		}
		want, got := fmt.Sprint(round.Pending(next.State, s.moment())), fmt.Sprint(round.Pending(stored.State, s.moment()))
		if want != got || stored.CandidateIndex != candidate || stored.ReadyIndex != ready {
			t.Errorf("after %s: candidate at %d, stands at %d, owed %s; want %d, %d, %s", e.Kind, stored.CandidateIndex, stored.ReadyIndex, got, candidate, ready, want)
		}
		m = stored
	}
	if m.State.Round.Phase != round.Done || !slices.Equal(m.State.Round.S[0], s.ids("ABCD")) {
		t.Errorf("it ends %s with %v", m.State.Round.Phase, m.State.Round.S)
	}
}

// TestStepsOfARound counts the entries of a round of four hospitals, and its steps one after
// the other from the last update to the version: candidate, ready, send, publish. It was
// candidate, acknowledge, select, answer, publish.
func TestStepsOfARound(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	from := len(s.log)
	s.stand("ABCD")
	s.publishes("ABC")
	counts, steps := map[round.EntryKind]int{}, []round.EntryKind{}
	for _, e := range s.entries()[from:] {
		if counts[e.Kind]++; len(steps) == 0 || steps[len(steps)-1] != e.Kind {
			steps = append(steps, e.Kind)
		}
	}
	want := []round.EntryKind{round.Open, round.Join, round.Collect, round.Update, round.Candidate, round.Ready, round.Send, round.Publish}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %v, want %v", steps, want)
	}
	if n := len(s.log) - from; n != 19 { // 20 with the entry that selected S
		t.Errorf("%d entries, want 19: %v", n, counts)
	}
}
