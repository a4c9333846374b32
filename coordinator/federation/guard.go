package federation

import (
	"errors"
	"fmt"
	"slices"
)

// ErrGuard: a sum of nearly the same hospitals was opened on nearly the same version.
var ErrGuard = errors.New("a sum of nearly the same hospitals was opened on nearly the same version")

// Opened is a sum that was opened, as the guard and the line of evaluations remember it.
type Opened struct {
	Manifest Digest         `json:"manifest"`
	Kind     RoundKind      `json:"kind"`
	Part     Part           `json:"part,omitzero"` // of the records
	Set      [][]HospitalID `json:"set"`
	Sketch   *Sketch        `json:"sketch,omitempty"` // of the base; nil where there is no guard
}

// Remember adds a sum to those that were opened, of which the newest are kept.
func Remember(list []Opened, o Opened) []Opened {
	list = append(slices.Clip(list), o)
	return slices.Clip(list[max(0, len(list)-MaxOpened):])
}

// Guards reports whether rounds of a kind meet the guard. Statistics have no base.
func (c Charter) Guards(kind RoundKind) bool {
	return c.Guard > 0 && (kind == Train || kind == Evaluate)
}

// Near reports whether two versions are nearer than the guard. One without a sketch is near
// to none.
func (c Charter) Near(a, b *Sketch) bool {
	return c.Guard > 0 && a != nil && b != nil && a.Distance(*b) < c.Guard
}

// Meets returns the newest sum of earlier to which the next is too like: of the same kind, of
// records that may be the same, on a base nearer than the guard, and of a group that is neither the same nor differs by K+h
// hospitals. The difference of two such sums is about few hospitals, K−h or fewer of them
// honest. Groups are opened one by one and so compared one by one; coordinator and custodians
// both ask this before anything is opened. It promises nothing: three sums can be combined.
func (c Charter) Meets(earlier []Opened, next Opened) (Opened, bool) {
	for _, o := range slices.Backward(earlier) {
		if o.Kind == next.Kind && o.Part.Overlaps(next.Part) && o.Manifest != next.Manifest && c.Guards(next.Kind) && c.tooLike(o.Set, next.Set) && c.Near(o.Sketch, next.Sketch) {
			return o, true
		}
	}
	return Opened{}, false
}

// CheckGuard is Meets as an error.
func (c Charter) CheckGuard(earlier []Opened, next Opened) error {
	if o, ok := c.Meets(earlier, next); ok {
		return fmt.Errorf("manifest %s: %w, under manifest %s: want exactly these hospitals, or %d others", next.Manifest.Short(), ErrGuard, o.Manifest.Short(), c.apart())
	}
	return nil
}

// apart is how many hospitals two sums must differ by where they are not the same.
func (c Charter) apart() int { return c.MinCohort + c.MaxHostileMembers }

func (c Charter) tooLike(a, b [][]HospitalID) bool {
	for g := range min(len(a), len(b)) {
		if len(a[g]) == 0 || len(b[g]) == 0 {
			continue // nothing of it is opened twice
		}
		if n := difference(a[g], b[g]); n > 0 && n < c.apart() {
			return true
		}
	}
	return false
}

// difference counts the hospitals that are in one of two lists only.
func difference(a, b []HospitalID) int {
	in := make(map[HospitalID]bool, len(a))
	for _, id := range a {
		in[id] = true
	}
	both := 0
	for _, id := range b {
		if in[id] {
			both++
		}
	}
	return len(a) + len(b) - 2*both
}
