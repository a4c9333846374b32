package participant

import "slices"

// fold leaves out what is no better for the adversary than something else. A node simulates
// another when it has signed all that the other has and every step of the other leads to a
// node that it, or a step of it that needs no more, leads to a node that simulates that one.
// All that the adversary counts only grows with what is signed. So a node from which a step
// that needs nothing leads to one that simulates it is that one: the adversary goes there at
// once; nodes that simulate each other are one; and a step is left out beside one that
// needs no more and leads to a node that simulates where it leads. The first of the nodes
// returned is where a custodian begins.
func (e *exploration) fold() []node {
	sim := e.simulation()
	kept := map[int]int{}
	var folded []node
	var visit func(i int) int
	visit = func(i int) int {
		i = e.best(sim, i)
		if to, ok := kept[i]; ok {
			return to
		}
		to := len(folded)
		kept[i] = to
		folded = append(folded, node{state: e.nodes[i].state, signed: e.nodes[i].signed})
		var steps []step
		for _, s := range e.bestSteps(sim, i) {
			steps = append(steps, step{s.needs, visit(s.to)})
		}
		folded[to].steps = steps
		return to
	}
	visit(0)
	return folded
}

// nodeSet is a set of nodes.
type nodeSet []uint64

func (b nodeSet) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

// simulation lists for each node those that simulate it.
func (e *exploration) simulation() []nodeSet {
	n := len(e.nodes)
	sim := make([]nodeSet, n)
	for b := range sim {
		sim[b] = make(nodeSet, n/64+1)
		for a := range e.nodes {
			if e.nodes[a].signed.covers(e.nodes[b].signed) {
				sim[b][a/64] |= 1 << (a % 64)
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for b := n - 1; b >= 0; b-- {
			for a := range e.nodes {
				if sim[b].has(a) && a != b && !e.follows(sim, a, b) {
					sim[b][a/64] &^= 1 << (a % 64)
					changed = true
				}
			}
		}
	}
	return sim
}

// follows reports whether a has an answer to every step of b.
func (e *exploration) follows(sim []nodeSet, a, b int) bool {
	for _, s := range e.nodes[b].steps {
		if !sim[s.to].has(a) && !slices.ContainsFunc(e.nodes[a].steps, func(x step) bool {
			return x.needs.within(s.needs) && sim[s.to].has(x.to)
		}) {
			return false
		}
	}
	return true
}

// best is where the adversary takes a node at once, and the first of its equals.
func (e *exploration) best(sim []nodeSet, i int) int {
	for moved := true; moved; {
		moved = false
		for _, s := range e.nodes[i].steps {
			if s.needs == (guard{}) && sim[i].has(s.to) && !sim[s.to].has(i) {
				i, moved = s.to, true
				break
			}
		}
	}
	for a := range i {
		if sim[i].has(a) && sim[a].has(i) {
			return a
		}
	}
	return i
}

// bestSteps are the steps of a node but for those that another one is as good as.
func (e *exploration) bestSteps(sim []nodeSet, i int) []step {
	var all []step
	for _, s := range e.nodes[i].steps {
		s.to = e.best(sim, s.to)
		if !sim[s.to].has(i) && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	var kept []step
	for j, s := range all {
		if !slices.ContainsFunc(all[:j], func(x step) bool { return x.needs.within(s.needs) && sim[s.to].has(x.to) }) &&
			!slices.ContainsFunc(all[j+1:], func(x step) bool {
				return x.needs.within(s.needs) && sim[s.to].has(x.to) && !(s.needs.within(x.needs) && sim[x.to].has(s.to))
			}) {
			kept = append(kept, s)
		}
	}
	return kept
}
