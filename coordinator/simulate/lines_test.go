package simulate

import (
	"math"
	"testing"
)

func TestMeanAUC(t *testing.T) {
	y := []float64{1, 0, 0, 0, 1, 0}
	for _, c := range []struct {
		labels int
		scores []float64
		want   float64
	}{
		{1, []float64{0.9, 0.5, 0.2, 0.4, 0.7, 0.9}, 6.5 / 8},
		{2, []float64{0.9, 0.5, 0.2, 0.4, 0.1, 0.9}, 0.5}, // 1 0 1 of the first; the second has a single class
		{3, []float64{0.9, 0.5, 0.2, 0.4, 0.3, 0.9}, 0.5}, // 1 and 0; the third has a single class
	} {
		if got := meanAUC(y, c.scores, c.labels); got == nil || math.Abs(*got-c.want) > 1e-9 {
			t.Errorf("%d labels: %v, want %v", c.labels, got, c.want)
		}
	}
	if got := meanAUC([]float64{1, 1}, []float64{0, 1}, 1); got != nil {
		t.Errorf("a single class has AUC %v", *got)
	}
}
