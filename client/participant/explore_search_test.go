package participant

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"atrium/coordinator/federation"
)

// A scenario is what the adversary has to play with; its nodes depend neither on m nor on t
// nor on f, which count in a combination only.
type scenario struct {
	name       string
	manifests  [][]int // sets of the candidates of each, see newExploration
	recoveries bool
	burnless   bool // custodians are asked for no burns
	releases   []release
}

var scenarios = []scenario{
	{name: "two nested candidates under each of two manifests", manifests: [][]int{{0, 1}, {0, 1}}},
	{name: "three candidates, two of them not nested, and another manifest", manifests: [][]int{{0, 1, 2}, {1}}},
	{name: "two manifests for two sets, with recoveries", manifests: [][]int{{1}, {2}}, recoveries: true},
	{name: "two manifests that release a third, nothing burned", manifests: [][]int{{1}, {2}, {1}}, burnless: true, releases: []release{{1, 0, nil}, {2, 0, nil}}},
	{name: "a release that lacks one hospital", manifests: [][]int{{0, 1}, {2}}, releases: []release{{1, 0, []int{2}}}},
}

type numbers struct{ m, t, f int }

// honestly are the numbers of charters that hold.
var honestly = []numbers{{3, 3, 1}, {4, 3, 1}, {5, 4, 1}, {5, 4, 2}, {7, 5, 2}}

// with is the same exploration for other numbers.
func (e *exploration) with(n numbers, forged int) *exploration {
	c := *e
	c.hostile, c.forged = n.f, forged
	c.charter.Threshold, c.charter.MaxHostile = n.t, n.f
	c.charter.Custodians = make([]federation.HospitalID, n.m)
	return &c
}

func (s scenario) explore(t *testing.T) (*exploration, []node) {
	start := time.Now()
	e := newExploration(5, 4, 1, s.manifests...)
	e.recoveries, e.burnless, e.releases = s.recoveries, s.burnless, s.releases
	e.explore(t)
	folded := e.fold()
	t.Logf("%s: %d states of a custodian, folded into %d, %v", s.name, len(e.nodes), len(folded), time.Since(start).Round(time.Millisecond))
	return e, folded
}

// check searches all combinations: for the numbers of charters nothing is won, and as soon
// as f is 2t−m, or one burn is forged, something is. What every hospital released can be opened
// beside the manifest that released it, and what one did not release cannot.
func (s scenario) check(t *testing.T) {
	e, nodes := s.explore(t)
	for _, n := range honestly {
		if won, combinations := e.with(n, 0).search(nodes); won != nil {
			t.Errorf("m=%d t=%d f=%d: the adversary wins after %d combinations:%s", n.m, n.t, n.f, combinations, e.describe(nodes, won))
		} else {
			t.Logf("m=%d t=%d f=%d: %d combinations", n.m, n.t, n.f, combinations)
		}
		if won, combinations := e.with(n, 1).search(nodes); won == nil && !s.burnless {
			t.Errorf("m=%d t=%d f=%d and a forged burn: nothing is won in %d combinations", n.m, n.t, n.f, combinations)
		}
		for _, r := range s.releases {
			if got, want := e.with(n, 0).opensBoth(nodes, r.in, r.of), len(r.but) == 0; got != want {
				t.Errorf("m=%d t=%d f=%d: manifest %d is opened beside %d, which it releases: %v", n.m, n.t, n.f, r.in, r.of, got)
			}
		}
		n.f = 2*n.t - n.m
		if won, combinations := e.with(n, 0).search(nodes); won == nil {
			t.Errorf("m=%d t=%d f=%d = 2t−m: nothing is won in %d combinations", n.m, n.t, n.f, combinations)
		}
	}
}

// TestOneQuestionOneOpening explores every scenario that takes less than a minute.
func TestOneQuestionOneOpening(t *testing.T) {
	for _, n := range honestly {
		if err := testCharter(7, n.m, n.t, n.f).Validate(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.check(t)
		})
	}
}

// TestFoldLosesNothing: searched without folding, the smallest scenarios end as they do folded.
func TestFoldLosesNothing(t *testing.T) {
	e, folded := scenario{name: "two manifests", manifests: [][]int{{1}, {2}}}.explore(t)
	for _, n := range []numbers{{3, 3, 1}, {4, 3, 2}, {5, 4, 3}} {
		for forged := range 2 {
			x := e.with(n, forged)
			whole, all := x.search(e.nodes)
			part, some := x.search(folded)
			t.Logf("m=%d t=%d f=%d, %d forged: %d combinations, %d folded", n.m, n.t, n.f, forged, all, some)
			if (whole == nil) != (part == nil) {
				t.Errorf("m=%d t=%d f=%d, %d forged: won %v, folded %v", n.m, n.t, n.f, forged, whole != nil, part != nil)
			}
		}
	}
}

