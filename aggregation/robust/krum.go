package robust

import (
	"cmp"
	"fmt"
	"slices"
)

// Krum returns each group's weight: 1/keep for the keep groups with the least score, 0
// for the others. A group's score is the sum of the squared distances to the
// n−hostile−2 groups nearest to it. keep 1 is Krum, more is multi-Krum; of equal scores
// the group that comes first counts as the least.
//
// Up to hostile groups may be anything. The error is ErrGroups unless
// n ≥ 2·hostile+3 and 1 ≤ keep ≤ n−hostile−2.
func (d *Distances) Krum(hostile, keep int) ([]float64, error) {
	nearest := d.groups - hostile - 2
	if hostile < 0 || d.groups < KrumGroups(hostile, keep) || keep < 1 {
		return nil, fmt.Errorf("krum keeps %d of %d groups beside %d hostile ones: %w", keep, d.groups, hostile, ErrGroups)
	}
	scores, order := make([]float64, d.groups), make([]int, d.groups)
	for g := range d.groups {
		var others []float64
		for h := range d.groups {
			if h != g {
				others = append(others, d.at(g, h))
			}
		}
		slices.Sort(others)
		for _, square := range others[:nearest] {
			scores[g] = float64(scores[g] + square)
		}
		order[g] = g
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	weights := make([]float64, d.groups)
	for _, g := range order[:keep] {
		weights[g] = float64(1 / float64(keep))
	}
	return weights, nil
}

// KrumGroups is the least number of groups with which Krum keeps so many.
func KrumGroups(hostile, keep int) int { return max(2*hostile+3, keep+hostile+2) }
