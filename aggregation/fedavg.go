package aggregation

import (
	"errors"
	"fmt"
	"math"
)

var (
	// ErrLength says that two vectors that belong together differ in length.
	ErrLength = errors.New("lengths differ")
	// ErrNotFinite says that a NaN or an infinity was met or would be published.
	ErrNotFinite = errors.New("value is not finite")
	// ErrNoWeight says that the weights of a cohort do not add up to more than 0.
	ErrNoWeight = errors.New("total weight is not above 0")
)

// FedAvg returns base + lr·weightedSum/weight, coordinate by coordinate, in a new
// vector. weightedSum is Σ wᵢ·deltaᵢ over the cohort and weight is Σ wᵢ; lr is the
// server's learning rate, 1 for plain federated averaging.
//
// Arithmetic is float64, rounded to float32 once at the end. Errors are ErrLength,
// ErrNoWeight and ErrNotFinite (any input, or a result beyond float32).
func FedAvg(base []float32, weightedSum []float64, weight float64, lr float64) ([]float32, error) {
	next := append([]float32{}, base...)
	if err := FedAvgInPlace(next, weightedSum, weight, lr); err != nil {
		return nil, err
	}
	return next, nil
}

// FedAvgInPlace is FedAvg that replaces the base by the result. A long vector may be
// handed in piece by piece. After an error params holds nothing usable.
func FedAvgInPlace(params []float32, weightedSum []float64, weight float64, lr float64) error {
	if len(params) != len(weightedSum) {
		return fmt.Errorf("average %d parameters with a sum of %d: %w", len(params), len(weightedSum), ErrLength)
	}
	if !finite(weight) || !finite(lr) {
		return fmt.Errorf("average with weight %v and learning rate %v: %w", weight, lr, ErrNotFinite)
	}
	if weight <= 0 {
		return fmt.Errorf("average with weight %v: %w", weight, ErrNoWeight)
	}
	for i, b := range params {
		step := float64(float64(lr*weightedSum[i]) / weight)
		params[i] = float32(float64(float64(b) + step))
		if !finite(float64(params[i])) {
			return fmt.Errorf("average parameter %d (base %v, sum %v): %w", i, b, weightedSum[i], ErrNotFinite)
		}
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
