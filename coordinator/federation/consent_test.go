package federation

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestNext(t *testing.T) {
	c := testCharter(t, 6)
	ids := c.Groups[0]
	newcomer := testCharter(t, 7).Members
	i := slices.IndexFunc(newcomer, func(m Member) bool { return !slices.Contains(ids, m.ID) })
	next, err := c.Next(Change{Remove: ids[5:], Add: newcomer[i : i+1], LogKey: "log+2+b", Numbers: Numbers{MinCohort: 4}})
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case next.Epoch != 2 || next.Previous != c.Digest() || next.LogKey != "log+2+b" || next.MinCohort != 4:
		t.Errorf("next charter: %+v", next)
	case len(next.Members) != 6 || len(next.Groups) != 1 || len(next.Groups[0]) != 6 || len(next.Custodians) != 6:
		t.Errorf("members %v, groups %v, custodians %v", next.Members, next.Groups, next.Custodians)
	}
	if again, err := DecodeTerms(Encode(next)); err != nil || again.Digest() != next.Digest() {
		t.Errorf("its terms: %v", err)
	}
	words := strings.Join(c.Changes(next), "\n")
	for _, want := range []string{"epoch 2 follows epoch 1", "adds     " + string(newcomer[i].ID), "removes  " + string(ids[5]), "its update and count then become known", "at least 4 hospitals", "log+2+b replaces"} {
		if !strings.Contains(words, want) {
			t.Errorf("words without %q:\n%s", want, words)
		}
	}
	three, err := c.Next(Change{Custodians: ids[:3]})
	if err != nil || three.Threshold != 3 || three.MaxHostile != 1 || len(three.Members) != 6 {
		t.Errorf("three custodians: %+v, %v", three, err)
	}
	two, err := c.Next(Change{Groups: 2})
	if err != nil || len(two.Groups) != 2 || len(two.Groups[0]) != 3 || len(two.Groups[1]) != 3 {
		t.Errorf("two groups: %v, %v", two.Groups, err)
	}
}

