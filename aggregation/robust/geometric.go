package robust

import (
	"fmt"
	"math"
)

// smoothing is ν of the smoothed Weiszfeld algorithm, in units of the smallest distance
// between two groups that differ: a group is never nearer than that.
const smoothing = 1e-6

// GeometricMedian returns each group's weight, adding up to 1, in a point from which the
// sum of the distances to all groups is about the least. It takes a fixed number of
// Weiszfeld steps from the mean. Every iterate is a weighted mean of the groups, so that
// distances between groups are all it needs. The error is ErrGroups if there is none.
func (d *Distances) GeometricMedian(iterations int) ([]float64, error) {
	if d.groups == 0 {
		return nil, fmt.Errorf("geometric median of no group: %w", ErrGroups)
	}
	weights := make([]float64, d.groups)
	for g := range weights {
		weights[g] = float64(1 / float64(d.groups))
	}
	least := d.least()
	if least == 0 { // all groups agree
		return weights, nil
	}
	for range iterations {
		weights = d.weiszfeld(weights, float64(smoothing*least))
	}
	return weights, nil
}

// least is the smallest distance above 0, 0 if there is none.
func (d *Distances) least() float64 {
	var least float64
	for _, square := range d.square {
		if square > 0 && (least == 0 || square < least) {
			least = square
		}
	}
	return math.Sqrt(least)
}

// weiszfeld weighs each group by one over its distance from the weighted mean
// v = Σ aₘxₘ, which is ‖v−xₖ‖² = Σ aₘ‖xₘ−xₖ‖² − ½ ΣΣ aₘaₙ‖xₘ−xₙ‖² for Σ aₘ = 1.
func (d *Distances) weiszfeld(a []float64, floor float64) []float64 {
	towards, spread := make([]float64, d.groups), 0.0
	for g := range d.groups {
		for h, w := range a {
			towards[g] = float64(towards[g] + float64(w*d.at(g, h)))
		}
		spread = float64(spread + float64(a[g]*towards[g]))
	}
	var total float64
	for g, square := range towards {
		distance := math.Sqrt(max(0, float64(square-float64(spread/2))))
		towards[g] = float64(1 / max(distance, floor))
		total = float64(total + towards[g])
	}
	for g := range towards {
		towards[g] = float64(towards[g] / total)
	}
	return towards
}
