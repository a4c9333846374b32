package participant

import (
	"errors"
	"slices"
	"testing"

	"atrium/coordinator/federation"
)

// TestCohortOfTheManifest: what is pinned to an earlier round is judged beside it, what is
// pinned to an answer of an earlier epoch by that answer alone, and everything else by the draw.
func TestCohortOfTheManifest(t *testing.T) {
	c := testCharter(5, 4, 3, 1)
	plan := testPlan()
	plan.Schedule.Cohort = federation.Cohort{Size: 3}
	all, pin := c.Groups[0], federation.Sum([]byte("earlier"))
	h := testHeader(c, plan, 2)
	draw := plan.Draw(h).Pick(c.Groups, 3)
	self := draw[0][0]
	others := [][]federation.HospitalID{slices.DeleteFunc(slices.Clone(all), func(id federation.HospitalID) bool { return id == draw[0][1] })[:3]}
	before := func(questions []string, set [][]federation.HospitalID) []Bound {
		return []Bound{{Epoch: 1, Answered: federation.Answered{Manifest: pin, Questions: questions, Set: federation.SetDigest(c.Groups), Released: federation.SetDigest(set)}}}
	}
	answered := []Bound{{Epoch: 1, Answered: federation.Answered{Manifest: pin, Questions: h.Questions, Set: federation.SetDigest(others)}}}
	for _, x := range []struct {
		name   string
		groups [][]federation.HospitalID
		pin    federation.Digest
		bound  []Bound
		ok     bool
	}{
		{"the draw", draw, federation.Digest{}, nil, true},
		{"others", others, federation.Digest{}, nil, false},
		{"pinned to what is not shown", draw, pin, nil, false},
		{"released to this set", others, pin, before(h.Questions, others), true},
		{"answered of this set", others, pin, answered, false},
		{"released to another set", draw, pin, before(h.Questions, others), false},
		{"released on another question", others, pin, before([]string{"evaluate/x"}, others), false},
		{"released under another manifest", others, federation.Sum([]byte("x")), before(h.Questions, others), false},
	} {
		s := mustApply(t, State{Self: self, Charter: c, Bound: x.bound, Seen: federation.TreeHead{Size: 1}}, Start(federation.Sum([]byte("run 1"))), nil)
		entries, err := JoinHeader(s, plan, h)
		s = mustApply(t, s, entries, err)
		m := testManifest(c, h, federation.Join{V: 1, Header: h.Digest(), Hospital: self, Counter: s.Counter, Incarnation: s.Live.Incarnation}, "M")
		m.Groups, m.Pin = x.groups, x.pin
		entries, err = AcceptManifest(s, plan, h, m, nil)
		if (err == nil) != x.ok || err != nil && (!errors.Is(err, federation.ErrManifest) || entries != nil) {
			t.Errorf("%s: %v", x.name, err)
		}
		if needs := NeedsEarlier(s, m); needs != (!x.pin.IsZero() && (x.bound == nil || x.bound[0].Manifest != x.pin)) {
			t.Errorf("%s: it needs the earlier round: %v", x.name, needs)
		}
	}
	other := testHeader(c, plan, 3)
	s := State{Self: self, Charter: c}
	if err := s.checkCohort(plan, other, testManifest(c, h, federation.Join{}, "M"), nil); !errors.Is(err, federation.ErrManifest) {
		t.Errorf("judged by another header: %v", err)
	}
}
