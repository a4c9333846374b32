package round_test

import (
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// withoutE is the epoch after that of a story of five, without the last hospital. given
// lists the manifests under which custodians sent.
func (s *story) withoutE(given ...federation.Answered) *round.NextEpoch {
	s.t.Helper()
	after := testCharter(s.t, 4, 1)
	after.Epoch, after.Previous, after.Closings = s.state.Charter.Epoch+1, s.state.Charter.Digest(), []federation.Digest{federation.Sum([]byte("closing"))}
	return &round.NextEpoch{Charter: after, Inherited: given}
}

// begins verifies a charter and commits it. The story's log cannot be replayed any more,
// because the state is told of the charter from outside.
func (s *story) begins(next *round.NextEpoch) {
	s.t.Helper()
	s.state.Coming = next
	s.must("charter", round.CharterVerified{Charter: next.Charter.Digest(), Countersignatures: federation.Sum([]byte("signed"))})
	s.w.charter = next.Charter
}

// answered is what custodians close with about the round under way, or the last.
func (s *story) answered(released federation.Digest) federation.Answered {
	r := s.state.Round
	return federation.Answered{Manifest: r.Manifest, Questions: []string{"train/q"}, Set: federation.SetDigest(r.S), Released: released}
}

// stuck is a story of five in which three sent for all, so that nothing opens.
func stuck(t *testing.T) *story {
	s := newStory(t, 5, 0) // t = 4
	s.statistics("ABCDE")
	s.stand("ABCDE")
	s.send("ABC")
	return s
}

func TestEpochEndsARunningRound(t *testing.T) {
	s := stuck(t)
	before := s.state
	s.begins(s.withoutE())
	switch now := s.state; {
	case now.Round.Phase != round.Closed || now.Round.Reason != "epoch 1 of the charter ended while the round was opening":
		t.Errorf("round %d is %s: %q", now.Round.Number, now.Round.Phase, now.Round.Reason)
	case now.Charter.Epoch != 2 || now.Epoch != before.Epoch+1 || now.Coming != nil || now.Latest != nil:
		t.Errorf("epoch %d, leader %d, joins %v", now.Charter.Epoch, now.Epoch, now.Latest)
	case now.Model != before.Model || now.Round.Number != before.Round.Number || len(now.Attempts) != 0:
		t.Errorf("version %v, round %d, attempts %v", now.Model, now.Round.Number, now.Attempts)
	}
	late := federation.Send{V: 1, Manifest: before.Round.Manifest, Candidate: before.Round.Candidate, Custodian: s.id("D")}
	s.refused("send of the old epoch", round.ErrStale, round.SendVerified{Send: late})
	s.refused("burn of the old epoch", round.ErrStale, round.BurnVerified{Burn: federation.Burn{V: 1, Manifest: before.Round.Manifest, Custodian: s.id("D")}})
	s.refused("update of the old epoch", round.ErrStale, round.UpdateVerified{Submission: federation.Submission{Manifest: before.Round.Manifest, Hospital: s.id("D")}})
	s.stand("ABCD") // the question is free: no statement names it
	s.send("ABC")
	s.own(round.TaskPublish)
	s.expect(round.Done, "ABCD")
	if s.state.Model.Number != before.Model.Number+1 {
		t.Errorf("version %d", s.state.Model.Number)
	}
}

// What a closing statement names as sent is answered in the next epoch too: the plan ends and
// says who can release it.
func TestQuestionOutlivesAnEpoch(t *testing.T) {
	s := stuck(t)
	s.begins(s.withoutE(s.answered(federation.Digest{})))
	s.own(round.TaskOpen)
	want := "what the next train round asks was answered in round 2 and is never asked again; " +
		"the hospitals that were summed there can release it: atrium coordinator charter propose --release NAMES"
	if s.state.Finished != want || s.state.Round.Phase != round.Closed {
		t.Errorf("round %d is %s, the plan ended: %q", s.state.Round.Number, s.state.Round.Phase, s.state.Finished)
	}
	for _, id := range s.state.Charter.Custodians {
		if tasks := round.HospitalTasks(s.state, id); len(tasks) != 0 {
			t.Errorf("%s owes %v of an earlier epoch", id, tasks)
		}
	}
	s.must("another plan", round.PlanAccepted{Plan: federation.Sum([]byte("plan 2")), Schedule: s.w.plan.Schedule})
	if !s.owes(round.TaskOpen) {
		t.Error("another plan does not begin")
	}
}

// What failed in one epoch is asked of the same hospitals in the next, and of those who are in
// no group any more too: without them it is stuck, and the advice says what releases it.
func TestFailedQuestionOutlivesAnEpoch(t *testing.T) {
	s := newStory(t, 5, 0)
	s.statistics("ABCDE")
	s.stand("ABCDE")
	s.fails("ABCDE")
	e := s.state.Round.S[0][4]
	s.begins(s.withoutE(s.answered(federation.Digest{})))
	s.own(round.TaskOpen)
	s.join("ABCD")
	if got := round.Waiting(s.state); got != string(e)+" must be there again: the sum that failed was of exactly these hospitals" {
		t.Errorf("waiting for %q", got)
	}
	s.pass(20)
	if got := round.Advice(s.state, s.moment()); !strings.Contains(got, "--release "+string(e)) {
		t.Errorf("advice %q", got)
	}
}

// fails has custodians send and no group hold.
func (s *story) fails(letters string) {
	s.t.Helper()
	s.send(letters)
	s.must("no group holds", round.OpeningFailed{Round: s.state.Round.Number, Sends: len(letters), Reason: "group 0: noise out of range"})
	if s.state.Round.Phase != round.Abandoned {
		s.t.Fatalf("the round is %s", s.state.Round.Phase)
	}
}

// A release binds the question to those who remain, no less.
func TestReleasedQuestionIsAskedOfTheRest(t *testing.T) {
	s := stuck(t)
	set := s.state.Round.S
	r := federation.Release{V: 1, Questions: []string{"train/q"}, Set: set, LeavesOut: set[0][4:]}
	next := s.withoutE(s.answered(federation.SetDigest(r.Remaining())))
	next.Charter.Releases = []federation.ApprovedRelease{{Release: r, Approvals: []federation.Digest{}}}
	s.begins(next)
	s.gather("ABCD")
	if got := s.state.Round.Pinned; len(got) != 1 || !slices.Equal(got[0], set[0][:4]) {
		t.Fatalf("pinned %v", got)
	}
	s.update("ABCD")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C", "D")
	s.publishes("ABC")
	s.expect(round.Done, "ABCD")
}

func TestCharterRefusals(t *testing.T) {
	s := stuck(t)
	next := s.withoutE()
	ev := round.CharterVerified{Charter: next.Charter.Digest()}
	s.refused("a charter that nobody verified", round.ErrMismatch, ev)
	if err := s.do("the charter in force", round.CharterVerified{Charter: s.state.Charter.Digest()}); err != nil {
		t.Error(err)
	}
	other := s.withoutE()
	other.Charter.Previous = federation.Sum([]byte("another charter"))
	s.state.Coming = other
	s.refused("the charter of another line", round.ErrMismatch, round.CharterVerified{Charter: other.Charter.Digest()})
	s.state.Coming = next
	entries, err := round.Decide(s.state, ev, s.moment())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*round.Entry, *round.State){
		"another charter":                 func(e *round.Entry, _ *round.State) { e.Blob = federation.Sum(nil) },
		"a leader's epoch that stays":     func(e *round.Entry, _ *round.State) { e.Epoch-- },
		"a leader's epoch that skips":     func(e *round.Entry, _ *round.State) { e.Epoch++ },
		"a round that ends for no reason": func(e *round.Entry, _ *round.State) { e.Reason = "" },
		"nothing verified":                func(_ *round.Entry, s *round.State) { s.Coming = nil },
		"an epoch that skips": func(e *round.Entry, s *round.State) {
			skips := *s.Coming
			skips.Charter.Epoch++
			s.Coming, e.Blob = &skips, skips.Charter.Digest()
		},
	} {
		e, state := entries[0], s.state
		change(&e, &state)
		if _, err := round.Apply(state, e); err == nil {
			t.Errorf("%s is applied", name)
		}
	}
}

