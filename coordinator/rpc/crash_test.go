package rpc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/storage"
)

func trained(n int) func(coordinator.Status) bool {
	return func(s coordinator.Status) bool { return s.Trained >= n }
}

func TestCoordinatorThatStopsGoesOnWithTheSameRounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, 6)
	for _, name := range w.names {
		defer w.hospital(name)()
	}
	for _, n := range []int{1, 3, 5} {
		c, stop := w.coordinator()
		w.until(c, "a few rounds", trained(n))
		stop()
	}
	c, stop := w.coordinator()
	defer stop()
	s := w.until(c, "the plan's end", finished)
	if s.Version != 7 || s.Trained != 6 {
		t.Errorf("version %d after %d train rounds: want 7 and 6", s.Version, s.Trained)
	}
}

func TestHospitalsThatStopAndComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, 6)
	c, stop := w.coordinator()
	defer stop()
	stops := map[string]func(){}
	for _, name := range w.names {
		stops[name] = w.hospital(name)
	}
	w.until(c, "one round", trained(1))
	stops[w.names[0]]() // one is gone: the others go on
	w.until(c, "rounds without one", trained(3))
	stops[w.names[1]]() // two are gone: nobody is summed
	stuck := c.Status()
	stops[w.names[0]], stops[w.names[1]] = w.hospital(w.names[0]), w.hospital(w.names[1])
	s := w.until(c, "the plan's end", finished)
	if s.Version != 7 || s.Trained < stuck.Trained {
		t.Errorf("version %d after %d train rounds, %d when two were gone", s.Version, s.Trained, stuck.Trained)
	}
	for _, name := range w.names {
		w.report(name, s.Version)
		stops[name]()
	}
}

func TestHospitalThatComesLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, 3)
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names[1:] {
		defer w.hospital(name)()
	}
	w.until(c, "a round without the late one", trained(1))
	defer w.hospital(w.names[0])()
	s := w.until(c, "the plan's end", finished)
	w.report(w.names[0], s.Version)
}

// TestMissingCiphertextEndsTheRound: a bad sector costs the round, never a wedge.
func TestMissingCiphertextEndsTheRound(t *testing.T) {
	w := newWorld(t, 4, 2)
	c, stop := w.coordinator()
	defer stop()
	deleted := false
	for _, name := range w.names {
		defer w.hospital(name)()
	}
	w.until(c, "an update", func(s coordinator.Status) bool {
		if deleted || s.Phase != round.Opening {
			return deleted
		}
		objects, err := c.Bucket().List(t.Context(), storage.RoundsFolder)
		w.must(err)
		for _, o := range objects {
			w.must(c.Bucket().Delete(t.Context(), o.Name))
		}
		deleted = true
		return true
	})
	s := w.until(c, "the plan's end", finished)
	if s.Version != 3 {
		t.Errorf("version %d: want 3", s.Version)
	}
	if s.Round <= 4 {
		t.Errorf("%d rounds: the one without ciphertexts was not abandoned", s.Round)
	}
}

// TestQuestionThatComesBack: a plan that changes nothing, then another on the same
// parameters: what it asks was answered, and it waits, and says whose word would release it.
func TestQuestionThatComesBack(t *testing.T) {
	w := newWorld(t, 4, 3)
	still := w.plan
	still.Local.LearningRate = 1e-30
	still.Schedule.EvaluateEvery = 1
	w.setPlan(still)
	c, stop := w.coordinator()
	stops := []func(){}
	for _, name := range w.names { // first, because a round of the plan before may be open
		stops = append(stops, w.hospital(name))
	}
	w.must(c.SetPlan(t.Context(), still))
	w.until(c, "convergence", finished)
	for _, stop := range stops {
		stop()
	}
	w.setPlan(w.plan)
	for _, name := range w.names {
		defer w.hospital(name)()
	}
	w.must(c.SetPlan(t.Context(), w.plan))
	s := w.until(c, "every hospital is asked", func(s coordinator.Status) bool {
		return strings.Contains(s.Waiting, "when every hospital releases that")
	})
	if s.Trained != 0 || !strings.Contains(s.Waiting, "was answered in round") || !strings.Contains(s.Advice, "releases: [{plan: "+w.plan.Digest().String()) {
		t.Errorf("%d train rounds of the second plan: %s: %s", s.Trained, s.Waiting, s.Advice)
	}
	stop()
}

// setPlan gives every hospital another approved plan.
func (w *world) setPlan(p federation.Plan) {
	w.t.Helper()
	for _, name := range w.names {
		dir := filepath.Join(w.dir, "hospitals", name)
		w.must(os.WriteFile(filepath.Join(dir, "plan.yaml"), planfile.WritePlan(p), 0o600))
		rules, err := setup.LoadPolicy(filepath.Join(dir, "policy.yaml"))
		w.must(err)
		w.must(os.WriteFile(filepath.Join(dir, "policy.yaml"),
			fmt.Appendf(nil, "plans: [%q]\nkinds: [statistics, train, evaluate]\npeers: [\"%s\"]\n", p.Digest(), strings.Join(rules.Peers, `", "`)), 0o600))
	}
}
