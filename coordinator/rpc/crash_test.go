package rpc_test

import (
	"testing"

	"atrium/coordinator"
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
