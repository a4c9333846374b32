package federation

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestAsked(t *testing.T) {
	for _, c := range []struct {
		cohort Cohort
		want   int
	}{{Cohort{Size: 10}, 10}, {Cohort{Size: 10, Extra: 0.1}, 11}, {Cohort{Size: 10, Extra: 0.11}, 12}, {Cohort{Size: 20, Extra: 0.1}, 22},
		{Cohort{Size: 3, Extra: 0.34}, 5}, {Cohort{Size: 3, Extra: 1. / 3}, 4}, {Cohort{Size: 1, Extra: 4}, 5}} {
		if got := c.cohort.Asked(); got != c.want {
			t.Errorf("%+v asks %d, want %d", c.cohort, got, c.want)
		}
	}
}

// draws returns hospitals in groups and a function that draws round after round.
func draws(n, groups int) ([][]HospitalID, func(size, number int) [][]HospitalID) {
	all := make([][]HospitalID, groups)
	for i := range n {
		all[i%groups] = append(all[i%groups], HospitalID(fmt.Sprintf("h-%04d", i)))
	}
	return all, func(size, number int) [][]HospitalID {
		return DrawOf(Cohort{Size: size}, Train, Sum([]byte("plan")), Sum(fmt.Appendf(nil, "base %d", number))).Pick(all, size)
	}
}

// TestDrawIsFair: over many rounds every hospital of a group is asked as often as every
// other, whatever its name, and a round says nothing about the next. The counts of rounds
// that asked a hospital are binomial; a bound of 4.5 standard deviations on each of 500
// would be crossed once in 300 repetitions of this test with other names, of which this is one.
func TestDrawIsFair(t *testing.T) {
	const rounds, n, size = 2000, 250, 25
	all, draw := draws(n, 2)
	asked, again := map[HospitalID]int{}, map[HospitalID]int{}
	var last []HospitalID
	for number := range rounds {
		picked := draw(size, number)
		for g, group := range picked {
			if len(group) != size || !slices.IsSorted(group) || len(slices.Compact(slices.Clone(group))) != size {
				t.Fatalf("round %d, group %d: %v", number, g, group)
			}
			for _, id := range group {
				if !slices.Contains(all[g], id) {
					t.Fatalf("round %d: %s is not of group %d", number, id, g)
				}
				asked[id]++
				if slices.Contains(last, id) {
					again[id]++
				}
			}
		}
		last = slices.Concat(picked...)
	}
	check := func(what string, counts map[HospitalID]int, trials int, p float64) {
		mean, deviation := float64(trials)*p, math.Sqrt(float64(trials)*p*(1-p))
		for _, id := range slices.Concat(all...) {
			if z := (float64(counts[id]) - mean) / deviation; math.Abs(z) > 4.5 {
				t.Errorf("%s was %s in %d of %d rounds, %.1f deviations from %.0f", id, what, counts[id], trials, z, mean)
			}
		}
	}
	p := 2. * size / n
	check("asked", asked, rounds, p)
	check("asked twice in a row", again, rounds-1, p*p)
}

// TestDrawTwin: a draw is the order of SHA-256(seed ‖ hospital), a larger one goes on where
// the smaller ends, and those who are not there move nobody else.
func TestDrawTwin(t *testing.T) {
	all, draw := draws(40, 1)
	d := DrawOf(Cohort{Size: 3}, Train, Sum([]byte("plan")), Sum([]byte("base 0")))
	var naive []HospitalID
	for len(naive) < len(all[0]) {
		best := ""
		for _, id := range all[0] {
			key := fmt.Sprintf("%x", sha256.Sum256([]byte(string(d.Seed[:])+string(id))))
			if !slices.Contains(naive, id) && (best == "" || key < best) {
				best = key
			}
		}
		for _, id := range all[0] {
			if fmt.Sprintf("%x", sha256.Sum256([]byte(string(d.Seed[:])+string(id)))) == best {
				naive = append(naive, id)
			}
		}
	}
	for size := 1; size <= len(naive)+3; size++ {
		want := slices.Clone(naive[:min(size, len(naive))])
		slices.Sort(want)
		if got := draw(size, 0)[0]; !slices.Equal(got, want) {
			t.Fatalf("the first %d are %v, want %v", size, got, want)
		}
	}
	without := [][]HospitalID{slices.DeleteFunc(slices.Clone(all[0]), func(id HospitalID) bool { return id == naive[1] })}
	want := []HospitalID{naive[0], naive[2], naive[3]}
	slices.Sort(want)
	if got := d.Pick(without, 3)[0]; !slices.Equal(got, want) {
		t.Errorf("without %s: %v, want %v", naive[1], got, want)
	}
}

// TestDrawFollows: from plan, base and seed, and only for train rounds of a plan that draws.
func TestDrawFollows(t *testing.T) {
	plan, base := Sum([]byte("plan")), Sum([]byte("base"))
	one := DrawOf(Cohort{Size: 3}, Train, plan, base)
	for name, other := range map[string]Draw{
		"plan": DrawOf(Cohort{Size: 3}, Train, base, base), "base": DrawOf(Cohort{Size: 3}, Train, plan, plan),
		"seed": DrawOf(Cohort{Size: 3, Seed: 1}, Train, plan, base),
	} {
		if !other.On() || other.Seed == one.Seed {
			t.Errorf("another %s: the same draw", name)
		}
	}
	for _, d := range []Draw{DrawOf(Cohort{}, Train, plan, base), DrawOf(Cohort{Size: 3}, Evaluate, plan, base), DrawOf(Cohort{Size: 3}, Statistics, plan, base)} {
		if d.On() {
			t.Errorf("there is a draw: %+v", d)
		}
	}
}

