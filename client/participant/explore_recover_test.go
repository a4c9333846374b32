package participant

import (
	"slices"
	"testing"

	"atrium/coordinator/federation"
)

// recoverAll lets every node lose its journal but for any part that it had before, and
// recover. The log has each manifest that carries a Join of its, and readies of t custodians
// for what it sent for, or it would not have sent; the coordinator can withhold the Send. So
// it takes up, for each manifest that the older journal does not know, some candidate that t
// were ready for, and it may be told of any other Send too.
func (e *exploration) recoverAll(t testing.TB) {
	for older, reached := range e.reachable() {
		for newer := range reached {
			if reached[newer] {
				e.recover(t, newer, older)
			}
		}
	}
}

// reachable tells for each node which others its steps lead to, itself included.
func (e *exploration) reachable() [][]bool {
	list := make([][]bool, len(e.nodes))
	for i := range list {
		list[i] = make([]bool, len(e.nodes))
		stack := []int{i}
		list[i][i] = true
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, s := range e.nodes[at].steps {
				if !list[i][s.to] {
					list[i][s.to] = true
					stack = append(stack, s.to)
				}
			}
		}
	}
	return list
}

func (e *exploration) recover(t testing.TB, newer, older int) {
	n := e.nodes[newer]
	before := e.nodes[older].state
	n.joined = n.shown | int(n.signed.burned) // what was burned was made, with the Joins of that time
	before = mustApply(t, before, Start(federation.Digest{}), nil)
	var told []Recall
	for c, x := range e.candidates {
		if n.signed.sent&(1<<c) != 0 {
			told = append(told, e.recall(x))
		}
	}
	withheld := slices.DeleteFunc(slices.Clone(told), func(r Recall) bool {
		_, known := before.Recall(r.Manifest)
		return known
	})
	e.recoverWith(t, newer, n, before, guard{}, told)
	e.recoverWith(t, newer, n, before, guard{}, withheld)
	for i, r := range withheld { // another candidate of the same manifest, which t were ready for
		for c, x := range e.candidates {
			if e.names[x.manifest] == r.Manifest && x.digest != r.Candidate {
				lie := slices.Clone(withheld)
				lie[i] = e.recall(x)
				e.recoverWith(t, newer, n, before, guard{ready: 1 << c}, lie)
			}
		}
	}
}

func (e *exploration) recall(x candidate) Recall {
	return Recall{Manifest: e.names[x.manifest], Questions: e.headers[0].Questions, Message: federation.Sum([]byte("signed send")), Candidate: x.digest, Set: x.set}
}

func (e *exploration) recoverWith(t testing.TB, from int, n node, before State, needs guard, recalled []Recall) {
	entries, err := Recover(before, before.Recovered+1, recalled)
	n.state = mustApply(t, before, entries, err)
	e.step(from, needs, n)
}
