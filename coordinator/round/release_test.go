package round_test

import (
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// release has hospitals release manifests in their Joins from here on.
func (s *story) release(letters string, manifests ...federation.Digest) {
	list := slices.Clone(manifests)
	slices.SortFunc(list, federation.CompareDigests)
	if s.releases == nil {
		s.releases = map[string][]federation.Digest{}
	}
	for _, l := range letters {
		s.releases[string(l)] = list
	}
}

// rejoin has hospitals join the round again, as daemons do that were started anew.
func (s *story) rejoin(letters string) {
	s.t.Helper()
	for _, l := range letters {
		latest, _ := s.state.LatestJoin(s.id(string(l)))
		s.must("join of "+string(l)+" again", s.joinEvent(string(l), latest.Counter+1))
	}
}

// standsStill is a story of five whose train round left every parameter as it was, so that the
// plan is at its end; its question is answered under the manifest returned.
func standsStill(t *testing.T) (*story, federation.Digest) {
	t.Helper()
	s := newStory(t, 5, 0)
	s.statistics("ABCDE")
	s.stand("ABCDE")
	s.send("ABCDE")
	s.publish(func(ev *round.SumOpened) { ev.Parameters = s.state.Model.Parameters })
	s.own(round.TaskFinish)
	return s, s.state.Round.Manifest
}

// TestStoryRelease: another plan on a version that stood still asks what was answered. Its round
// waits until every hospital released the first opening, and one more opening follows; a third
// plan needs both released.
func TestStoryRelease(t *testing.T) {
	s, first := standsStill(t)
	s.text.Reset()
	s.another()
	s.own(round.TaskOpen)
	if h := s.w.blobs[s.state.Round.Header].(federation.Header); !slices.Equal(h.Releases, []federation.Digest{first}) {
		t.Errorf("the header asks for releases of %v", h.Releases)
	}
	s.join("ABCDE")
	s.pass(20)
	if s.owes(round.TaskManifest) || s.owes(round.TaskAbandon) {
		t.Error("a round that nobody released goes on")
	}
	s.release("ABDE", first)
	s.rejoin("ABDE")
	c := string(s.id("C"))
	if got, want := round.Waiting(s.state), "what this train round asks was answered in round 2: it is asked again when every hospital releases that; not yet: "+c; got != want {
		t.Errorf("waiting for %q, want %q", got, want)
	}
	if got := round.Advice(s.state, s.moment()); !strings.Contains(got, federation.ReleaseLines(s.state.Plan, []federation.Digest{first})) ||
		!strings.Contains(got, federation.ReleaseConsequence) || !strings.HasSuffix(got, c) {
		t.Errorf("advice %q", got)
	}
	s.release("C", federation.Sum([]byte("another manifest")))
	s.rejoin("C")
	if s.owes(round.TaskManifest) {
		t.Error("a manifest is owed though C released another")
	}
	s.release("C", first)
	s.rejoin("C")
	if got := round.Advice(s.state, s.moment()); got != "" {
		t.Errorf("advice %q", got)
	}
	s.own(round.TaskManifest)
	second := s.state.Round.Manifest
	s.update("ABCDE")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C", "D", "E")
	s.send("ABCD")
	s.publish(func(ev *round.SumOpened) { ev.Parameters = s.state.Model.Parameters })
	s.expect(round.Done, "ABCDE")
	s.tell("released")
	s.own(round.TaskFinish)
	s.another()
	s.own(round.TaskOpen)
	want := []federation.Digest{first, second}
	slices.SortFunc(want, federation.CompareDigests)
	if h := s.w.blobs[s.state.Round.Header].(federation.Header); !slices.Equal(h.Releases, want) {
		t.Errorf("the next header asks for releases of %v, want %v", h.Releases, want)
	}
	s.rejoin("ABCDE") // they release the first only
	if s.owes(round.TaskManifest) {
		t.Error("one release is used twice")
	}
}

// TestAnsweredUnderThePlan: a plan that comes to a question that it has the answer of ends.
func TestAnsweredUnderThePlan(t *testing.T) {
	s, _ := standsStill(t)
	plan := s.w.plan
	s.another()
	s.w.plan = plan
	s.must("plan", round.PlanAccepted{Plan: plan.Digest(), Schedule: plan.Schedule})
	s.own(round.TaskOpen)
	if want := "what the next train round asks was answered in round 2 under the same plan: its sum is public and is not asked for again"; s.state.Finished != want {
		t.Errorf("the plan ended: %q", s.state.Finished)
	}
}

// TestQuestionsOfOldVersionsAreRemembered: a version with the parameters of an earlier one asks
// what was answered there.
func TestQuestionsOfOldVersionsAreRemembered(t *testing.T) {
	s := newPlannedStory(t, 5, 1, func(p *federation.Plan) { p.Schedule.Rounds = 4 })
	s.statistics("ABCDE")
	first := s.state.Model.Parameters
	for _, parameters := range []federation.Digest{s.w.digest("parameters"), first} {
		s.stand("ABCDE")
		s.send("ABCDE")
		s.publish(func(ev *round.SumOpened) { ev.Parameters = parameters })
	}
	s.own(round.TaskOpen)
	if !strings.Contains(s.state.Finished, "was answered in round 2") {
		t.Errorf("the plan goes on: %q, round %d is %s", s.state.Finished, s.state.Round.Number, s.state.Round.Phase)
	}
}

// TestReleaseOfAnEvaluation: an evaluation that was answered under another plan is not awaited:
// it is skipped, or done where all released it in time.
func TestReleaseOfAnEvaluation(t *testing.T) {
	for _, released := range []bool{false, true} {
		s := newPlannedStory(t, 5, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 1, 1 })
		s.statistics("ABCDE")
		s.stand("ABCDE")
		s.publishes("ABCD")
		s.stand("ABCDE") // evaluation
		evaluated := s.state.Round.Manifest
		s.publishes("ABCD")
		s.own(round.TaskFinish)
		s.another()
		s.stand("ABCDE") // a train round of the other plan that leaves everything as it is
		s.send("ABCDE")
		s.publish(func(ev *round.SumOpened) { ev.Parameters = s.state.Model.Parameters })
		if released {
			s.release("ABCDE", evaluated)
		}
		s.own(round.TaskOpen)
		if s.state.Round.Kind != federation.Evaluate {
			t.Fatalf("round %d is %s", s.state.Round.Number, s.state.Round.Kind)
		}
		s.join("ABCDE")
		if got := s.owes(round.TaskManifest); got != released {
			t.Errorf("released %v: a manifest is owed: %v", released, got)
		}
		if !released {
			s.pass(20)
			s.own(round.TaskAbandon)
			if r := s.state.Round; s.state.Evaluated != 1 || !strings.Contains(r.Reason, "is skipped: what this evaluate round asks was answered in round 3") {
				t.Errorf("evaluated %d, reason %q", s.state.Evaluated, r.Reason)
			}
		}
	}
}
