package round_test

import (
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
func (s *story) answered() federation.Answered {
	r := s.state.Round
	return federation.Answered{Manifest: r.Manifest, Questions: []string{"train/q"}, Set: federation.SetDigest(r.S)}
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

// What a closing statement names as sent is answered in the next epoch too, whether something
// followed, nothing opened or no group held: the round waits until every hospital of the new
// charter released it, and is then opened of whom there is.
func TestQuestionOutlivesAnEpoch(t *testing.T) {
	for name, before := range map[string]func(*testing.T) *story{
		"nothing opened": stuck,
		"no group held": func(t *testing.T) *story {
			s := newStory(t, 5, 0)
			s.statistics("ABCDE")
			s.stand("ABCDE")
			s.fails("ABCDE")
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := before(t)
			first := s.state.Round.Manifest
			s.begins(s.withoutE(s.answered()))
			s.own(round.TaskOpen)
			s.join("ABCD")
			want := "what this train round asks was sent for in round 2, and nothing followed: it is asked again when every hospital releases that; not yet: "
			if got := round.Waiting(s.state); !strings.HasPrefix(got, want) || strings.Count(got, "h-") != 4 {
				t.Errorf("waiting for %q", got)
			}
			if got := round.Advice(s.state, s.moment()); !strings.Contains(got, "releases: [{plan: "+s.state.Plan.String()+", manifest: "+first.String()+"}]") {
				t.Errorf("advice %q", got)
			}
			s.release("ABC", first)
			s.rejoin("ABC")
			if got := round.Waiting(s.state); !strings.HasSuffix(got, "not yet: "+string(s.id("D"))) {
				t.Errorf("waiting for %q", got)
			}
			if s.owes(round.TaskManifest) {
				t.Error("a manifest is owed though D did not release")
			}
			s.release("D", first)
			s.rejoin("D")
			s.own(round.TaskManifest)
			if s.state.Round.Pinned != nil {
				t.Errorf("pinned %v", s.state.Round.Pinned)
			}
			s.update("ABCD")
			s.own(round.TaskPropose)
			s.ready("A", "B", "C", "D")
			s.publishes("ABC")
			s.expect(round.Done, "ABCD")
		})
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

// TestDrawOfWhatFailed: a cohort that is bound by what failed is pinned to the manifest that was
// drawn, however often it is asked; what is released is drawn anew.
func TestDrawOfWhatFailed(t *testing.T) {
	s := newPlannedStory(t, 5, 1, func(p *federation.Plan) { p.Schedule.Cohort = federation.Cohort{Size: 3, Extra: 1} })
	s.statistics("ABCDE")
	s.stand("ABCDE")
	s.fails("ABCDE")
	drawn := s.state.Round.Manifest
	failed := []federation.Digest{drawn}
	for range 2 {
		s.pass(70)
		s.stand("ABCDE")
		if m := s.w.blobs[s.state.Round.Manifest].(federation.VerifiedManifest); m.Pin != drawn || len(m.Declines) > 0 {
			t.Errorf("round %d is pinned to %s, want the first, %s", s.state.Round.Number, m.Pin.Short(), drawn.Short())
		}
		s.fails("ABCDE")
		failed = append(failed, s.state.Round.Manifest)
	}
	s.release("ABCDE", failed...)
	s.pass(70)
	s.stand("ABCDE")
	if m := s.w.blobs[s.state.Round.Manifest].(federation.VerifiedManifest); !m.Pin.IsZero() || s.state.Round.Pinned != nil {
		t.Errorf("what was released is pinned to %s", m.Pin.Short())
	}
}
