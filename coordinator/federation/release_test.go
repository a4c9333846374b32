package federation

import (
	"errors"
	"slices"
	"testing"
)

func digests(names ...string) []Digest {
	var list []Digest
	for _, n := range names {
		list = append(list, Sum([]byte(n)))
	}
	slices.SortFunc(list, CompareDigests)
	return list
}

// TestReleased: a manifest is released when the Join of every member of the charter says so.
func TestReleased(t *testing.T) {
	c := testCharter(t, 4)
	manifest := func() VerifiedManifest {
		var m VerifiedManifest
		for _, member := range c.Members {
			m.Joins = append(m.Joins, VerifiedJoin{Join: Join{Hospital: member.ID, Releases: digests("a", "b")}})
		}
		return m
	}
	for name, x := range map[string]struct {
		change func(*VerifiedManifest)
		want   []Digest
	}{
		"all release both":         {func(*VerifiedManifest) {}, digests("a", "b")},
		"one releases one":         {func(m *VerifiedManifest) { m.Joins[2].Releases = digests("b") }, digests("b")},
		"the first releases one":   {func(m *VerifiedManifest) { m.Joins[0].Releases = digests("b") }, digests("b")},
		"one releases none":        {func(m *VerifiedManifest) { m.Joins[3].Releases = nil }, nil},
		"each releases another":    {func(m *VerifiedManifest) { m.Joins[0].Releases, m.Joins[1].Releases = digests("a"), digests("b") }, nil},
		"one did not join":         {func(m *VerifiedManifest) { m.Joins = m.Joins[:3] }, nil},
		"one joined for another":   {func(m *VerifiedManifest) { m.Joins[3].Hospital = m.Joins[2].Hospital }, nil},
		"nobody joined":            {func(m *VerifiedManifest) { m.Joins = nil }, nil},
		"one releases others more": {func(m *VerifiedManifest) { m.Joins[1].Releases = digests("a", "b", "c") }, digests("a", "b")},
	} {
		m := manifest()
		x.change(&m)
		if got := m.Released(c); !slices.Equal(got, x.want) {
			t.Errorf("%s: released %v, want %v", name, got, x.want)
		}
	}
}

func TestCheckReleases(t *testing.T) {
	many := make([]Digest, MaxReleases+1)
	for i := range many {
		many[i] = Digest{byte(i + 1)}
	}
	for name, list := range map[string][]Digest{
		"out of order": {many[1], many[0]}, "twice": {many[0], many[0]}, "zero": {{}}, "one too many": many,
	} {
		if err := CheckReleases(list); !errors.Is(err, ErrRelease) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, list := range [][]Digest{nil, many[:1], many[:MaxReleases]} {
		if err := CheckReleases(list); err != nil {
			t.Errorf("%d releases: %v", len(list), err)
		}
	}
	c, p := testCharter(t, 4), testPlan()
	h := testHeader(c, p, Train)
	h.Releases = []Digest{many[1], many[0]}
	if err := CheckHeader(c, p, h); !errors.Is(err, ErrHeader) || !errors.Is(err, ErrRelease) {
		t.Errorf("a header with releases out of order: %v", err)
	}
	j := Join{V: 1, Releases: many}
	if len(Encode(j)) > MaxMessageBytes/2 {
		t.Errorf("a Join of %d bytes", len(Encode(j)))
	}
}

func TestReleaseLines(t *testing.T) {
	plan, list := Sum([]byte("plan")), digests("a", "b")
	got := ReleaseLines(plan, list)
	if want := "releases: [{plan: " + plan.String() + ", manifest: " + list[0].String() + "}, {plan: " + plan.String() + ", manifest: " + list[1].String() + "}]"; got != want {
		t.Errorf("%s", got)
	}
}
