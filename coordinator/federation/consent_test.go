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
	next, err := c.Next(Change{Remove: ids[5:], Add: newcomer[i : i+1], LogKey: "log+2+b", MinCohort: 4})
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
	for _, want := range []string{"epoch 2 follows epoch 1", "adds     " + string(newcomer[i].ID), "removes  " + string(ids[5]), "at least 4 hospitals", "log+2+b replaces"} {
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
		"f too large":                {Change{MaxHostile: 2}, "max hostile 2"},
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
