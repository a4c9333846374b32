package participant

import (
	"errors"
	"slices"
	"testing"

	"atrium/coordinator/federation"
)

// TestCohortOfTheManifest: what is pinned to an earlier round is judged beside it, and everything
// else by the draw.
func TestCohortOfTheManifest(t *testing.T) {
	c := testCharter(5, 4, 3, 1)
	plan := testPlan()
	plan.Schedule.Cohort = federation.Cohort{Size: 3}
	all, pin := c.Groups[0], federation.Sum([]byte("earlier"))
	h := testHeader(c, plan, 2)
	draw := plan.Draw(h).Pick(c.Groups, 3)
	self := draw[0][0]
	others := [][]federation.HospitalID{slices.DeleteFunc(slices.Clone(all), func(id federation.HospitalID) bool { return id == draw[0][1] })[:3]}
	for _, x := range []struct {
		name   string
		groups [][]federation.HospitalID
		pin    federation.Digest
		ok     bool
	}{
		{"the draw", draw, federation.Digest{}, true},
		{"others", others, federation.Digest{}, false},
		{"pinned to what is not shown", draw, pin, false},
		{"others, pinned to an answer of an earlier epoch", others, pin, false},
	} {
		bound := []Bound{{Epoch: 1, Answered: federation.Answered{Manifest: pin, Questions: h.Questions, Set: federation.SetDigest(others)}}}
		s := mustApply(t, State{Self: self, Charter: c, Bound: bound, Seen: federation.TreeHead{Size: 1}}, Start(federation.Sum([]byte("run 1"))), nil)
		entries, err := JoinHeader(s, plan, h)
		s = mustApply(t, s, entries, err)
		m := testManifest(c, h, federation.Join{V: 1, Header: h.Digest(), Hospital: self, Counter: s.Counter, Incarnation: s.Live.Incarnation}, "M")
		m.Groups, m.Pin = x.groups, x.pin
		entries, err = AcceptManifest(s, plan, h, m, nil)
		if (err == nil) != x.ok || err != nil && (!errors.Is(err, federation.ErrManifest) || entries != nil) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	other := testHeader(c, plan, 3)
	s := State{Self: self, Charter: c}
	if err := s.checkCohort(plan, other, testManifest(c, h, federation.Join{}, "M"), nil); !errors.Is(err, federation.ErrManifest) {
		t.Errorf("judged by another header: %v", err)
	}
}
