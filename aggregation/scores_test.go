package aggregation

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pairsAUC is the naive twin: it looks at every pair.
func pairsAUC(labels, scores []float64) (float64, bool) {
	var won, pairs float64
	for i := range labels {
		for j := range labels {
			if labels[i] != 1 || labels[j] != 0 {
				continue
			}
			pairs++
			switch {
			case scores[i] > scores[j]:
				won++
			case scores[i] == scores[j]:
				won += 0.5
			}
		}
	}
	return won / pairs, pairs > 0
}

func TestAUCAgreesWithPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		n := rng.IntN(40)
		labels, scores := make([]float64, n), make([]float64, n)
		for i := range n {
			labels[i] = float64(rng.IntN(2))
			scores[i] = float64(rng.IntN(8)) / 8 // many ties
		}
		want, wantOK := pairsAUC(labels, scores)
		got, ok := AUC(labels, scores)
		if ok != wantOK || (ok && got != want) {
			t.Fatalf("%v %v: %v %t, want %v %t", labels, scores, got, ok, want, wantOK)
		}
		h, err := NewHistogram(labels, scores)
		if err != nil {
			t.Fatal(err)
		}
		got, ok = HistogramAUC(h.Positive[:], h.Negative[:])
		if ok != wantOK || (ok && math.Abs(got-want) > 1e-12) {
			t.Fatalf("histogram of %v %v: %v %t, want %v %t", labels, scores, got, ok, want, wantOK)
		}
	}
}

func TestAUCIsUndefined(t *testing.T) {
	for _, c := range [][2][]float64{
		{nil, nil},
		{{1, 1}, {0.2, 0.3}},
		{{0, 0}, {0.2, 0.3}},
		{{0, 1}, {0.2, math.NaN()}},
		{{0, 1}, {0.2}},
	} {
		if got, ok := AUC(c[0], c[1]); ok {
			t.Errorf("labels %v, scores %v: %v", c[0], c[1], got)
		}
	}
}

func TestHistogramBins(t *testing.T) {
	h, err := NewHistogram([]float64{1, 0, 1, 0}, []float64{0, 1, 0.5, 1023.5 / 1024})
	if err != nil {
		t.Fatal(err)
	}
	var want Histogram
	want.Positive[0], want.Positive[512], want.Negative[1023] = 1, 1, 2
	if diff := cmp.Diff(&want, h); diff != "" {
		t.Error(diff)
	}
	for _, s := range []float64{-1e-9, 1.0001, math.NaN(), math.Inf(1)} {
		if _, err := NewHistogram([]float64{1}, []float64{s}); err == nil {
			t.Errorf("score %v was counted", s)
		}
	}
	if _, err := NewHistogram([]float64{1}, nil); !errors.Is(err, ErrLength) {
		t.Errorf("error %v, want %v", err, ErrLength)
	}
}

func TestHistogramAUCOfOddCounts(t *testing.T) {
	if got, ok := HistogramAUC([]float64{-0.5, 2}, []float64{4, -1}); !ok || got != 1 {
		t.Errorf("negative counts: %v %t, want 1", got, ok)
	}
	for _, c := range [][2][]float64{
		{{1}, {1, 2}},
		{{0, 0}, {1, 2}},
		{{math.NaN(), 1}, {1, 2}},
		{{1, 1}, {1, math.Inf(1)}},
	} {
		if got, ok := HistogramAUC(c[0], c[1]); ok {
			t.Errorf("%v: %v", c, got)
		}
	}
}

func TestConfusion(t *testing.T) {
	got, err := NewConfusion([]float64{1, 1, 0, 0, 1}, []float64{0.5, 0.4999, 0.5, 0.1, 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Confusion{TP: 2, FP: 1, TN: 1, FN: 1}, got); diff != "" {
		t.Error(diff)
	}
	if share, ok := got.Accuracy(); !ok || share != 0.6 {
		t.Errorf("accuracy %v %t, want 0.6", share, ok)
	}
	if _, ok := (Confusion{}).Accuracy(); ok {
		t.Error("accuracy of nothing is defined")
	}
	if _, err := NewConfusion([]float64{1}, nil); !errors.Is(err, ErrLength) {
		t.Errorf("error %v, want %v", err, ErrLength)
	}
}

// TestMacroAUC: the mean of what each label has, of those that have both classes.
func TestMacroAUC(t *testing.T) {
	labels := []float64{1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1}
	scores := []float64{0.9, 0.2, 0.5, 0.4, 0.1, 0.5, 0.3, 0.8, 0.5, 0.8, 0.7, 0.5}
	want := 0.0
	for k := range 2 {
		one, ok := AUC(Every(labels, k, 3), Every(scores, k, 3))
		if !ok {
			t.Fatal("choose other labels")
		}
		want += one / 2
	}
	if got, ok := MacroAUC(labels, scores, 3); !ok || got != want { // the third label is always 1
		t.Errorf("%v, %v; want %v", got, ok, want)
	}
	one, _ := AUC(labels, scores)
	if got, ok := MacroAUC(labels, scores, 1); !ok || got != one {
		t.Errorf("of one label %v, %v; want %v", got, ok, one)
	}
	for name, ok := range map[string]bool{
		"no label": second(MacroAUC(labels, scores, 0)), "ragged": second(MacroAUC(labels, scores, 5)), "lengths": second(MacroAUC(labels, scores[1:], 1)),
		"one class": second(MacroAUC([]float64{1, 0}, []float64{1, 0}, 2)),
	} {
		if ok {
			t.Errorf("%s has an AUC", name)
		}
	}
}

func second(_ float64, ok bool) bool { return ok }
