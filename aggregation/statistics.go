package aggregation

import (
	"fmt"
	"math"
)

// SumsPerFeature is how many sums a statistics round has for each feature:
// n, Σz and Σz².
const SumsPerFeature = 3

// Below constantSD (in units of the plausible range) a feature counts as constant;
// sdFloor keeps a division finite and is part of the published preprocessing.
const (
	constantSD = 1e-4
	sdFloor    = 1e-9
)

// Range is the plausible range of a feature, in its own unit; Min < Max.
type Range struct{ Min, Max float64 }

// Normalisation is the preprocessing of a model version: mean and standard deviation
// of each feature over the federation, in plan order and in the feature's own unit.
type Normalisation struct {
	Mean []float64 `json:"mean"`
	SD   []float64 `json:"sd"`
}

// FromSums derives the preprocessing from the cohort's sums. sums holds for each
// range, in order, [n, Σz, Σz²] with z = (clamp(x)−Min)/(Max−Min) over the values that
// were measured; n may be fractional, because hospitals above the weight cap scale
// their sums. The deviation has n−1 in its denominator.
//
// A feature that is (nearly) constant, or that fewer than two records measured, gets
// deviation 1; one that nobody measured gets the middle of its range as mean.
// Errors are ErrLength and ErrNotFinite; a bad range is an error too.
func FromSums(sums []float64, ranges []Range) (Normalisation, error) {
	if len(sums) != SumsPerFeature*len(ranges) {
		return Normalisation{}, fmt.Errorf("normalise %d features with %d sums: %w", len(ranges), len(sums), ErrLength)
	}
	out := Normalisation{Mean: make([]float64, len(ranges)), SD: make([]float64, len(ranges))}
	for j, r := range ranges {
		n, s, q := sums[3*j], sums[3*j+1], sums[3*j+2]
		if !finite(n) || !finite(s) || !finite(q) {
			return Normalisation{}, fmt.Errorf("normalise feature %d from sums %v, %v, %v: %w", j, n, s, q, ErrNotFinite)
		}
		if !(r.Min < r.Max) || !finite(r.Max-r.Min) {
			return Normalisation{}, fmt.Errorf("normalise feature %d: range %v to %v is empty or not finite", j, r.Min, r.Max)
		}
		mean, sd := moments(n, s, q)
		width := float64(r.Max - r.Min)
		out.Mean[j] = float64(r.Min + float64(mean*width))
		out.SD[j] = 1
		if sd >= constantSD {
			out.SD[j] = float64(sd * width)
		}
		if !finite(out.Mean[j]) || !finite(out.SD[j]) {
			return Normalisation{}, fmt.Errorf("normalise feature %d to mean %v, sd %v: %w", j, out.Mean[j], out.SD[j], ErrNotFinite)
		}
	}
	return out, nil
}

// moments returns mean and n−1 deviation of z; deviation 0 stands for constant. Sums
// that were rounded on their way may make a variance slightly negative: 0 too.
func moments(n, s, q float64) (mean, sd float64) {
	if n < 0.5 {
		return 0.5, 0
	}
	mean = float64(s / n)
	if n < 2 {
		return mean, 0
	}
	variance := float64(float64(q-float64(s*mean)) / float64(n-1))
	if variance <= 0 {
		return mean, 0
	}
	return mean, math.Sqrt(variance)
}

// Validate checks that n preprocesses exactly features columns: lengths, finite
// numbers, deviations above 0.
func (n Normalisation) Validate(features int) error {
	if len(n.Mean) != features || len(n.SD) != features {
		return fmt.Errorf("normalisation of %d means and %d deviations for %d features: %w", len(n.Mean), len(n.SD), features, ErrLength)
	}
	for j := range n.Mean {
		if !finite(n.Mean[j]) || !finite(n.SD[j]) || n.SD[j] <= 0 {
			return fmt.Errorf("normalisation of feature %d: mean %v, sd %v", j, n.Mean[j], n.SD[j])
		}
	}
	return nil
}

// Apply returns (x−mean)/(sd+1e-9) of row-major records, len(n.Mean) columns each, in
// a new slice; NaN, a missing value, becomes 0, the federation's mean. Values outside
// the plausible range are used as they are. The error is ErrLength.
func (n Normalisation) Apply(x []float64) ([]float64, error) {
	cols := len(n.Mean)
	if len(n.SD) != cols || (cols == 0 && len(x) > 0) || (cols > 0 && len(x)%cols != 0) {
		return nil, fmt.Errorf("normalise %d values in rows of %d: %w", len(x), cols, ErrLength)
	}
	out := make([]float64, len(x))
	for i, v := range x {
		if math.IsNaN(v) {
			continue
		}
		j := i % cols
		out[i] = float64(float64(v-n.Mean[j]) / float64(n.SD[j]+sdFloor))
	}
	return out, nil
}