// drawn is a round of a plan that draws 3 of 6 hospitals and asks 4.
type drawn struct {
	c Charter
	p Plan
	h Header
	m VerifiedManifest
}

func newDrawn(t *testing.T, number uint64, change func(*Manifest)) drawn {
	t.Helper()
	d := drawn{c: testCharter(t, 6).With(Tolerant(6, 1)), p: testPlan()}
	d.p.Schedule.Cohort = Cohort{Size: 3, Extra: 0.3}
	d.h = testHeader(d.c, d.p, Train)
	d.h.Round = number
	m := testManifest(t, d.c, d.h.Digest()).Manifest
	m.Groups = d.p.Draw(d.h).Pick(d.c.Groups, 4)
	if change != nil {
		change(&m)
	}
	var ok bool
	if d.m, ok = verified(m); !ok {
		t.Fatal("the manifest's messages do not decode")
	}
	if err := CheckManifest(d.c, d.h.Digest(), d.m); err != nil {
		t.Fatal(err)
	}
	return d
}

func declineOf(id HospitalID, header Digest) Signed {
	return Signed{Signer: id, Body: Encode(Decline{V: 1, Header: header, Hospital: id, Role: RoleUpdate, Reason: "why"}), Signature: []byte("signature")}
}

func TestCheckCohort(t *testing.T) {
	first := newDrawn(t, 8, nil)
	order := first.p.Draw(first.h).order(first.c.Groups[0])
	ask := func(m *Manifest, ids ...HospitalID) {
		m.Groups = [][]HospitalID{slices.Clone(ids)}
		slices.Sort(m.Groups[0])
	}
	pinned := func(ids ...HospitalID) func(*Manifest) {
		return func(m *Manifest) { ask(m, ids...); m.Pin = first.m.Digest }
	}
	for _, c := range []struct {
		name   string
		change func(*Manifest)
		ok     bool
	}{
		{"the draw", nil, true},
		{"more of the draw", func(m *Manifest) { ask(m, order[:5]...) }, true},
		{"all of it", func(m *Manifest) { ask(m, order...) }, true},
		{"fewer than the plan asks", func(m *Manifest) { ask(m, order[:3]...) }, false},
		{"one instead of another", func(m *Manifest) { ask(m, order[0], order[1], order[2], order[4]) }, false},
		{"one left out", func(m *Manifest) { ask(m, order[1:5]...) }, false},
		{"one left out that declined", func(m *Manifest) {
			ask(m, order[1:5]...)
			m.Declines = []Signed{declineOf(order[0], m.Header)}
		}, true},
		{"one asked that declined", func(m *Manifest) { m.Declines = []Signed{declineOf(order[0], m.Header)} }, false},
		{"one left out that did not join", func(m *Manifest) {
			ask(m, order[1:5]...)
			m.Joins = slices.DeleteFunc(slices.Clone(m.Joins), func(s Signed) bool { return s.Signer == order[0] })
		}, true},
		{"pinned to the draw", pinned(order[:4]...), true},
		{"pinned to a part of it", pinned(order[1:4]...), true},
		{"pinned to others", pinned(order[2:5]...), false},
		{"pinned, with declines", func(m *Manifest) {
			pinned(order[:4]...)(m)
			m.Declines = []Signed{declineOf(order[5], m.Header)}
		}, false},
	} {
		d := newDrawn(t, 9, c.change)
		err := CheckCohort(d.c, d.p, d.h, d.m, &Earlier{first.h, first.m})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestCheckEarlier: what a manifest is pinned to must be a round on the same question that
// was drawn itself.
func TestCheckEarlier(t *testing.T) {
	first := newDrawn(t, 8, nil)
	check := func(e Earlier, later uint64) error {
		d := newDrawn(t, later, func(m *Manifest) { m.Groups, m.Pin = first.m.Groups, e.Manifest.Digest })
		return CheckCohort(d.c, d.p, d.h, d.m, &e)
	}
	if err := check(Earlier{first.h, first.m}, 9); err != nil {
		t.Fatal(err)
	}
	if err := check(Earlier{first.h, first.m}, 8); err == nil {
		t.Error("pinned to a round that is not earlier")
	}
	order := first.p.Draw(first.h).order(first.c.Groups[0])
	slices.Sort(order[1:5])
	for name, e := range map[string]Earlier{
		"another manifest":      {first.h, newDrawn(t, 8, func(m *Manifest) { m.Groups = [][]HospitalID{order[1:5]} }).m},
		"one that is pinned":    {first.h, newDrawn(t, 8, func(m *Manifest) { m.Pin = Sum([]byte("x")) }).m},
		"one of another header": {newDrawn(t, 7, nil).h, first.m},
	} {
		if err := check(e, 9); !errors.Is(err, ErrManifest) {
			t.Errorf("pinned to %s: %v", name, err)
		}
	}
	unchecked := first.m
	unchecked.Joins = unchecked.Joins[:2]
	if err := check(Earlier{first.h, unchecked}, 9); !errors.Is(err, ErrManifest) {
		t.Errorf("pinned to a manifest that does not hold: %v", err)
	}
	evaluate := first.h
	evaluate.Kind, evaluate.Questions = Evaluate, first.p.Questions(Evaluate, first.h.Parameters)
	if err := checkEarlier(first.c, first.p, evaluate, first.m, Earlier{first.h, first.m}); err == nil {
		t.Error("pinned to a round on another question")
	}
	d := newDrawn(t, 9, func(m *Manifest) { m.Pin = first.m.Digest })
	d.p.Schedule.Cohort = Cohort{}
	if err := CheckCohort(d.c, d.p, d.h, d.m, &Earlier{first.h, first.m}); !errors.Is(err, ErrManifest) {
		t.Errorf("a pin where nothing is drawn: %v", err)
	}
}