// search looks for a combination in which the adversary wins, and counts them.
func (e *exploration) search(nodes []node) (won []int, combinations int) {
	e.visit(nodes, func(at []int) bool {
		combinations++
		if e.wins(nodes, at) {
			won = slices.Clone(at)
		}
		return won != nil
	})
	return won, combinations
}

// opensBoth reports whether t sends can come for some candidate of each of two manifests.
func (e *exploration) opensBoth(nodes []node, i, j int) (both bool) {
	e.visit(nodes, func(at []int) bool {
		opened := reached(nodes, at, e.charter.Threshold-e.hostile, func(s signed) uint32 { return s.sent })
		manifests := uint32(0)
		for c, x := range e.candidates {
			if opened&(1<<c) != 0 {
				manifests |= 1 << x.manifest
			}
		}
		both = manifests&(1<<i) != 0 && manifests&(1<<j) != 0
		return both
	})
	return both
}

// visit takes the honest custodians through every combination of nodes that the adversary
// can bring about, until one is all that was wanted. Honest custodians are alike, so
// combinations are kept sorted.
func (e *exploration) visit(nodes []node, enough func(at []int) bool) {
	honest := len(e.charter.Custodians) - e.hostile
	base := uint64(len(nodes))
	seen := map[uint64]bool{0: true}
	stack := []uint64{0}
	at, next := make([]int, honest), make([]int, honest)
	for len(stack) > 0 {
		code := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for i := range at {
			at[i], code = int(code%base), code/base
		}
		if enough(at) {
			return
		}
		available := e.available(nodes, at)
		for i := range at {
			if i > 0 && at[i] == at[i-1] {
				continue
			}
			for _, s := range nodes[at[i]].steps {
				if !s.needs.within(available) {
					continue
				}
				copy(next, at)
				next[i] = s.to
				slices.Sort(next)
				to := uint64(0)
				for _, n := range slices.Backward(next) {
					to = to*base + uint64(n)
				}
				if !seen[to] {
					seen[to] = true
					stack = append(stack, to)
				}
			}
		}
	}
}

// reached is the bits of what at least n honest custodians signed.
func reached(nodes []node, at []int, n int, of func(signed) uint32) (mask uint32) {
	any := uint32(0)
	for _, i := range at {
		any |= of(nodes[i].signed)
	}
	for ; any != 0; any &= any - 1 {
		bit, count := any&-any, 0
		for _, i := range at {
			if of(nodes[i].signed)&bit != 0 {
				count++
			}
		}
		if count >= n {
			mask |= bit
		}
	}
	if n <= 0 {
		return ^uint32(0)
	}
	return mask
}

// available is what the adversary can show, with what its own custodians sign.
func (e *exploration) available(nodes []node, at []int) guard {
	t := e.charter.Threshold - e.hostile
	return guard{
		burned: reached(nodes, at, e.charter.BurnQuorum()-e.hostile-e.forged, func(s signed) uint32 { return s.burned }),
		ready:  reached(nodes, at, t, func(s signed) uint32 { return s.ready }),
		opened: reached(nodes, at, t, func(s signed) uint32 { return s.sent }),
	}
}

func (e *exploration) wins(nodes []node, at []int) bool {
	t := e.charter.Threshold - e.hostile
	sent := func(s signed) uint32 { return s.sent }
	opened, some := reached(nodes, at, t, sent), reached(nodes, at, 1, sent)
	for c, x := range e.candidates {
		for d, y := range e.candidates[:c] {
			if x.manifest != y.manifest {
				continue
			}
			if both := uint32(1<<c | 1<<d); opened&both == both || some&both == both && !x.Within(y.Candidate) && !y.Within(x.Candidate) {
				return true
			}
		}
	}
	also := reached(nodes, at, t, func(s signed) uint32 { return s.also })
	k := len(e.names)
	for i := range k {
		for j := range i {
			if both := uint32(1<<(i*k+j) | 1<<(j*k+i)); also&both == both {
				return true
			}
		}
	}
	return false
}

func (e *exploration) describe(nodes []node, at []int) string {
	text := ""
	for _, i := range at {
		s := nodes[i].signed
		text += fmt.Sprintf("\n  ready for %b, sent for %b, burned %b", s.ready, s.sent, s.burned)
	}
	return text
}
