package aggregation

import "fmt"

// SCAFFOLD: Karimireddy and others, "SCAFFOLD: Stochastic Controlled Averaging for
// Federated Learning" (2020), algorithm 1, with weighted means. A hospital descends along
// g − cᵢ + c (line 10) and its next control variate is cᵢ − c + (x − y)/(Kη), option II
// (line 12). With momentum a step is a sum of gradients, and K is ‖a‖₁ (EffectiveSteps):
// (x − y)/(Kη) is their weighted mean all the same. The server takes x ← x + η_g·mean Δy, which is FedAvg, and
// c ← c + |S|/N · mean Δc (line 17).

// Control advances the server's control variate by one round, in place. sum is Σwᵢ·Δcᵢ
// over the cohort S, weight is Σwᵢ, and share is |S|/N. A long vector may be handed in
// piece by piece. Errors are ErrLength, ErrNoWeight and ErrNotFinite.
func Control(control []float32, sum []float64, weight, share float64) error {
	if err := FedAvgInPlace(control, sum, weight, share); err != nil {
		return fmt.Errorf("control variate: %w", err)
	}
	return nil
}

// ControlChange replaces delta, a hospital's change of parameters y − x over so many
// effective steps of the learning rate, by the change of its own control variate: Δc = −c − (y−x)/(Kη).
// control is the server's c. The error is ErrLength or ErrNotFinite.
func ControlChange(delta, control []float32, steps, rate float64) error {
	if len(delta) != len(control) {
		return fmt.Errorf("control variate of %d for %d changes: %w", len(control), len(delta), ErrLength)
	}
	whole := float64(steps * rate)
	for i, d := range delta {
		delta[i] = float32(float64(-float64(control[i]) - float64(float64(d)/whole)))
		if !finite(float64(delta[i])) {
			return fmt.Errorf("control variate %d after change %v in %v steps: %w", i, d, steps, ErrNotFinite)
		}
	}
	return nil
}
