package aggregation

import "fmt"

// A clip bounds each coordinate of a tensor's change; the fixed-point steps of a round are
// parts of it. It follows the last aggregate: ClipFactor times the largest mean change,
// because single hospitals lie further out than their mean, and twice as much as before
// when too many coordinates met it. The latter is Andrew, Thakkar, McMahan and
// Ramaswamy, "Differentially Private Learning with Adaptive Clipping" (2021), with a
// count that is zero where the clip is wide enough, so that the mean has to say how far
// down it may go.

const (
	// ClipFactor is how many times the largest mean change a clip is.
	ClipFactor = 4
	// ClipTolerance is the share of a tensor's coordinates that may meet the clip.
	ClipTolerance = 0.001
	// floorDecay is how fast a clip that was too narrow is tried again.
	floorDecay = 0.95
)

// Clip is the clip of one tensor in the next round. Floor holds it up for some rounds
// after coordinates met a narrower one; 0: none did.
type Clip struct {
	Clip  float64 `json:"clip"`
	Floor float64 `json:"floor"`
}

// ClipRound is what a round says about one tensor.
type ClipRound struct {
	Largest   float64 // greatest magnitude of a coordinate of the mean change
	Saturated float64 // coordinates that met the clip, over all hospitals
	Size      int     // coordinates of the tensor
	Hospitals int
	MaxCount  float64 // greatest number that one hospital can report
}

// Exceeded reports whether more coordinates met the clip than ClipTolerance of them, or
// half of those that can be reported where that is less.
func (r ClipRound) Exceeded() bool {
	allowed := min(float64(ClipTolerance*float64(r.Size)), float64(r.MaxCount/2))
	return r.Saturated > float64(allowed*float64(r.Hospitals))
}

// Next is the clip after a round, between least and most. It goes down by half at most.
// The error is ErrNotFinite.
func (c Clip) Next(r ClipRound, least, most float64) (Clip, error) {
	if !finite(r.Largest) || !finite(r.Saturated) {
		return c, fmt.Errorf("clip after a largest change of %v with %v at the clip: %w", r.Largest, r.Saturated, ErrNotFinite)
	}
	next := Clip{Floor: float64(floorDecay * c.Floor)}
	next.Clip = max(float64(ClipFactor*r.Largest), float64(c.Clip/2), next.Floor)
	if r.Exceeded() {
		next.Clip = float64(2 * c.Clip)
		next.Floor = next.Clip
	}
	return next.Within(least, most), nil
}

// Within moves a clip between least and most.
func (c Clip) Within(least, most float64) Clip {
	return Clip{Clip: max(least, min(most, c.Clip)), Floor: max(0, min(most, c.Floor))}
}
