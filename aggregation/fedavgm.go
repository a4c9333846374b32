package aggregation

import "fmt"

// FedAvgM is federated averaging with momentum at the server: Hsu, Qi and Brown,
// "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
// Classification" (2019), v ← βv + Δ and x ← x + ηv with Δ the mean change.
type FedAvgM struct {
	LearningRate float64 // η
	Momentum     float64 // β, 0 ≤ β < 1; 0 is FedAvg
}

// Step advances parameters and their momentum by one round, in place; delta is the mean
// change. Momentum starts at 0. A long vector may be handed in piece by piece. After an
// error nothing given is usable: ErrLength or ErrNotFinite.
func (r FedAvgM) Step(params, momentum []float32, delta []float64) error {
	if len(momentum) != len(params) || len(delta) != len(params) {
		return fmt.Errorf("step %d parameters with %d of momentum by %d changes: %w", len(params), len(momentum), len(delta), ErrLength)
	}
	for i, d := range delta {
		v := float64(float64(r.Momentum*float64(momentum[i])) + d)
		momentum[i] = float32(v)
		params[i] = float32(float64(float64(params[i]) + float64(r.LearningRate*v)))
		if !finite(float64(params[i])) || !finite(float64(momentum[i])) {
			return fmt.Errorf("parameter %d (change %v, momentum %v): %w", i, d, v, ErrNotFinite)
		}
	}
	return nil
}
