package coordinator

import (
	"testing"

	"atrium/coordinator/federation"
)

func TestAtHandIsBoundedAndOfOneRound(t *testing.T) {
	var h atHand
	first, second := federation.Sum([]byte("first")), federation.Sum([]byte("second"))
	a, b, c := federation.Sum([]byte("a")), federation.Sum([]byte("b")), federation.Sum([]byte("c"))
	large := make([]byte, maxAtHand-1)
	if !h.put(first, a, large) || h.put(first, a, large) {
		t.Error("a segment is taken once")
	}
	if h.put(first, b, []byte("xy")) || !h.put(first, c, []byte("x")) {
		t.Error("the bound does not hold")
	}
	if len(h.get(a)) != len(large) || h.get(b) != nil || string(h.get(c)) != "x" {
		t.Error("another segment is at hand than was taken")
	}
	if !h.put(second, b, large) || h.get(a) != nil || h.get(c) != nil {
		t.Error("segments of the round before are still at hand")
	}
	h.clear()
	if h.get(b) != nil || !h.put(second, b, large) {
		t.Error("what was let go is at hand, or still counted")
	}
}
