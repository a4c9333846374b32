package robust

import (
	"fmt"
	"math"
)

// Distances are the squared Euclidean distances between the groups' vectors.
type Distances struct {
	groups int
	square []float64 // row-major, symmetric
}

// NewDistances returns the distances of so many vectors without coordinates: all 0.
func NewDistances(groups int) *Distances {
	return &Distances{groups: groups, square: make([]float64, groups*groups)}
}

// Add adds a run of coordinates, one vector a group. Errors are ErrShape and
// ErrNotFinite, which a sum beyond float64 is too.
func (d *Distances) Add(points [][]float64) error {
	if len(points) != d.groups {
		return fmt.Errorf("vectors of %d groups, not %d: %w", len(points), d.groups, ErrShape)
	}
	if d.groups == 0 {
		return nil
	}
	if err := check(points, len(points[0])); err != nil {
		return err
	}
	for g, a := range points {
		for h, b := range points[:g] {
			sum := d.at(g, h)
			for i, v := range a {
				apart := float64(v - b[i])
				sum = float64(sum + float64(apart*apart))
			}
			if math.IsInf(sum, 0) {
				return fmt.Errorf("distance of groups %d and %d: %w", g, h, ErrNotFinite)
			}
			d.square[g*d.groups+h], d.square[h*d.groups+g] = sum, sum
		}
	}
	return nil
}

func (d *Distances) at(g, h int) float64 { return d.square[g*d.groups+h] }

// Combine writes the weighted sum of a run of coordinates into dst. Errors are ErrShape
// and ErrNotFinite.
func Combine(dst []float64, points [][]float64, weights []float64) error {
	if len(points) != len(weights) {
		return fmt.Errorf("%d groups with %d weights: %w", len(points), len(weights), ErrShape)
	}
	if err := check(points, len(dst)); err != nil {
		return err
	}
	clear(dst)
	for g, w := range weights {
		if w == 0 {
			continue
		}
		for i, v := range points[g] {
			dst[i] = float64(dst[i] + float64(w*v))
		}
	}
	return nil
}