// TestDrawOutlivesAnEpoch: a cohort that is bound by what failed in this epoch is pinned to the
// manifest that was drawn, however often it is asked; one that is bound by what was sent in an
// earlier epoch to the manifest of that, which hospitals remember.
func TestDrawOutlivesAnEpoch(t *testing.T) {
	s := newPlannedStory(t, 5, 1, func(p *federation.Plan) { p.Schedule.Cohort = federation.Cohort{Size: 3, Extra: 1} })
	s.statistics("ABCDE")
	s.stand("ABCDE")
	s.fails("ABCDE")
	drawn := s.state.Round.Manifest
	for range 2 {
		s.pass(70)
		s.stand("ABCDE")
		if m := s.w.blobs[s.state.Round.Manifest].(federation.VerifiedManifest); m.Pin != drawn || len(m.Declines) > 0 {
			t.Errorf("round %d is pinned to %s, want the first, %s", s.state.Round.Number, m.Pin.Short(), drawn.Short())
		}
		s.fails("ABCDE")
	}
	set, last := s.state.Round.S, s.state.Round.Manifest
	r := federation.Release{V: 1, Questions: []string{"train/q"}, Set: set, LeavesOut: set[0][4:]}
	next := s.withoutE(s.answered(federation.SetDigest(r.Remaining())))
	next.Charter.Releases = []federation.ApprovedRelease{{Release: r, Approvals: []federation.Digest{}}}
	s.begins(next)
	for range 2 {
		s.stand("ABCD")
		if m := s.w.blobs[s.state.Round.Manifest].(federation.VerifiedManifest); m.Pin != last {
			t.Errorf("round %d is pinned to %s, want %s of the epoch before", s.state.Round.Number, m.Pin.Short(), last.Short())
		}
		s.fails("ABCD")
		s.pass(70)
	}
}
