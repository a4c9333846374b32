package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/round"
)

var releaseLine = regexp.MustCompile(`releases: \[\{plan: [0-9a-f]{64}, manifest: [0-9a-f]{64}\}\]`)

// writes has the people of hospitals write a line into their policies.
func (s site) writes(line string, names ...string) {
	s.t.Helper()
	for _, name := range names {
		replaceIn(s.t, filepath.Join(s.hospital(name), "policy.yaml"), "\npeers:\n", "\n"+line+"\npeers:\n")
	}
}

// TestPlanOnAVersionThatStandsStill: a plan moves nothing and ends; the next one on the same
// version asks what was answered. Its round says what it waits for, at the coordinator and in
// every daemon, until people at every hospital wrote the lines that it names.
func TestPlanOnAVersionThatStandsStill(t *testing.T) {
	t.Parallel()
	still := plans.Cardiology()
	still.Name, still.Local.LearningRate = "still", 1e-30
	still.Schedule.Rounds, still.Schedule.EvaluateEvery = 2, 0
	s := newSite(t, still)
	s.train()
	if i := s.inspect(); i.Finished != "converged after 1 train rounds" {
		t.Fatalf("the first plan: %+v", i)
	}
	next := plans.Cardiology()
	next.Schedule.Rounds, next.Schedule.EvaluateEvery = 2, 0
	s.give(still, next)
	lead, daemons := s.serve(s.names...)
	for _, d := range daemons {
		d.await(t, "whoever of the first sum is missing from the second becomes known")
	}
	waits := func(names ...string) string {
		i := s.until("it waits for "+strings.Join(names, ", "), func(i coordinator.Inspection) bool {
			_, list, _ := strings.Cut(i.Waiting, "not yet: ")
			return i.Phase == round.Gathering && slices.Equal(slices.Sorted(slices.Values(strings.Split(list, ", "))), names)
		})
		if !strings.HasPrefix(i.Waiting, "what this train round asks was answered in round 2: ") {
			t.Errorf("waiting for %q", i.Waiting)
		}
		return releaseLine.FindString(i.Advice)
	}
	line := waits("a", "b", "c")
	out, _ := ran(t, 0, "coordinator", "status", s.coordinator())
	if line == "" || !strings.Contains(out, line) || !strings.Contains(line, next.Digest().String()) {
		t.Fatalf("status without %q:\n%s", line, out)
	}
	if got := releaseLine.FindString(strings.Join(daemons[1].all, "\n")); got != line {
		t.Errorf("a daemon asks for %q, the coordinator for %q", got, line)
	}
	again := func(i int) {
		s.writes(line, s.names[i])
		s.stop(daemons[i])
		daemons[i] = started(t, "hospital", "run", s.hospital(s.names[i]))
	}
	again(0)
	again(1)
	waits("c")
	again(2)
	for _, d := range daemons {
		d.await(t, "version adopted")
	}
	i := s.until("the plan ends", func(i coordinator.Inspection) bool { return i.Finished != "" })
	if i.Finished != "all 2 train rounds are done" || i.Version != 4 {
		t.Errorf("the second plan: %+v", i)
	}
	s.stop(append(daemons, lead)...)
	s.audits()
	if out, _ := ran(t, 0, append([]string{"audit", "show", "--state", filepath.Join(s.dir, "fed"), "--round", "3"}, s.anchors()...)...); !strings.Contains(out, "by every hospital: what was answered under 1 earlier manifests") {
		t.Errorf("audit show:\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(s.hospital("a"), "state", "evidence-round-3.json")); err == nil {
		t.Error("a custodian derived something else")
	}
}
