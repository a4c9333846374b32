package dataset

import (
	"math"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// Ranges returns the plausible ranges of a plan's features, in plan order, as
// aggregation.FromSums wants them.
func Ranges(plan federation.Plan) []aggregation.Range {
	out := make([]aggregation.Range, len(plan.Features))
	for j, f := range plan.Features {
		out[j] = aggregation.Range{Min: f.Min, Max: f.Max}
	}
	return out
}

// Weight returns how many records of a hospital with rows count: at most weightCap.
func Weight(rows, weightCap int) int { return max(0, min(rows, weightCap)) }

// Sums returns a hospital's part in a statistics round: for each feature, in plan
// order, [n, Σz, Σz²] over its measured values, with z = (x−Min)/(Max−Min) and x
// clamped to the range, so that 0 ≤ Σz² ≤ Σz ≤ n. All are scaled by
// Weight(rows, weightCap)/rows, so that n ≤ weightCap. The plan must be the one that
// t was read with.
func Sums(t *Table, plan federation.Plan, weightCap int) []float64 {
	sums := make([]float64, aggregation.SumsPerFeature*t.columns())
	if plan.Arrays() {
		return scaled(arraySums(t, plan.Features[0]), t.Rows, weightCap)
	}
	for i, x := range t.X {
		j := i % t.Cols
		if math.IsNaN(x) || t.isMasked(j) {
			continue
		}
		f := plan.Features[j]
		z := (min(max(x, f.Min), f.Max) - f.Min) / (f.Max - f.Min)
		sums[3*j]++
		sums[3*j+1] += z
		sums[3*j+2] += z * z
	}
	return scaled(sums, t.Rows, weightCap)
}

func scaled(sums []float64, rows, weightCap int) []float64 {
	if rows == 0 {
		return sums
	}
	scale := float64(Weight(rows, weightCap)) / float64(rows)
	for k := range sums {
		sums[k] *= scale
	}
	return sums
}
