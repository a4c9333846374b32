// Package fixedpoint turns real vectors into small unsigned integers that can
// be added under encryption, and turns their sums back into real vectors.
//
// A Format fixes the number of bits of a field and, for consecutive segments
// of the vector, how a value becomes a field. Rounding is stochastic, so that
// the expected value of a dequantised field is the clamped input. A Packing lays
// fields of one width side by side in numbers of up to 192 bits; Width gives
// the width that the sum of a whole group never overflows.
//
// The package does not clip by norm, draw privacy noise, encrypt or choose a
// format. It decides nothing about a value outside its range but to clamp and
// count it.
//
// Stochastic rounding: Gupta, Agrawal, Gopalakrishnan, Narayanan, "Deep
// Learning with Limited Numerical Precision" (2015), §3.
//
// A hospital calls Quantise on its update; the coordinator and an auditor call
// Dequantise on an opened sum. Both must have called Validate on the Format.
// The sum's bits are the same on every architecture: integer steps are exact
// in float64, and every float64 operation is rounded by an explicit
// conversion, so that none is fused.
//
// A Format is a value and may be shared. A Rounding belongs to one goroutine.
package fixedpoint
