package federation

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestColumnsText(t *testing.T) {
	for _, x := range []struct {
		places []int
		text   Columns
	}{{nil, ""}, {[]int{0}, "01"}, {[]int{7}, "80"}, {[]int{8}, "0001"}, {[]int{3, 1, 3}, "0a"},
		{[]int{-1, MaxFeatures}, ""}, {[]int{MaxFeatures - 1}, Columns(strings.Repeat("00", MaxFeatures/8-1) + "80")}} {
		got := ColumnsOf(x.places...)
		if got != x.text || !got.Valid() || ColumnsOf(got.List()...) != got {
			t.Errorf("%v: text %q of %v, want %q", x.places, got, got.List(), x.text)
		}
	}
	for _, bad := range []Columns{"0", "00", "0100", "0A", "0g", "01 ", Columns(strings.Repeat("01", MaxFeatures/8+1)), "zz"} {
		if bad.Valid() {
			t.Errorf("text %.8q counts as valid", bad)
		}
	}
	a, b := ColumnsOf(1, 9), ColumnsOf(2, 9)
	if a.Or(b) != ColumnsOf(1, 2, 9) || a.But(b) != ColumnsOf(1) || a.Or("") != a || Columns("").Or(a) != a || a.But("") != a || !a.Has(9) || a.Has(2) {
		t.Errorf("%v and %v: or %v, but %v", a.List(), b.List(), a.Or(b).List(), a.But(b).List())
	}
}

// TestShortAgainstCounting compares Short with counting the holders of each column.
func TestShortAgainstCounting(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 7))
	for range 300 {
		n, k := 1+rng.IntN(8), 1+rng.IntN(6)
		lacks, group := map[HospitalID]Columns{}, []HospitalID{}
		for i := range n {
			id := HospitalID(rune('a' + i))
			group = append(group, id)
			var list []int
			for c := range 6 {
				if rng.IntN(3) == 0 {
					list = append(list, c)
				}
			}
			lacks[id] = ColumnsOf(list...)
		}
		var want []int
		for c := range 6 {
			holders := 0
			for _, id := range group {
				if !slices.Contains(lacks[id].List(), c) {
					holders++
				}
			}
			if holders < k && holders < n {
				want = append(want, c)
			}
		}
		if got := Short(group, func(id HospitalID) Columns { return lacks[id] }, k); !slices.Equal(got.List(), want) {
			t.Fatalf("lacks %v, k = %d: got %v, want %v", lacks, k, got.List(), want)
		}
	}
}

// lacking has these hospitals, by their place in the charter, say that they lack columns.
func lacking(c Charter, m VerifiedManifest, columns Columns, who ...int) VerifiedManifest {
	m.Joins = slices.Clone(m.Joins)
	for _, i := range who {
		for j := range m.Joins {
			if m.Joins[j].Hospital == c.Members[i].ID {
				m.Joins[j].Lacks = columns
			}
		}
	}
	return m
}

// TestManifestMasks: of six hospitals with K = 3 a column that two have is masked, or the
// manifest is refused.
func TestManifestMasks(t *testing.T) {
	c := testCharter(t, 6).With(Numbers{MaxHostile: 1, MinCohort: 3, Cohort: CohortAny})
	header := Sum([]byte("header"))
	age := ColumnsOf(0)
	for name, x := range map[string]struct {
		who    []int
		cohort int // how many of the group, from the last on; 0: all
		masked []Columns
		words  string
	}{
		"three have it":                      {who: []int{0, 1, 2}},
		"three have it, masked all the same": {who: []int{0, 1, 2}, masked: []Columns{age}},
		"all have it, masked":                {masked: []Columns{age}, words: "group 0: column 1 of the plan is masked and each hospital of the group has it"},
		"all that are asked have it, masked": {who: []int{0, 1}, cohort: 4, masked: []Columns{age}, words: "each hospital of the group has it"},
		"masked beside one that all have":    {who: []int{0, 1, 2, 3}, masked: []Columns{ColumnsOf(0, 5)}, words: "column 6 of the plan is masked"},
		"two have it":                        {who: []int{0, 1, 2, 3}, words: "group 0: column 1 of the plan: 2 holders, fewer than K = 3"},
		"two have it, masked":                {who: []int{0, 1, 2, 3}, masked: []Columns{age}},
		"two have it, another is masked":     {who: []int{0, 1, 2, 3}, masked: []Columns{ColumnsOf(1)}, words: "column 1 of the plan: 2 holders"},
		"one alone has it":                   {who: []int{0, 1, 2, 3, 4}, words: "1 holders"},
		"nobody has it":                      {who: []int{0, 1, 2, 3, 4, 5}, words: "0 holders"},
		"nobody has it, masked":              {who: []int{0, 1, 2, 3, 4, 5}, masked: []Columns{age}},
		"holders that were called late":      {who: []int{2, 3}, cohort: 4, words: "2 holders"},
		"too many groups":                    {masked: []Columns{age, age}, words: "it masks columns in 2 groups"},
		"not a set":                          {masked: []Columns{"00"}, words: `masked columns "00"`},
	} {
		m := lacking(c, testManifest(t, c, header), age, x.who...)
		m.Masked = x.masked
		if x.cohort > 0 {
			var rest []HospitalID
			for i := 6 - x.cohort; i < 6; i++ {
				rest = append(rest, c.Members[i].ID)
			}
			slices.Sort(rest)
			m.Groups = [][]HospitalID{rest}
		}
		err := CheckManifest(c, header, m)
		if (err == nil) != (x.words == "") || err != nil && (!errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), x.words)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := lacking(c, testManifest(t, c, header), "0", 2)
	if err := CheckManifest(c, header, bad); !errors.Is(err, ErrManifest) {
		t.Errorf("a join that lacks what is no set: %v", err)
	}
}

// TestCandidateHolders: S of a group has K holders of each column that is not masked in it.
func TestCandidateHolders(t *testing.T) {
	c := testCharter(t, 10)
	c.Groups = CutGroups(c.Roster(), 2)
	c = c.With(Numbers{MaxHostile: 1, MinCohort: 3, Cohort: CohortAny})
	place := func(id HospitalID) int {
		return slices.IndexFunc(c.Members, func(m Member) bool { return m.ID == id })
	}
	first := c.Groups[0]
	m := lacking(c, testManifest(t, c, Sum([]byte("header"))), ColumnsOf(2), place(first[3]), place(first[4]))
	s := testCandidate(m)
	without := func(i int) Candidate {
		s := clone(t, s)
		s.Groups[0] = slices.Delete(s.Groups[0], i, i+1)
		return s
	}
	for name, x := range map[string]struct {
		s      Candidate
		masked []Columns
		ok     bool
	}{
		"all":                             {s: s, ok: true},
		"without one that lacks it":       {s: without(4), ok: true},
		"without one that has it":         {s: without(0)},
		"without one that has it, masked": {s: without(0), masked: []Columns{ColumnsOf(2), ""}, ok: true},
		"masked in the other group":       {s: without(0), masked: []Columns{"", ColumnsOf(2)}},
		"another column masked":           {s: without(0), masked: []Columns{ColumnsOf(3), ""}},
	} {
		m := m
		m.Masked = x.masked
		err := CheckCandidate(c, m, x.s)
		if (err == nil) != x.ok || err != nil && (!errors.Is(err, ErrCandidate) || !strings.Contains(err.Error(), "group 0: column 3 of the plan: 2 holders, fewer than K = 3")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
