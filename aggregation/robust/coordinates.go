package robust

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

var (
	// ErrGroups says that there are too few groups for what is asked.
	ErrGroups = errors.New("too few groups")
	// ErrShape says that vectors that belong together differ in length.
	ErrShape = errors.New("lengths differ")
	// ErrNotFinite says that a NaN or an infinity was met.
	ErrNotFinite = errors.New("value is not finite")
)

// TrimmedMean writes into dst, coordinate by coordinate, the mean of what remains when
// the trim smallest and the trim greatest values are left out. points has one vector a
// group, each as long as dst. Errors are ErrGroups (2·trim or fewer), ErrShape and
// ErrNotFinite.
func TrimmedMean(dst []float64, points [][]float64, trim int) error {
	if trim < 0 || len(points) <= 2*trim {
		return fmt.Errorf("trimmed mean of %d groups without %d at each end: %w", len(points), trim, ErrGroups)
	}
	return coordinates(dst, points, func(sorted []float64) float64 {
		kept := sorted[trim : len(sorted)-trim]
		var sum float64
		for _, v := range kept {
			sum = float64(sum + v)
		}
		return float64(sum / float64(len(kept)))
	})
}

// Median writes into dst the median of each coordinate: of an even number of groups the
// mean of the two in the middle. Arguments and errors are those of TrimmedMean.
func Median(dst []float64, points [][]float64) error {
	if len(points) == 0 {
		return fmt.Errorf("median of no group: %w", ErrGroups)
	}
	return TrimmedMean(dst, points, (len(points)-1)/2)
}

// coordinates applies f to the values of each coordinate in rising order.
func coordinates(dst []float64, points [][]float64, f func(sorted []float64) float64) error {
	if err := check(points, len(dst)); err != nil {
		return err
	}
	column := make([]float64, len(points))
	for i := range dst {
		for g, p := range points {
			column[g] = p[i] + 0 // −0 is 0: their order would not be fixed
		}
		slices.Sort(column)
		dst[i] = f(column)
	}
	return nil
}

func check(points [][]float64, n int) error {
	for g, p := range points {
		if len(p) != n {
			return fmt.Errorf("group %d has %d values, not %d: %w", g, len(p), n, ErrShape)
		}
		for i, v := range p {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("value %d of group %d is %v: %w", i, g, v, ErrNotFinite)
			}
		}
	}
	return nil
}
