package aggregation

import (
	"errors"
	"fmt"
)

// FedNova: Wang, Liu, Liang, Joshi and Poor, "Tackling the Objective Inconsistency
// Problem in Heterogeneous Federated Optimization" (2020). Hospital i changes its
// parameters by Δᵢ with steps whose gradients enter with coefficients aᵢ. The server
// takes τ · Σ pᵢ·Δᵢ/‖aᵢ‖₁ with pᵢ = wᵢ/Σw and τ = Σ pᵢ·‖aᵢ‖₁ (section 5), so that a
// hospital that took more steps does not pull harder.

// EffortUnit is what one coefficient of 1 and weight 1 count in an effort.
const EffortUnit = 256

// maxEffort bounds one hospital's effort: 2²⁰ records times 2²⁰ steps.
const maxEffort = 1 << 48

// ErrEffort says that a hospital took more steps than can be counted.
var ErrEffort = errors.New("effort is out of range")

// EffectiveSteps is ‖a‖₁ of local descent: steps for plain gradient descent; with a
// proximal term (1−(1−α)^steps)/α, α = learning rate · μ; with momentum ρ instead
// [steps − ρ(1−ρ^steps)/(1−ρ)]/(1−ρ), since a gradient enters with 1 + ρ + ρ² and so on
// (section 4.1 of the paper). α at or above 1, where the term would make steps
// oscillate, counts as 1. With both, a is not positive any more, and nothing is defined.
func EffectiveSteps(steps int, alpha, momentum float64) float64 {
	if momentum > 0 {
		sum, enters := 0.0, 0.0
		for range steps {
			enters = float64(float64(momentum*enters) + 1)
			sum = float64(sum + enters)
		}
		return sum
	}
	if !(alpha > 0) {
		return float64(steps)
	}
	rest := max(0, float64(1-alpha))
	sum, factor := 0.0, 1.0
	for i := 0; i < steps && factor > 0; i++ {
		sum = float64(sum + factor)
		factor = float64(factor * rest)
	}
	return sum
}

// Effort returns weight·norm in units of 1/EffortUnit as digits of b bits, the lowest
// first: digits of all hospitals can be summed one by one. norm is ‖aᵢ‖₁.
func Effort(digits []float64, weight int, norm float64, b int) error {
	effort := float64(float64(float64(weight)*norm)*EffortUnit) + 0.5
	if !(effort >= 0 && effort < maxEffort) {
		return fmt.Errorf("%d records, %v steps: %w", weight, norm, ErrEffort)
	}
	rest := uint64(effort)
	for i := range digits {
		digits[i] = float64(rest & (1<<b - 1))
		rest >>= b
	}
	if rest > 0 {
		return fmt.Errorf("%d records, %v steps in %d digits: %w", weight, norm, len(digits), ErrEffort)
	}
	return nil
}

// EffortDigits is how many digits of b bits an effort takes.
func EffortDigits(b int) int { return (48 + b - 1) / b }

// MeanEffort returns τ = Σwᵢ‖aᵢ‖₁/Σwᵢ from summed digits of b bits. Errors are
// ErrNotFinite and ErrNoWeight.
func MeanEffort(digits []float64, weight float64, b int) (float64, error) {
	sum := sumDigits(digits, b)
	if !finite(sum) || !finite(weight) {
		return 0, fmt.Errorf("mean effort %v of weight %v: %w", sum, weight, ErrNotFinite)
	}
	if weight <= 0 {
		return 0, fmt.Errorf("mean effort of weight %v: %w", weight, ErrNoWeight)
	}
	return float64(float64(sum/EffortUnit) / weight), nil
}

// sumDigits is the number that digits of b bits make, the lowest first.
func sumDigits(digits []float64, b int) (sum float64) {
	for i := len(digits) - 1; i >= 0; i-- {
		sum = float64(float64(sum*float64(uint64(1)<<b)) + digits[i])
	}
	return sum
}
