package round_test

import (
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// withoutE is the epoch after that of a story of five, without the last hospital. given
// lists the manifests that custodians answered.
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

// answered is what custodians close with about the last S.
func (s *story) answered(released federation.Digest) federation.Answered {
	a := s.state.Attempts[len(s.state.Attempts)-1]
	return federation.Answered{Manifest: a.Manifest, Questions: []string{"train/q"}, Set: federation.SetDigest(a.S), Released: released}
}

// stuck is a story of five in which three answered for all, so that nothing opens.
func stuck(t *testing.T) *story {
	s := newStory(t, 5, 0) // t = 4
	s.statistics("ABCDE")
	s.toSelect("ABCDE")
	s.answer("ABC")
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
	late := federation.Send{V: 1, Manifest: before.Round.Manifest, Submitters: before.Round.Selected, Custodian: s.id("D")}
	s.refused("answer of the old epoch", round.ErrStale, round.SendVerified{Answer: late})
	s.refused("burn of the old epoch", round.ErrStale, round.BurnVerified{Burn: federation.Burn{V: 1, Manifest: before.Round.Manifest, Custodian: s.id("D")}})
	s.refused("update of the old epoch", round.ErrStale, round.UpdateVerified{Submission: federation.Submission{Manifest: before.Round.Manifest, Hospital: s.id("D")}})
	s.toSelect("ABCD") // the question is free, since too few answered
	s.answer("ABC")
	s.own(round.TaskPublish)
	s.expect(round.Done, "ABCD")
	if s.state.Model.Number != before.Model.Number+1 {
		t.Errorf("version %d", s.state.Model.Number)
	}
}

// What was answered for a set stays bound to it, in the next epoch too.
func TestQuestionOutlivesAnEpoch(t *testing.T) {
	s := stuck(t)
	s.begins(s.withoutE(s.answered(federation.Digest{})))
	s.own(round.TaskOpen)
	s.join("ABCD")
	e := s.stuckAttempt().S[0][4]
	if got := round.Waiting(s.state); got != string(e)+" must be there again: exactly the hospitals of an earlier S are needed" {
		t.Errorf("waiting for %q", got)
	}
	s.pass(20)
	if got := round.Advice(s.state, s.moment()); !strings.Contains(got, "--release "+string(e)) {
		t.Errorf("advice %q", got)
	}
	if tasks := round.HospitalTasks(s.state, s.id("D")); len(tasks) != 0 {
		t.Errorf("burns of an earlier epoch are owed: %v", tasks)
	}
}

func (s *story) stuckAttempt() round.Attempt {
	i := slices.IndexFunc(s.state.Attempts, func(a round.Attempt) bool { return a.Past })
	return s.state.Attempts[i]
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
	s.acknowledge("A", "B", "C", "D")
	s.own(round.TaskSelect)
	s.answer("ABC")
	s.own(round.TaskPublish)
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

// TestDrawOutlivesAnEpoch: a cohort that is bound by an answer of an earlier epoch is pinned
// to the manifest of that answer, which hospitals remember, however often it is asked; one
// that is bound by an answer of this epoch to the manifest that was drawn.
func TestDrawOutlivesAnEpoch(t *testing.T) {
	s := newPlannedStory(t, 5, 1, func(p *federation.Plan) { p.Schedule.Cohort = federation.Cohort{Size: 3, Extra: 1} })
	s.statistics("ABCDE")
	s.toSelect("ABCDE")
	s.answer("A")
	drawn := s.state.Round.Manifest
	for range 2 {
		s.gone = s.ids("BCDE")
		s.pass(20)
		s.own(round.TaskAbandon)
		s.gone = nil
		s.pass(70)
		s.toSelect("ABCDE")
		if m := s.w.blobs[s.state.Round.Manifest].(federation.VerifiedManifest); m.Pin != drawn || len(m.Declines) > 0 {
			t.Errorf("round %d is pinned to %s, want the first, %s", s.state.Round.Number, m.Pin.Short(), drawn.Short())
		}
		s.answer("A")
	}
	set, last := s.state.Round.S, s.state.Round.Manifest
	r := federation.Release{V: 1, Questions: []string{"train/q"}, Set: set, LeavesOut: set[0][4:]}
	next := s.withoutE(s.answered(federation.SetDigest(r.Remaining())))
	next.Charter.Releases = []federation.ApprovedRelease{{Release: r, Approvals: []federation.Digest{}}}
	s.begins(next)
	for range 2 {
		s.toSelect("ABCD")
		if m := s.w.blobs[s.state.Round.Manifest].(federation.VerifiedManifest); m.Pin != last {
			t.Errorf("round %d is pinned to %s, want %s of the epoch before", s.state.Round.Number, m.Pin.Short(), last.Short())
		}
		s.answer("A")
		s.gone = s.ids("BCD")
		s.pass(20)
		s.own(round.TaskAbandon)
		s.gone = nil
		s.pass(70)
	}
}
