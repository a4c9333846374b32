package participant

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"atrium/coordinator/federation"
)

// The exploration: a coordinator that lies, helped by f custodians who are ready, send and
// burn whatever it likes, against m−f honest custodians who run the real Decide and Apply.
// It shows manifests of one question to whom it likes and in any order, with or without the
// burn certificates that it can put together; asks for readies, sends and burns; makes
// custodians restart, or lose their journal and recover from an older one while it withholds
// what they sent; and says that no group of an opened candidate held.
//
// First every state that one honest custodian can reach is found by running the real machine
// (this file). States that are no better for the adversary than another one that it can go to
// at will are folded into that (explore_fold_test.go). Then every combination of those is
// searched (explore_search_test.go). The adversary is stronger than a real one: a manifest
// may be shown again after a restart, and carry a certificate of a manifest made after it.
//
// What counts as opened. A candidate is opened with t sends, those of the f hostile included.
// Share sums of two candidates of one manifest cannot be put together when one lies within
// the other: the two sums of polynomials are independent unless only hostile hospitals were
// left out, and then the honest hospitals of both are the same. Of two that do not, they can
// (A, B and both). So the adversary wins
//
//   - with t sends for each of two candidates of one manifest,
//   - with sends of honest custodians for two candidates of one manifest, neither within the
//     other,
//   - with t sends under each of two manifests, whichever of their candidates they are for;
//     but for a send for the same hospitals by a custodian that derived that no group of what
//     it sent for before held, and for one of two manifests that every hospital released in its
//     Join of the other: that may be opened beside it. So of the manifests that release the same
//     one a single one is opened.
type exploration struct {
	charter    federation.Charter
	hostile    int
	forged     int // burns that the adversary forges; 0 but to show that the check can fail
	recoveries bool
	burnless   bool // nothing is burned
	releases   []release

	headers    []federation.Header
	names      []federation.Digest
	candidates []candidate

	index map[string]int
	nodes []node
}

// release is what Joins of a manifest say of an earlier one: those of all hospitals but some.
type release struct {
	in, of int
	but    []int // of the roster
}

// excuses reports whether manifest i may be opened beside manifest j.
func (e *exploration) excuses(i, j int) bool {
	return slices.ContainsFunc(e.releases, func(r release) bool {
		return len(r.but) == 0 && (r.in == i && r.of == j || r.in == j && r.of == i)
	})
}

// candidate is one of a manifest.
type candidate struct {
	federation.Candidate
	manifest int
	digest   federation.Digest
	set      federation.Digest
}

// A node is one state of one honest custodian with what it has signed, and where each action
// leads. What it signed stays signed when its journal is lost.
type node struct {
	state  State
	signed signed
	joined int // bit per manifest that carries a Join of the journal that was lost
	shown  int // bit per manifest that it accepted
	steps  []step
}

// signed has a bit for each ready, send and burn, and for each pair of manifests whether
// it sent under the second though the first does not excuse it.
type signed struct{ ready, sent, burned, also uint32 }

func (a signed) covers(b signed) bool {
	return b.ready&^a.ready|b.sent&^a.sent|b.burned&^a.burned|b.also&^a.also == 0
}

// A step is possible when everything in needs can be shown.
type step struct {
	needs guard
	to    int
}

// guard has a bit for each manifest of which a certificate can be put together, for each
// candidate for which t are ready, and for each with t sends.
type guard struct{ burned, ready, opened uint32 }

func (g guard) within(h guard) bool {
	return g.burned&^h.burned|g.ready&^h.ready|g.opened&^h.opened == 0
}

// newExploration has one manifest for each list of sets. Set 0 has one hospital more than
// the charter's K; sets 1 and 2 are two different ones within it.
func newExploration(m, t, f int, manifests ...[]int) *exploration {
	k := max(3, f+2)
	e := &exploration{charter: testCharter(max(m, k+1), m, t, f), hostile: f, index: map[string]int{}}
	group := e.charter.Groups[0]
	sets := [][]federation.HospitalID{group[:k+1], group[:k], group[1 : k+1]}
	for i, list := range manifests {
		e.headers = append(e.headers, testHeader(e.charter, testPlan(), uint64(i+1)))
		e.names = append(e.names, federation.Sum([]byte(manifestName(i))))
		for _, set := range list {
			c := candidateOf(e.names[i], sets[set]...)
			e.candidates = append(e.candidates, candidate{c, i, c.Digest(), federation.SetDigest(c.Set())})
		}
	}
	return e
}

func manifestName(i int) string { return fmt.Sprintf("manifest %d", i) }

// normal is s without what does not tell states apart. Joins count 1 before a recovery and
// 2 after it; a manifest is shown right after its header was joined.
func (e *exploration) normal(s State) State {
	s.Live = Live{Manifest: s.Live.Manifest, Questions: s.Live.Questions, Base: s.Live.Base, Newest: s.Live.Newest}
	if s.Live.Manifest.IsZero() {
		s.Live = Live{}
	}
	s.Counter = min(s.Counter, s.Recovered+1)
	s.Memory = slices.Clone(s.Memory)
	for i := range s.Memory {
		s.Memory[i].Round, s.Memory[i].Questions = 0, e.headers[0].Questions
	}
	// Order counts for a recovery only: the manifest verified last stays last.
	if n := len(s.Memory); n > 0 {
		last := n - 1
		for last > 0 && s.Memory[last].Burned {
			last--
		}
		s.Memory = slices.Concat(s.Memory[:last], s.Memory[last+1:], s.Memory[last:last+1])
		slices.SortFunc(s.Memory[:n-1], func(a, b Memory) int { return slices.Compare(a.Manifest[:], b.Manifest[:]) })
	}
	return s
}

