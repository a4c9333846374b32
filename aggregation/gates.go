package aggregation

import (
	"errors"
	"fmt"
	"math"
)

// Gates judge an opened sum by what so many hospitals can honestly say together. The range
// of each number is known for the sum alone, because a hospital may submit any combination
// of encryptions; a gate then asks that the numbers fit one another and what was declared.
// Sums are in steps of their fixed-point format, of which every hospital rounds each number
// by less than one: that is the room a gate leaves.
//
// What a gate cannot see: one hospital of a group may choose the sum of all, as long as the
// sum passes.

// ErrGate is wrapped by every [GateError].
var ErrGate = errors.New("the sum fails a gate")

// GateError names the gate that a sum fails, and why, in numbers of the sum alone.
type GateError struct{ Gate, Reason string }

func (e *GateError) Error() string { return "gate " + e.Gate + ": " + e.Reason }

// Unwrap is ErrGate.
func (e *GateError) Unwrap() error { return ErrGate }

// Names of the gates.
const (
	GateWeight    = "weight"
	GateMean      = "mean"
	GateSaturated = "saturated"
	GateEffort    = "effort"
	GateMoments   = "moments"
	GateScores    = "scores"
)

// relative is the room for products and quotients of float64, relative to a sum.
const relative = 1e-12

func fails(gate, format string, args ...any) error {
	return &GateError{gate, fmt.Sprintf(format, args...)}
}

// CheckWeight: the total weight lies between the least and the most that was declared.
// Weights are counts and are not rounded.
func CheckWeight(weight, least, most float64) error {
	if !(weight >= least && weight <= most) {
		return fails(GateWeight, "the weights add up to %v, not to %v to %v", weight, least, most)
	}
	return nil
}

// MeanBound is the greatest magnitude, in steps, of Σ w·x in one coordinate: levels steps
// are the clip of one hospital of the greatest weight, share is Σ w over that weight and at
// most the number of hospitals.
func MeanBound(levels, share float64, hospitals int) float64 {
	return float64(float64(levels*share)*float64(1+relative)) + float64(hospitals)
}

// CheckMean: no coordinate of name lies beyond the clip of the weighted mean. least and most
// are those of the sums, in steps.
func CheckMean(name string, least, most int64, bound float64) error {
	if far := max(math.Abs(float64(least)), math.Abs(float64(most))); far > bound {
		return fails(GateMean, "a coordinate of %s is %.0f steps from 0: with this weight at most %.0f", name, far, bound)
	}
	return nil
}

// CheckSaturated: of a tensor of name no more coordinates met the clip than there are.
func CheckSaturated(name string, count, most float64) error {
	if count > most {
		return fails(GateSaturated, "%v coordinates of %s met the clip, of %v", count, name, most)
	}
	return nil
}

// CheckEffort: the mean effort of summed digits (see [Effort]) is one that a hospital can have,
// between least and most.
func CheckEffort(digits []float64, bits int, weight, least, most float64, hospitals int) error {
	effort := float64(sumDigits(digits, bits) / EffortUnit)
	room := float64(float64(hospitals)/EffortUnit) + float64(relative*effort)
	if effort < float64(least*weight)-room || effort > float64(most*weight)+room {
		return fails(GateEffort, "effort %v of weight %v: want %v to %v of each", effort, weight, least, most)
	}
	return nil
}

// CheckMoments: n, Σz and Σz² in steps, with 0 ≤ z ≤ 1, are those of a sample: 0 ≤ Σz² ≤ Σz ≤ n
// and (Σz)² ≤ n·Σz²; n is at least least and at most most.
func CheckMoments(name string, n, s, q, least, most float64, hospitals int) error {
	room := float64(hospitals) + float64(relative*n)
	low := max(0, float64(s-room))
	switch {
	case n < least-room || n > most+room:
		return fails(GateMoments, "n of %s is %.0f steps: want %.0f to %.0f", name, n, least, most)
	case s > n+2*room || q > s+2*room || q < 0:
		return fails(GateMoments, "n, sum and sum of squares of %s are %.0f, %.0f and %.0f steps: want them falling", name, n, s, q)
	case float64(low*low) > float64(float64(n+room)*float64(q+room))*float64(1+relative):
		return fails(GateMoments, "the variance of %s is below 0: n, sum and sum of squares are %.0f, %.0f and %.0f steps", name, n, s, q)
	}
	return nil
}

// CheckScores: the histograms of a label have as many scores below and from [Threshold] on, of
// each class, as the confusion counts, and at least least in all. It returns how many those are.
func CheckScores(name string, c Confusion, positives, negatives []float64, least float64) (records float64, err error) {
	half := int(Threshold * float64(len(positives)))
	for _, x := range []struct {
		what         string
		bins         []float64
		below, above float64
	}{{"positives", positives, c.FN, c.TP}, {"negatives", negatives, c.TN, c.FP}} {
		below, above := total(x.bins[:half]), total(x.bins[half:])
		if below != x.below || above != x.above {
			return 0, fails(GateScores, "%s of %s: %v below and %v from %v on in the histogram, %v and %v in the confusion",
				x.what, name, below, above, Threshold, x.below, x.above)
		}
	}
	records = c.TP + c.FP + c.TN + c.FN
	if records < least {
		return records, fails(GateScores, "%v records of %s: want %v", records, name, least)
	}
	return records, nil
}

func total(counts []float64) float64 {
	sum := 0.0
	for _, n := range counts {
		sum = float64(sum + n)
	}
	return sum
}
