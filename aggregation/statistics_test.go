package aggregation

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/stat"
)

// sumsOf is the naive twin of a statistics round over one feature.
func sumsOf(values []float64, r Range) []float64 {
	sums := make([]float64, SumsPerFeature)
	for _, v := range values {
		z := (v - r.Min) / (r.Max - r.Min)
		sums[0]++
		sums[1] += z
		sums[2] += z * z
	}
	return sums
}

func TestFromSumsAgreesWithTwoPasses(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ranges := []Range{{0, 1}, {-50, 300}, {1e4, 2e4}}
	var sums, means, sds []float64
	for _, r := range ranges {
		values := make([]float64, 2+rng.IntN(400))
		for i := range values {
			values[i] = r.Min + (r.Max-r.Min)*rng.Float64()
		}
		sums = append(sums, sumsOf(values, r)...)
		m, s := stat.MeanStdDev(values, nil)
		means, sds = append(means, m), append(sds, s)
	}
	got, err := FromSums(sums, ranges)
	if err != nil {
		t.Fatal(err)
	}
	for j := range ranges {
		if math.Abs(got.Mean[j]/means[j]-1) > 1e-12 || math.Abs(got.SD[j]/sds[j]-1) > 1e-10 {
			t.Errorf("feature %d: %v ± %v, want %v ± %v", j, got.Mean[j], got.SD[j], means[j], sds[j])
		}
	}
}

func TestFromSumsOfAwkwardFeatures(t *testing.T) {
	r := Range{Min: 100, Max: 300}
	for _, c := range []struct {
		name     string
		sums     []float64
		mean, sd float64
	}{
		{"constant", sumsOf([]float64{150, 150, 150}, r), 150, 1},
		{"nearly constant", sumsOf([]float64{150, 150.001, 150}, r), 150.00033333333334, 1},
		{"one record", sumsOf([]float64{180}, r), 180, 1},
		{"nobody", []float64{0, 0, 0}, 200, 1},
		{"rounded below zero", []float64{4, 2, 0.99999}, 200, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := FromSums(c.sums, []Range{r})
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got.Mean[0]-c.mean) > 1e-9 || got.SD[0] != c.sd {
				t.Errorf("%v ± %v, want %v ± %v", got.Mean[0], got.SD[0], c.mean, c.sd)
			}
			if err := got.Validate(1); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFromSumsRefuses(t *testing.T) {
	unit := []Range{{0, 1}}
	for _, c := range []struct {
		name   string
		sums   []float64
		ranges []Range
		err    error
	}{
		{"length", []float64{1, 2}, unit, ErrLength},
		{"nan", []float64{1, math.NaN(), 0}, unit, ErrNotFinite},
		{"infinity", []float64{math.Inf(1), 1, 0}, unit, ErrNotFinite},
		{"overflow", []float64{1, 1e300, 0}, []Range{{0, 1e300}}, ErrNotFinite},
		{"range", []float64{1, 1, 1}, []Range{{1, 1}}, nil},
	} {
		_, err := FromSums(c.sums, c.ranges)
		if err == nil || (c.err != nil && !errors.Is(err, c.err)) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
	}
}

// The bits are part of every snapshot: a change here changes every model's digest.
func TestFromSumsBitsAreFixed(t *testing.T) {
	got, err := FromSums([]float64{486.25, 201.3, 97.7, 30, 7.1, 2.9}, []Range{{18, 100}, {-2.6, 6.2}})
	if err != nil {
		t.Fatal(err)
	}
	var bits []uint64
	for _, v := range append(got.Mean, got.SD...) {
		bits = append(bits, math.Float64bits(v))
	}
	want := []uint64{0x4049f92e9ea0bbd9, 0xbfe08dfea27983c0, 0x402c37943086a1b0, 0x3ffce009c3095bab}
	if diff := cmp.Diff(want, bits); diff != "" {
		t.Errorf("%#x\n%s", bits, diff)
	}
}

func TestApply(t *testing.T) {
	n := Normalisation{Mean: []float64{50, 0}, SD: []float64{10, 1}}
	got, err := n.Apply([]float64{60, 3, math.NaN(), -1})
	if err != nil {
		t.Fatal(err)
	}
	sd := n.SD // variables: constant expressions would be computed exactly
	want := []float64{10 / (sd[0] + 1e-9), 3 / (sd[1] + 1e-9), 0, -1 / (sd[1] + 1e-9)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, x := range [][]float64{{1}, {1, 2, 3}} {
		if _, err := n.Apply(x); !errors.Is(err, ErrLength) {
			t.Errorf("%d values: error %v, want %v", len(x), err, ErrLength)
		}
	}
	if _, err := (Normalisation{}).Apply([]float64{1}); !errors.Is(err, ErrLength) {
		t.Errorf("no columns: error %v, want %v", err, ErrLength)
	}
}

func TestNormalisationValidate(t *testing.T) {
	for _, n := range []Normalisation{
		{Mean: []float64{1}, SD: nil},
		{Mean: []float64{math.NaN()}, SD: []float64{1}},
		{Mean: []float64{1}, SD: []float64{0}},
		{Mean: []float64{1}, SD: []float64{math.Inf(1)}},
	} {
		if n.Validate(1) == nil {
			t.Errorf("%+v is valid", n)
		}
	}
}