// add finds the number of a node.
func (e *exploration) add(n node) int {
	n.state = e.normal(n.state)
	key, err := json.Marshal(struct {
		Live               federation.Digest
		Memory             []Memory
		Counter, Recovered uint64
		Bits               []uint32
		Masks              []int
	}{n.state.Live.Manifest, n.state.Memory, n.state.Counter, n.state.Recovered,
		[]uint32{n.signed.ready, n.signed.sent, n.signed.burned, n.signed.also}, []int{n.joined, n.shown}})
	if err != nil {
		panic(err)
	}
	if i, ok := e.index[string(key)]; ok {
		return i
	}
	e.index[string(key)] = len(e.nodes)
	e.nodes = append(e.nodes, n)
	return len(e.nodes) - 1
}

func (e *exploration) step(from int, needs guard, n node) {
	n.steps = nil
	if to := e.add(n); to != from {
		e.nodes[from].steps = append(e.nodes[from].steps, step{needs, to})
	}
}

// explore finds every node.
func (e *exploration) explore(t testing.TB) {
	s := State{Self: e.charter.Custodians[0], Charter: e.charter, Seen: federation.TreeHead{Size: 1}}
	s = mustApply(t, s, Start(federation.Digest{}), nil)
	entries, err := TakeBase(s, Base{Version: e.headers[0].Version, Snapshot: e.headers[0].Base, Parameters: e.headers[0].Parameters})
	e.add(node{state: mustApply(t, s, entries, err)})
	first := 0
	for {
		for i := first; i < len(e.nodes); i++ {
			e.expand(t, i)
		}
		if !e.recoveries || first > 0 {
			return
		}
		first = len(e.nodes)
		e.recoverAll(t)
	}
}

func (e *exploration) expand(t testing.TB, i int) {
	for k := range e.names {
		for needs := range uint32(1) << len(e.names) {
			if needs&(1<<k) == 0 && (needs == 0 || !e.burnless) {
				e.show(t, i, k, needs)
			}
		}
		if !e.burnless {
			e.burn(t, i, k)
		}
	}
	for c := range e.candidates {
		e.ready(t, i, c)
		e.send(t, i, c)
		e.fail(t, i, c)
	}
	n := e.nodes[i]
	n.state = mustApply(t, n.state, Start(federation.Digest{}), nil)
	e.step(i, guard{}, n)
}

// show joins the header of manifest k and accepts the manifest with certificates.
func (e *exploration) show(t testing.TB, from, k int, certificates uint32) {
	n := e.nodes[from]
	if n.joined&(1<<k) != 0 { // it carries a Join of the journal that was lost
		return
	}
	s, _, err := joinAndAccept(t, n.state, e.headers[k], manifestName(k), func(m *federation.VerifiedManifest) {
		for i := range e.names {
			if certificates&(1<<i) != 0 {
				certify(e.charter, m, e.names[i])
			}
		}
		for _, r := range e.releases {
			if r.in == k {
				releasing(e.names[r.of], r.but...)(m)
			}
		}
	})
	if err == nil {
		n.state = s
		if e.recoveries {
			n.shown |= 1 << k
		}
		e.step(from, guard{burned: certificates}, n)
	}
}

// ready is asked beside the candidate that the custodian was ready for last.
func (e *exploration) ready(t testing.TB, from, c int) {
	n, x := e.nodes[from], e.candidates[c]
	m := testManifest(e.charter, e.headers[x.manifest], federation.Join{V: 1, Header: e.headers[x.manifest].Digest(), Hospital: n.state.Self}, manifestName(x.manifest))
	var before *federation.Candidate
	if memory, _ := n.state.Recall(m.Digest); len(memory.Readies) > 0 {
		last := memory.Readies[len(memory.Readies)-1].Candidate
		before = &e.candidates[slices.IndexFunc(e.candidates, func(b candidate) bool { return b.digest == last })].Candidate
	}
	if entries, err := BeReady(n.state, m, x.Candidate, before, shareSums); err == nil {
		n.state = mustApply(t, n.state, entries, nil)
		n.signed.ready |= 1 << c
		e.step(from, guard{}, n)
	}
}

func (e *exploration) send(t testing.TB, from, c int) {
	n, x := e.nodes[from], e.candidates[c]
	entries, err := SendFor(n.state, e.names[x.manifest], x.digest, federation.Sum([]byte("signed send")))
	if err != nil || entries == nil {
		return
	}
	for i, name := range e.names {
		first, _ := n.state.Recall(name)
		excused := first.HasSent() && first.Failed && first.Set == x.set || e.excuses(i, x.manifest)
		if i != x.manifest && !excused {
			n.signed.also |= 1 << (i*len(e.names) + x.manifest)
		}
	}
	n.state = mustApply(t, n.state, entries, nil)
	n.signed.sent |= 1 << c
	e.step(from, guard{ready: 1 << c}, n)
}

func (e *exploration) fail(t testing.TB, from, c int) {
	n, x := e.nodes[from], e.candidates[c]
	entries, err := NoGroupHeld(n.state, e.names[x.manifest], x.digest)
	n.state = mustApply(t, n.state, entries, err)
	e.step(from, guard{opened: 1 << c}, n)
}

func (e *exploration) burn(t testing.TB, from, k int) {
	n := e.nodes[from]
	joined := uint64(0)
	switch {
	case n.joined&(1<<k) != 0:
		joined = 1
	case n.shown&(1<<k) != 0:
		joined = n.state.Recovered + 1
	}
	if entries, err := BurnManifest(n.state, 1, e.names[k], joined); err == nil {
		n.state = mustApply(t, n.state, entries, nil)
		n.signed.burned |= 1 << k
		e.step(from, guard{}, n)
	}
}
