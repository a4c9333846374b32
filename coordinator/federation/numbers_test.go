package federation

import (
	"slices"
	"strings"
	"testing"
)

// TestDefaults checks the table of design §4, which the README has too.
func TestDefaults(t *testing.T) {
	for _, c := range []struct {
		m, t, f, h, k int
		cohort        string
		missing, burn int
		groups        int
	}{
		{3, 3, 1, 1, 3, CohortAll, 0, 2, 1},
		{4, 3, 1, 1, 4, CohortAll, 1, 3, 1},
		{5, 4, 1, 1, 4, CohortAll, 1, 3, 1},
		{7, 5, 2, 2, 5, "", 2, 5, 1},
		{10, 7, 3, 3, 6, "", 3, 7, 1},
		{21, 15, 6, 6, 9, "", 6, 13, 1},
		{26, 15, 6, 6, 9, "", 6, 13, 1},
		{27, 15, 6, 6, 9, "", 6, 13, 2}, // 3K members
		{1000, 15, 6, 50, 53, "", 6, 13, 2},
	} {
		got := testCharter(t, c.m)
		if got.Threshold != c.t || got.MaxHostile != c.f || got.MaxHostileMembers != c.h || got.MinCohort != c.k || got.Cohort != c.cohort ||
			got.BurnQuorum() != c.burn || len(got.Custodians)-got.Threshold != c.missing || len(got.Groups) != c.groups {
			t.Errorf("m = %d: t, f, h, K = %d, %d, %d, %d, cohort %q, burns %d, %d groups, want %+v", c.m, got.Threshold, got.MaxHostile,
				got.MaxHostileMembers, got.MinCohort, got.Cohort, got.BurnQuorum(), len(got.Groups), c)
		}
		if (got.Guard == DefaultGuard) != (c.cohort == "") {
			t.Errorf("m = %d: guard %v with cohort %q", c.m, got.Guard, c.cohort)
		}
	}
}

// TestLeastOfLargeGroups: K is five at least from eight members on, and not before.
func TestLeastOfLargeGroups(t *testing.T) {
	for n, k := range map[int]int{6: 4, 7: 4, 8: 5, 9: 5} {
		c := testCharter(t, n)
		c.Custodians = c.Custodians[:4] // f = 1
		if c = c.With(Numbers{}); c.MinCohort != k || c.MaxHostileMembers != 1 {
			t.Errorf("%d hospitals: K %d, h %d, want K %d, h 1", n, c.MinCohort, c.MaxHostileMembers, k)
		}
	}
}

// TestWarnings: each choice that is weaker than the default says what it gives away, and
// no default but K = h+2 of three hospitals does.
func TestWarnings(t *testing.T) {
	guard := .0001
	for _, x := range []struct {
		n, groups int
		choice    Numbers
		want      []string
	}{
		{3, 1, Numbers{}, []string{"f = 1: so many hostile custodians can stop a round, of 3 must answer 3", "every custodian must answer: the loss of one stops the round",
			"K = 3 is h+2: with three hospitals, one that works with the centre sees the sum of the two others"}},
		{4, 1, Numbers{}, nil}, {5, 1, Numbers{}, nil}, {7, 1, Numbers{}, nil}, {10, 1, Numbers{}, nil}, {21, 1, Numbers{}, nil}, {30, 2, Numbers{}, nil},
		{4, 1, Numbers{MinCohort: 3, Cohort: CohortAny}, []string{
			"K = 3 is h+2, by default 4: with three hospitals, one that works with the centre sees the sum of the two others",
			"cohort k, by default all in groups of four: whoever misses one round is the difference between two sums, which shows its update and its record count"}},
		{7, 1, Numbers{MinCohort: 4}, []string{"K = 4 is h+2, by default 5: with four hospitals, two that work with the centre see the sum of the two others"}},
		{8, 1, Numbers{MaxHostileMembers: 1, MinCohort: 4}, []string{
			"h = 1, by default 2: with four hospitals, two that work with the centre see the sum of the two others",
			"K = 4, by default 5: with four hospitals, one that works with the centre sees the sum of the three others"}},
		{7, 2, Numbers{}, []string{
			"h = 1, by default 2: with three hospitals, two that work with the centre see the update of the one that is left",
			"K = 3 is h+2: with three hospitals, one that works with the centre sees the sum of the two others"}},
		{10, 1, Numbers{MaxHostile: 2}, []string{
			"f = 2, by default 3: a centre with 3 hostile custodians may open two sums of one question",
			"h = 2, by default 3: with five hospitals, three that work with the centre see the sum of the two others"}},
		{7, 1, Numbers{Guard: new(float64)}, []string{"guard 0, by default 0.001: two sums on nearly the same version, one without a hospital, need not be far apart"}},
		{7, 1, Numbers{Guard: &guard}, []string{"guard 0.0001, by default 0.001: two sums on nearly the same version, one without a hospital, need not be far apart"}},
		{7, 1, Numbers{Cohort: CohortAll}, nil},
		{21, 1, Numbers{Threshold: 15, MinCohort: 12}, nil},
	} {
		c := testCharter(t, x.n)
		c.Groups = CutGroups(c.Roster(), x.groups)
		c = c.With(x.choice)
		if err := c.Validate(); err != nil {
			t.Errorf("%d hospitals, %+v: %v", x.n, x.choice, err)
		}
		if got := c.Warnings(); !slices.Equal(got, x.want) {
			t.Errorf("%d hospitals in %d groups, %+v:\n%s\nwant\n%s", x.n, x.groups, x.choice, strings.Join(got, "\n"), strings.Join(x.want, "\n"))
		}
	}
	if c := testCharter(t, 4).With(Numbers{MaxHostile: 2}); !strings.Contains(strings.Join(c.Warnings(), "\n"), "f = 2: so many hostile custodians can stop a round, of 4 must answer 3") {
		t.Errorf("f > m−t: %q", c.Warnings())
	}
}

// TestTolerant: the least numbers make a charter that holds, at every size.
func TestTolerant(t *testing.T) {
	for n := 3; n <= 40; n++ {
		for groups := 1; groups <= n/3; groups++ {
			c := testCharter(t, n)
			c.Groups = CutGroups(c.Roster(), groups)
			c = c.With(Tolerant(n, groups))
			if err := c.Validate(); err != nil || c.MinCohort != c.MaxHostileMembers+2 || c.Cohort == CohortAll {
				t.Errorf("%d hospitals in %d groups: K %d, h %d, %v", n, groups, c.MinCohort, c.MaxHostileMembers, err)
			}
		}
	}
}

// TestDefaultGroups: a K that was chosen counts where it is larger than the default.
func TestDefaultGroups(t *testing.T) {
	for _, x := range []struct{ n, k, want int }{{26, 0, 1}, {27, 0, 2}, {27, 8, 2}, {27, 10, 1}, {30, 10, 2}, {12, 3, 1}, {3, 0, 1}} {
		if got := DefaultGroups(x.n, x.k); got != x.want {
			t.Errorf("%d hospitals, K = %d: %d groups, want %d", x.n, x.k, got, x.want)
		}
	}
}
