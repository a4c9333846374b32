package aggregation

import "fmt"

// Mean divides sums by their weight, in place: Σwᵢ·xᵢ becomes the weighted mean. Errors
// are ErrNoWeight and ErrNotFinite, after which sums are not usable.
func Mean(sums []float64, weight float64) error {
	if !finite(weight) {
		return fmt.Errorf("mean of weight %v: %w", weight, ErrNotFinite)
	}
	if weight <= 0 {
		return fmt.Errorf("mean of weight %v: %w", weight, ErrNoWeight)
	}
	for i, s := range sums {
		sums[i] = float64(s / weight)
		if !finite(sums[i]) {
			return fmt.Errorf("mean %d of sum %v: %w", i, s, ErrNotFinite)
		}
	}
	return nil
}
