package federation

import (
	"errors"
	"slices"
	"testing"
)

func TestGrouped(t *testing.T) {
	for _, tc := range []struct {
		members    int
		sizes      []int
		k, f, h, t int
	}{
		{7, []int{4, 3}, 3, 2, 1, 5}, // h is two less than the smallest group at most
		{8, []int{4, 4}, 4, 2, 2, 6},
		{6, []int{3, 3}, 3, 1, 1, 5},
		{21, []int{7, 7, 7}, 7, 6, 5, 15},
		{7, []int{7}, 5, 2, 2, 5},
	} {
		c, err := NewCharter("test", "log", testMembers(tc.members), false)
		if err != nil {
			t.Fatal(err)
		}
		whole := c.Digest()
		ids := slices.Clone(c.Groups[0])
		slices.Reverse(ids)
		var groups [][]HospitalID
		for _, n := range tc.sizes {
			groups, ids = append(groups, ids[:n]), ids[n:]
		}
		g, err := c.Grouped(groups)
		if err != nil {
			t.Fatalf("%v: %v", tc.sizes, err)
		}
		if g.MinCohort != tc.k || g.MaxHostile != tc.f || g.MaxHostileMembers != tc.h || g.Threshold != tc.t || len(g.Groups) != len(tc.sizes) {
			t.Errorf("%v: K %d, f %d, h %d, t %d, %d groups: want %+v", tc.sizes, g.MinCohort, g.MaxHostile, g.MaxHostileMembers, g.Threshold, len(g.Groups), tc)
		}
		if c.Digest() != whole {
			t.Errorf("%v: the charter was changed in place", tc.sizes)
		}
	}
}

func TestGroupedRefuses(t *testing.T) {
	c, err := NewCharter("test", "log", testMembers(7), false)
	if err != nil {
		t.Fatal(err)
	}
	ids := c.Groups[0]
	for name, groups := range map[string][][]HospitalID{
		"small": {ids[:5], ids[5:]}, "missing": {ids[:3], ids[3:6]}, "twice": {ids[:4], ids[3:]}, "none": {},
		"stranger": {ids[:3], append(slices.Clone(ids[3:]), "h-aaaaaaaaaaaaaaaa")},
	} {
		if _, err := c.Grouped(groups); !errors.Is(err, ErrCharter) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
