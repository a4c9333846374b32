package fixedpoint

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRangeGivesTheSameInPieces: any cut of a vector quantises and dequantises to what
// the whole does.
func TestRangeGivesTheSameInPieces(t *testing.T) {
	f := Format{Bits: 16, Segments: []Segment{{Name: "a", Count: 3, Encoding: Signed, Clip: 2},
		{Name: "b", Count: 1, Encoding: Unit, Clip: 5}, {Name: "c", Count: 4, Encoding: Count}}}
	x := []float64{-3, 0.3, 1.7, 2.2, 1, 70000, 0, 9}
	whole := make([]uint32, len(x))
	if _, err := f.Quantise(whole, x, NewRounding([32]byte{1})); err != nil {
		t.Fatal(err)
	}
	sum, real := make([]uint64, len(x)), make([]float64, len(x))
	for i, v := range whole {
		sum[i] = 3 * uint64(v)
	}
	if err := f.Dequantise(real, sum, 3); err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(x); cut++ {
		pieces, opened := make([]uint32, len(x)), make([]float64, len(x))
		rounding := NewRounding([32]byte{1})
		for _, r := range [][2]int{{0, cut}, {cut, len(x)}} {
			part := f.Range(r[0], r[1])
			if err := part.Validate(); err != nil {
				t.Fatal(err)
			}
			if _, err := part.Quantise(pieces[r[0]:r[1]], x[r[0]:r[1]], rounding); err != nil {
				t.Fatal(err)
			}
			if err := part.Dequantise(opened[r[0]:r[1]], sum[r[0]:r[1]], 3); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(whole, pieces) + cmp.Diff(real, opened); diff != "" {
			t.Errorf("cut at %d: %s", cut, diff)
		}
	}
}
