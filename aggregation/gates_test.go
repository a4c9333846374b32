package aggregation

import (
	"errors"
	"testing"
)

// TestGates: at their bounds sums pass, one step beyond them they do not.
func TestGates(t *testing.T) {
	scores := func(c Confusion, least float64, positives, negatives []float64) error {
		_, err := CheckScores("y", c, positives, negatives, least)
		return err
	}
	whole := Confusion{TP: 3, FP: 1, TN: 4, FN: 2}
	for _, c := range []struct {
		name string
		gate string // empty: it passes
		err  error
	}{
		{"weight", "", CheckWeight(30, 30, 30)},
		{"least weight", "", CheckWeight(30, 30, 3000)},
		{"too little weight", GateWeight, CheckWeight(29, 30, 3000)},
		{"too much weight", GateWeight, CheckWeight(3001, 30, 3000)},

		{"at the clip", "", CheckMean("w", -16386, 16386, MeanBound(32767, 0.5, 3))},
		{"beyond it", GateMean, CheckMean("w", 0, 16387, MeanBound(32767, 0.5, 3))},
		{"below it", GateMean, CheckMean("w", -16387, 0, MeanBound(32767, 0.5, 3))},

		{"all saturated", "", CheckSaturated("w", 30, 30)},
		{"more", GateSaturated, CheckSaturated("w", 31, 30)},

		{"effort", "", CheckEffort([]float64{0, 10}, 8, 1, 10, 10, 3)},
		{"effort, rounded", "", CheckEffort([]float64{253, 9}, 8, 1, 10, 10, 3)},
		{"too little effort", GateEffort, CheckEffort([]float64{252, 9}, 8, 1, 10, 10, 3)},
		{"too much effort", GateEffort, CheckEffort([]float64{4, 10}, 8, 1, 10, 10, 3)},

		{"moments of 0", "", CheckMoments("x", 1000, 0, 0, 1000, 1000, 3)},
		{"moments of 1", "", CheckMoments("x", 1000, 1000, 1000, 0, 3000, 3)},
		{"moments, rounded", "", CheckMoments("x", 1000, 1003, 1006, 0, 3000, 3)},
		{"constant", "", CheckMoments("x", 1000, 500, 250, 0, 3000, 3)},
		{"variance below 0", GateMoments, CheckMoments("x", 1000, 500, 240, 0, 3000, 3)},
		{"sum above n", GateMoments, CheckMoments("x", 1000, 1007, 1007, 0, 3000, 3)},
		{"squares above the sum", GateMoments, CheckMoments("x", 1000, 300, 307, 0, 3000, 3)},
		{"n too small", GateMoments, CheckMoments("x", 1000, 0, 0, 1004, 3000, 3)},
		{"n too large", GateMoments, CheckMoments("x", 3004, 0, 0, 0, 3000, 3)},

		{"scores", "", scores(whole, 10, []float64{2, 0, 3, 0}, []float64{0, 4, 0, 1})},
		{"a score on the other side", GateScores, scores(whole, 10, []float64{2, 1, 2, 0}, []float64{0, 4, 0, 1})},
		{"another class", GateScores, scores(whole, 10, []float64{2, 0, 3, 0}, []float64{0, 4, 0, 2})},
		{"few scores", GateScores, scores(whole, 11, []float64{2, 0, 3, 0}, []float64{0, 4, 0, 1})},
	} {
		gate := (*GateError)(nil)
		switch ok := errors.As(c.err, &gate); {
		case c.gate == "" && c.err != nil:
			t.Errorf("%s: %v", c.name, c.err)
		case c.gate != "" && (!ok || gate.Gate != c.gate || !errors.Is(c.err, ErrGate)):
			t.Errorf("%s: %v, want gate %s", c.name, c.err, c.gate)
		}
	}
}