func TestNextRefusals(t *testing.T) {
	c := testCharter(t, 4)
	ids := c.Groups[0]
	for name, tc := range map[string]struct {
		change Change
		want   string
	}{
		"a stranger removed":         {Change{Remove: []HospitalID{"h-aaaaaaaaaaaaaaaa"}}, "is not a member"},
		"too few are left":           {Change{Remove: ids[2:]}, "2 hospitals: want 3"},
		"f too large":                {Change{Numbers: Numbers{MaxHostile: 2}}, "max hostile 2"},
		"a custodian who leaves":     {Change{Remove: ids[3:], Custodians: ids[1:]}, "not a member, or named twice"},
		"a group below the smallest": {Change{Groups: 2}, "group 0 has 2 hospitals"},
		"a member that is there":     {Change{Add: c.Members[:1]}, "not sorted and distinct"},
	} {
		if _, err := c.Next(tc.change); !errors.Is(err, ErrChange) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func TestDecodeTermsRefusals(t *testing.T) {
	c := testCharter(t, 4)
	terms, err := c.Next(Change{})
	if err != nil {
		t.Fatal(err)
	}
	whole := clone(t, terms)
	whole.Closings = []Digest{Sum(nil)}
	weak := clone(t, terms)
	weak.MinCohort = 1
	for name, b := range map[string][]byte{"epoch 1": Encode(c), "a whole charter": Encode(whole), "a charter that breaks rules": Encode(weak), "nothing": nil} {
		if _, err := DecodeTerms(b); err == nil {
			t.Errorf("%s is taken for terms", name)
		}
	}
}

// TestNextKeepsChoices: h, K, cohort and guard that people chose stay in the next epoch, as
// near as its groups allow; what followed from the roster follows from the new one.
func TestNextKeepsChoices(t *testing.T) {
	guard := .01
	for _, x := range []struct {
		name    string
		members int
		chosen  Numbers
		change  func(ids []HospitalID) Change
		h, k    int
		cohort  string
		guard   float64
	}{
		{"defaults", 7, Numbers{}, func(ids []HospitalID) Change { return Change{Remove: ids[5:]} }, 1, 4, CohortAll, 0},
		{"any three", 4, Numbers{MinCohort: 3, Cohort: CohortAny}, func([]HospitalID) Change { return Change{} }, 1, 3, "", DefaultGuard},
		{"any three of fewer", 5, Numbers{MinCohort: 3, Cohort: CohortAny}, func(ids []HospitalID) Change { return Change{Remove: ids[3:]} }, 1, 3, "", DefaultGuard},
		{"everyone", 7, Numbers{Cohort: CohortAll}, func(ids []HospitalID) Change { return Change{Remove: ids[6:]} }, 1, 4, CohortAll, 0},
		{"all but one", 7, Numbers{MinCohort: 6}, func(ids []HospitalID) Change { return Change{Remove: ids[5:]} }, 1, 5, CohortAll, 0},
		{"a guard", 8, Numbers{Guard: &guard}, func(ids []HospitalID) Change { return Change{Remove: ids[7:]} }, 2, 5, "", .01},
		{"a guard of those who become few", 8, Numbers{Guard: &guard}, func(ids []HospitalID) Change { return Change{Remove: ids[4:]} }, 1, 4, CohortAll, 0},
		{"more hostile", 8, Numbers{MaxHostileMembers: 4}, func(ids []HospitalID) Change { return Change{Remove: ids[7:]} }, 4, 7, "", DefaultGuard},
		{"more hostile than two less than all", 8, Numbers{MaxHostileMembers: 4}, func(ids []HospitalID) Change { return Change{Remove: ids[5:]} }, 3, 5, CohortAll, 0},
		{"chosen anew", 4, Numbers{MinCohort: 3, Cohort: CohortAny}, func([]HospitalID) Change { return Change{Numbers: Numbers{MinCohort: 4, Cohort: CohortAll}} }, 1, 4, CohortAll, 0},
	} {
		c := testCharter(t, x.members).With(x.chosen)
		next, err := c.Next(x.change(c.Roster()))
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		if next.MaxHostileMembers != x.h || next.MinCohort != x.k || next.Cohort != x.cohort || next.Guard != x.guard {
			t.Errorf("%s: h %d, K %d, cohort %q, guard %v, want %d, %d, %q, %v", x.name,
				next.MaxHostileMembers, next.MinCohort, next.Cohort, next.Guard, x.h, x.k, x.cohort, x.guard)
		}
	}
}

// TestChangesOfSums: what people approve says whom sums are over, before and after, and
// what is weaker.
func TestChangesOfSums(t *testing.T) {
	all, any, wide := Numbers{}, Numbers{MinCohort: 3, Cohort: CohortAny}, .01
	for _, x := range []struct {
		members       int
		before, after Numbers
		want          []string
	}{
		{4, all, all, []string{"at least 4 hospitals in a sum, at most 1 of a group hostile; before: 4, 1", "cohort stays: all"}},
		{4, all, any, []string{"at least 3 hospitals in a sum, at most 1 of a group hostile; before: 4, 1: a sum hides an honest hospital among 2, before among 3",
			"cohort k: any 3 members of a group are summed; before: all, or nobody. From now on whoever misses one round is the difference between two sums, which shows its update and its record count"}},
		{4, any, all, []string{"at least 4 hospitals in a sum, at most 1 of a group hostile; before: 3, 1", "cohort all: every member of a group is summed, or nobody; before: any 3"}},
		{7, Numbers{Guard: &wide}, all, []string{"at least 5 hospitals in a sum, at most 2 of a group hostile; before: 5, 2", "cohort stays: k",
			"guard 0.001; before: 0.01: sums on versions that are nearer to each other may be without one hospital"}},
		{7, all, Numbers{Guard: &wide}, []string{"at least 5 hospitals in a sum, at most 2 of a group hostile; before: 5, 2", "cohort stays: k", "guard 0.01; before: 0.001"}},
	} {
		c := testCharter(t, x.members)
		before, after := c.With(x.before), c.With(x.after)
		if got := before.changedSums(after); !slices.Equal(got, x.want) {
			t.Errorf("%+v to %+v:\n%s\nwant\n%s", x.before, x.after, strings.Join(got, "\n"), strings.Join(x.want, "\n"))
		}
		for _, line := range x.want {
			if !slices.Contains(before.Changes(after), line) {
				t.Errorf("the words leave out %q", line)
			}
		}
	}
}
