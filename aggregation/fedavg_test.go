package aggregation

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFedAvg(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		name   string
		base   []float32
		sum    []float64
		weight float64
		lr     float64
		want   []float32
		err    error
	}{
		{"mean", []float32{1, 2}, []float64{30, -10}, 10, 1, []float32{4, 1}, nil},
		{"server rate", []float32{1, 2}, []float64{30, -10}, 10, 0.5, []float32{2.5, 1.5}, nil},
		{"no parameters", nil, nil, 1, 1, []float32{}, nil},
		{"length", []float32{1}, []float64{1, 2}, 1, 1, nil, ErrLength},
		{"no weight", []float32{1}, []float64{1}, 0, 1, nil, ErrNoWeight},
		{"negative weight", []float32{1}, []float64{1}, -3, 1, nil, ErrNoWeight},
		{"nan weight", []float32{1}, []float64{1}, nan, 1, nil, ErrNotFinite},
		{"infinite weight", []float32{1}, []float64{1}, inf, 1, nil, ErrNotFinite},
		{"nan rate", []float32{1}, []float64{1}, 1, nan, nil, ErrNotFinite},
		{"nan sum", []float32{1}, []float64{nan}, 1, 1, nil, ErrNotFinite},
		{"infinite base", []float32{float32(inf)}, []float64{1}, 1, 1, nil, ErrNotFinite},
		{"beyond float32", []float32{0}, []float64{1e39}, 1, 1, nil, ErrNotFinite},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := FedAvg(c.base, c.sum, c.weight, c.lr)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFedAvgLeavesItsInputsAlone(t *testing.T) {
	base, sum := []float32{1, 2}, []float64{3, 4}
	if _, err := FedAvg(base, sum, 2, 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{1, 2}, base); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{3, 4}, sum); diff != "" {
		t.Error(diff)
	}
}
