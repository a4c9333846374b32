package round_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// archive reads the story's log from its beginning.
func (s *story) archive() *round.Archive {
	s.t.Helper()
	state, a := round.State{Charter: s.w.charter}, &round.Archive{}
	for _, e := range s.entries() {
		next, err := round.Apply(state, e)
		if err != nil {
			s.t.Fatal(err)
		}
		a.Note(state, e, next)
		state = next
	}
	return a
}

// begin installs the story's plan under another name and start.
func (s *story) begin(name string, start federation.Start) {
	s.t.Helper()
	s.w.plan.Name, s.w.plan.Start = name, start
	origin, _, err := s.archive().Origin(s.state, start)
	if err != nil {
		s.t.Fatal(err)
	}
	s.must(name, round.PlanAccepted{Plan: s.w.plan.Digest(), Schedule: s.w.plan.Schedule, Origin: origin})
}

// TestOrigins: a plan begins with nothing, or with an older version and who derived it; the
// numbers go on, and so does whoever derives the newest meanwhile.
func TestOrigins(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	first := s.state.Model
	s.stand("ABCD")
	s.publishes("ABC")
	s.derive("A")
	second, signed := s.state.Model, s.state.Signed
	if second.Number != 2 || second.Steps != 1 || s.state.Newest != 2 || len(signed) != 1 {
		t.Fatalf("version %+v of %d, signed by %d", second, s.state.Newest, len(signed))
	}

	s.begin("anew", federation.Start{Anew: true})
	s.derive("B") // version 2, late
	if kind, _ := s.state.Next(); kind != federation.Statistics || s.state.Model != (round.Version{}) || s.state.Newest != 2 || len(s.state.Numbered) != 2 || s.state.Signed != nil {
		t.Errorf("anew: %s next on %+v, the newest is %d, signed by %d", kind, s.state.Model, s.state.Newest, len(s.state.Numbered))
	}
	s.refused("a plan that goes on from a version that is not at hand", round.ErrStale, round.PlanAccepted{Plan: s.w.digest("plan"), Schedule: s.w.plan.Schedule})
	s.begin("on", federation.Start{})
	if s.state.Model != second || len(s.state.Signed) != 2 || s.state.Numbered != nil {
		t.Errorf("on: %+v, signed by %d and %d", s.state.Model, len(s.state.Signed), len(s.state.Numbered))
	}

	older := federation.Start{Version: 1, Snapshot: first.Snapshot.String()}
	s.begin("older", older)
	if s.state.Model != first || len(s.state.Signed) != 4 || len(s.state.Numbered) != 2 {
		t.Errorf("older: %+v, signed by %d and %d", s.state.Model, len(s.state.Signed), len(s.state.Numbered))
	}
	for name, start := range map[string]federation.Start{"later": {Version: 3, Snapshot: older.Snapshot}, "another": {Version: 2, Snapshot: older.Snapshot}} {
		if _, _, err := s.archive().Origin(s.state, start); !errors.Is(err, round.ErrVersion) {
			t.Errorf("%s: %v", name, err)
		}
	}
	forged := round.Origin{Model: round.Version{Number: 9, Snapshot: first.Snapshot}}
	s.refused("a version that is not there", round.ErrStale, round.PlanAccepted{Plan: s.w.digest("plan"), Schedule: s.w.plan.Schedule, Origin: &forged})

	s.own(round.TaskOpen)
	h := s.w.blobs[s.state.Round.Header].(federation.Header)
	if h.Version != 1 || h.Newest != 2 || h.Next() != 3 || !h.Restarts() || h.Steps != 0 || len(h.Releases) != 1 {
		t.Errorf("the header: %+v", h)
	}
	s.release("ABCD", h.Releases...)
	s.join("ABCD")
	s.own(round.TaskManifest)
	s.update("ABCD")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C", "D")
	s.publishes("ABC")
	if m := s.state.Model; m.Number != 3 || m.Steps != 1 || s.state.Newest != 3 || s.state.Numbered != nil {
		t.Errorf("after it: %+v, the newest is %d", m, s.state.Newest)
	}
	if diff := cmp.Diff(s.archive().Newest(), s.state.Model); diff != "" {
		t.Error(diff)
	}
}
