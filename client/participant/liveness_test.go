package participant

import (
	"math/bits"
	"testing"
)

// TestNothingIsStuckButAsSaid takes honest custodians through every combination of one
// manifest with two nested candidates, restarts and burns, and lets the f hostile ones fall
// silent there, having been ready for everything. A candidate that t were ready for then gets
// t sends, or its manifest a certificate, from the honest alone; but where some honest
// custodian has sent, and others cannot: the cases of the package comment.
func TestNothingIsStuckButAsSaid(t *testing.T) {
	e := newExploration(5, 4, 1, []int{0, 1})
	e.explore(t)
	for _, n := range []numbers{{3, 3, 1}, {4, 3, 1}, {5, 4, 1}, {7, 5, 2}} {
		x := e.with(n, 0)
		stuck, split, all := 0, 0, 0
		x.visit(e.nodes, func(at []int) bool {
			for c := range e.candidates {
				if x.available(e.nodes, at).ready&(1<<c) == 0 {
					continue
				}
				all++
				end := e.ends(at, c)
				if end.senders >= n.t || end.burners >= x.charter.BurnQuorum() {
					continue
				}
				stuck++
				if end.elsewhere > 0 {
					split++
				}
				if end.sent+end.elsewhere == 0 {
					t.Errorf("m=%d t=%d f=%d: nobody sent and nothing goes on:%s", n.m, n.t, n.f, e.describe(e.nodes, at))
				}
				if honest := n.m - n.f; end.senders == honest && honest >= n.t {
					t.Errorf("m=%d t=%d f=%d: everyone can send and it is stuck:%s", n.m, n.t, n.f, e.describe(e.nodes, at))
				}
			}
			return false
		})
		t.Logf("m=%d t=%d f=%d: %d of %d candidates that t were ready for are stuck, %d of them beside sends for another candidate", n.m, n.t, n.f, stuck, all, split)
		if stuck == 0 || stuck == all {
			t.Errorf("m=%d t=%d f=%d: %d of %d stuck: the check cannot tell", n.m, n.t, n.f, stuck, all)
		}
	}
}

// ends counts what honest custodians can still do about a candidate.
type ends struct{ senders, burners, sent, elsewhere int }

func (e *exploration) ends(at []int, c int) (n ends) {
	x := e.candidates[c]
	for _, i := range at {
		s := e.nodes[i]
		if MaySend(s.state, e.names[x.manifest], x.digest) == nil {
			n.senders++
		}
		if _, err := BurnManifest(s.state, 1, e.names[x.manifest], 0); err == nil {
			n.burners++
		}
		if s.signed.sent&(1<<c) != 0 {
			n.sent++
		} else {
			n.elsewhere += bits.OnesCount32(s.signed.sent)
		}
	}
	return n
}
