package participant

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"atrium/coordinator/federation"
)

// The exploration: a coordinator that lies, helped by f custodians who answer and burn
// whatever it likes, against m−f honest custodians who run the real Decide and Apply.
// It shows manifests of one question to whom it likes and in any order, with or without
// the burn certificates that it can put together, asks for either of two sets, asks for
// burns, and makes custodians restart, in every order. It wins when two different sets
// have t answers each, every answer of one set under one manifest.
//
// First every state that one honest custodian can reach is found by running the real
// machine; then every combination of these that the adversary can bring about. The
// adversary is stronger than a real one: a manifest may be shown again after a restart,
// and may carry a certificate of a manifest made after it.
type exploration struct {
	custodians, threshold, hostile int
	manifests                      int
	forged                         int // burns that the adversary forges; 0 but to show that the check can fail

	charter federation.Charter
	headers []federation.Header
	names   []federation.Digest
	sets    [2][]federation.HospitalID

	index map[string]int
	local []localState
}

// localState is one state of one honest custodian and where each action leads.
type localState struct {
	state State
	burnt int // bit per manifest
	given [2]int
	steps []step
}

// step is possible when certificates of all manifests in needs can be put together.
type step struct{ needs, to int }

func newExploration(m, t, f, manifests int) *exploration {
	e := &exploration{custodians: m, threshold: t, hostile: f, manifests: manifests, index: map[string]int{}}
	k := max(3, f+2)
	n := max(m, k+1)
	e.charter = testCharter(n, m, t, f)
	group := e.charter.Groups[0]
	e.sets = [2][]federation.HospitalID{group[:k], group[1 : k+1]}
	for i := range manifests {
		e.headers = append(e.headers, testHeader(e.charter, testPlan(), uint64(i+1)))
		e.names = append(e.names, federation.Sum([]byte(manifestName(i))))
	}
	return e
}

func manifestName(i int) string { return fmt.Sprintf("manifest %d", i) }

// add finds the number of a state; counters and incarnations do not tell states apart.
func (e *exploration) add(s State) (number int) {
	s.Counter, s.Live.Incarnation = 0, federation.Digest{}
	s.Live.Header = federation.Digest{} // a manifest is shown right after its header was joined
	s.Memory = slices.Clone(s.Memory)
	slices.SortFunc(s.Memory, func(a, b Memory) int { return slices.Compare(a.Manifest[:], b.Manifest[:]) })
	for i := range s.Memory {
		s.Memory[i].Round = 0
		if len(s.Memory[i].Questions) == 0 {
			s.Memory[i].Questions = nil
		}
	}
	key, err := json.Marshal(struct {
		Live   Live
		Memory []Memory
	}{s.Live, s.Memory})
	if err != nil {
		panic(err)
	}
	if i, ok := e.index[string(key)]; ok {
		return i
	}
	l := localState{state: s}
	for _, m := range s.Memory {
		i := slices.Index(e.names, m.Manifest)
		if m.Burned {
			l.burnt |= 1 << i
		}
		for set := range e.sets {
			if m.Answered() && slices.Equal(m.Set[0], e.sets[set]) {
				l.given[set] |= 1 << i
			}
		}
	}
	e.index[string(key)] = len(e.local)
	e.local = append(e.local, l)
	return len(e.local) - 1
}

// locals finds every state of one honest custodian.
func (e *exploration) locals(t testing.TB) {
	s := State{Self: e.charter.Custodians[0], Charter: e.charter, Seen: federation.TreeHead{Size: 1}}
	e.add(mustApply(t, s, Start(federation.Digest{}), nil))
	for i := 0; i < len(e.local); i++ {
		s := e.local[i].state
		for k := range e.manifests {
			for needs := range 1 << e.manifests {
				if needs&(1<<k) == 0 {
					e.show(t, i, k, needs)
				}
			}
			for set := range e.sets {
				e.ask(t, i, k, set)
			}
			if entries, err := BurnManifest(s, 1, e.names[k]); err == nil {
				e.step(i, 0, mustApply(t, s, entries, nil))
			}
		}
		e.step(i, 0, mustApply(t, s, Start(federation.Digest{}), nil))
	}
}

func (e *exploration) step(from, needs int, s State) {
	to := e.add(s)
	if to != from {
		e.local[from].steps = append(e.local[from].steps, step{needs, to})
	}
}

// show joins the header of manifest k and accepts the manifest with certificates.
func (e *exploration) show(t testing.TB, from, k, certificates int) {
	s, _, err := joinAndAccept(t, e.local[from].state, e.headers[k], manifestName(k), func(m *federation.VerifiedManifest) {
		for i := range e.manifests {
			if certificates&(1<<i) != 0 {
				certify(e.charter, m, e.names[i])
			}
		}
	})
	if err == nil {
		e.step(from, certificates, s)
	}
}

