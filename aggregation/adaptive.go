package aggregation

import (
	"fmt"
	"math"
)

// Moment says how an adaptive rule follows the square of the change.
type Moment int

// The adaptive rules: v ← v + Δ² (Adagrad), v ← v − (1−β₂)Δ²·sign(v − Δ²) (Yogi),
// v ← β₂v + (1−β₂)Δ² (Adam).
const (
	Adagrad Moment = iota
	Yogi
	Adam
)

// Adaptive is FedAdagrad, FedYogi or FedAdam: Reddi and others, "Adaptive Federated
// Optimization" (2021), algorithm 2: m ← β₁m + (1−β₁)Δ, v as Moment says, and
// x ← x + ηm/(√v + τ), without a correction for the first rounds' bias.
type Adaptive struct {
	Moment       Moment
	LearningRate float64 // η
	Beta1        float64 // β₁, 0 ≤ β₁ < 1
	Beta2        float64 // β₂, 0 ≤ β₂ < 1; Adagrad has none
	Tau          float64 // τ > 0: the greater, the less adaptive
}

// FirstSecond is what v starts with: the paper wants at least τ². m starts at 0.
func (r Adaptive) FirstSecond() float32 { return float32(float64(r.Tau * r.Tau)) }

// Step advances parameters, first and second moments by one round, in place; delta is
// the mean change. A long vector may be handed in piece by piece. After an error nothing
// given is usable: ErrLength or ErrNotFinite.
func (r Adaptive) Step(params, first, second []float32, delta []float64) error {
	if len(first) != len(params) || len(second) != len(params) || len(delta) != len(params) {
		return fmt.Errorf("step %d parameters with %d and %d moments by %d changes: %w",
			len(params), len(first), len(second), len(delta), ErrLength)
	}
	for i, d := range delta {
		m := float64(float64(r.Beta1*float64(first[i])) + float64(float64(1-r.Beta1)*d))
		v := r.second(float64(second[i]), float64(d*d))
		step := float64(float64(r.LearningRate*m) / float64(math.Sqrt(v)+r.Tau))
		first[i], second[i] = float32(m), float32(v)
		params[i] = float32(float64(float64(params[i]) + step))
		if !finite(float64(params[i])) || !finite(float64(first[i])) || !finite(float64(second[i])) {
			return fmt.Errorf("parameter %d (change %v, moments %v and %v): %w", i, d, m, v, ErrNotFinite)
		}
	}
	return nil
}

// second returns the next v from the last one and the square of the change.
func (r Adaptive) second(v, square float64) float64 {
	rest := float64(1 - r.Beta2)
	switch r.Moment {
	case Adam:
		return float64(float64(r.Beta2*v) + float64(rest*square))
	case Yogi:
		switch {
		case v > square:
			return float64(v - float64(rest*square))
		case v < square:
			return float64(v + float64(rest*square))
		}
		return v
	}
	return float64(v + square)
}