func (e *exploration) ask(t testing.TB, from, k, set int) {
	s := e.local[from].state
	m := testManifest(e.charter, e.headers[k], federation.Join{V: 1, Header: e.headers[k].Digest(), Hospital: s.Self}, manifestName(k))
	entries, err := AnswerWith(s, m, submittersOf(m.Digest, e.sets[set]...), federation.Sum([]byte("answer")))
	if err == nil {
		e.step(from, 0, mustApply(t, s, entries, nil))
	}
}

// search explores all combinations and returns one in which the adversary wins, or nil,
// and how many there are. Honest custodians are alike, so combinations are kept sorted.
func (e *exploration) search(t testing.TB) (won []int, combinations int) {
	honest, base := e.custodians-e.hostile, len(e.local)
	size := 1
	for range honest {
		size *= base
	}
	seen := make([]uint64, size/64+1)
	stack := []int{0}
	seen[0] = 1
	state, next := make([]int, honest), make([]int, honest)
	for len(stack) > 0 {
		code := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for i := range state {
			state[i], code = code%base, code/base
		}
		combinations++
		if e.wins(state) {
			return slices.Clone(state), combinations
		}
		available := e.available(state)
		for i := range state {
			if i > 0 && state[i] == state[i-1] {
				continue
			}
			for _, step := range e.local[state[i]].steps {
				if step.needs&^available != 0 {
					continue
				}
				copy(next, state)
				next[i] = step.to
				slices.Sort(next)
				to := 0
				for j := honest - 1; j >= 0; j-- {
					to = to*base + next[j]
				}
				if seen[to/64]&(1<<(to%64)) == 0 {
					seen[to/64] |= 1 << (to % 64)
					stack = append(stack, to)
				}
			}
		}
	}
	return nil, combinations
}

// available tells of which manifests a certificate can be put together.
func (e *exploration) available(state []int) int {
	mask := 0
	for k := range e.manifests {
		burns := e.hostile + e.forged
		for _, l := range state {
			burns += e.local[l].burnt >> k & 1
		}
		if burns >= e.charter.BurnQuorum() {
			mask |= 1 << k
		}
	}
	return mask
}

func (e *exploration) wins(state []int) bool {
	var opened [2]bool
	for set := range opened {
		for k := range e.manifests {
			answers := e.hostile
			for _, l := range state {
				answers += e.local[l].given[set] >> k & 1
			}
			opened[set] = opened[set] || answers >= e.threshold
		}
	}
	return opened[0] && opened[1]
}

// TestNoTwoSetsAreOpened explores m = 3, 4, 5 with the charter's t and f completely: no
// two different sets of one question are ever opened.
func TestNoTwoSetsAreOpened(t *testing.T) {
	for _, c := range []struct{ m, t, f, manifests int }{{3, 3, 1, 2}, {4, 3, 1, 2}, {5, 4, 1, 2}, {3, 3, 1, 3}} {
		e := newExploration(c.m, c.t, c.f, c.manifests)
		if err := e.charter.Validate(); err != nil {
			t.Fatal(err)
		}
		e.locals(t)
		won, n := e.search(t)
		t.Logf("m=%d t=%d f=%d, %d rounds: %d states of a custodian, %d combinations", c.m, c.t, c.f, c.manifests, len(e.local), n)
		if won != nil {
			t.Errorf("m=%d t=%d f=%d: two sets have %d answers each:%s", c.m, c.t, c.f, c.t, e.describe(won))
		}
		if n < 100 {
			t.Errorf("m=%d: only %d combinations were explored", c.m, n)
		}
	}
}

// TestExplorationFindsViolations: the exploration is able to fail. With f = 2t−m the
// intersection of two sets of t answers may be hostile; with one forged burn a
// certificate is one honest custodian short.
func TestExplorationFindsViolations(t *testing.T) {
	for _, c := range []struct {
		name                       string
		m, t, f, manifests, forged int
	}{
		{"f = 2t−m", 4, 3, 2, 2, 0},
		{"f = 2t−m", 5, 4, 3, 2, 0},
		{"f = 2t−m", 5, 3, 1, 2, 0},
		{"a forged burn", 3, 3, 1, 2, 1},
		{"a forged burn", 4, 3, 1, 2, 1},
		{"a forged burn", 5, 4, 1, 2, 1},
	} {
		e := newExploration(c.m, c.t, c.f, c.manifests)
		e.forged = c.forged
		e.locals(t)
		if won, n := e.search(t); won == nil {
			t.Errorf("%s, m=%d t=%d f=%d: no violation in %d combinations", c.name, c.m, c.t, c.f, n)
		}
	}
}

func (e *exploration) describe(state []int) string {
	text := ""
	for _, l := range state {
		text += fmt.Sprintf("\n  burned %b, answered first set %b, second set %b", e.local[l].burnt, e.local[l].given[0], e.local[l].given[1])
	}
	return text
}
