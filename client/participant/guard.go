package participant

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// BaseSketch is how far a version is from others, for the guard.
type BaseSketch struct {
	Parameters federation.Digest `json:"parameters"`
	Sketch     federation.Sketch `json:"sketch"`
}

// Line is whom this custodian sent for first of the evaluations under a plan. Others are
// refused: the difference of two of them is about whoever is missing, since the versions of
// one plan lie near each other.
type Line struct {
	Plan     federation.Digest `json:"plan"`
	Manifest federation.Digest `json:"manifest"`
	Set      federation.Digest `json:"set"` // SetDigest
}

// SketchOf returns the sketch of a version by the digest of its parameters; nil where this
// hospital made none.
func (s State) SketchOf(parameters federation.Digest) *federation.Sketch {
	i := slices.IndexFunc(s.Sketches, func(b BaseSketch) bool { return b.Parameters == parameters })
	if i < 0 {
		return nil
	}
	return &s.Sketches[i].Sketch
}

// TakeSketch records the sketch of a version that this hospital has; nil records nothing.
func TakeSketch(s State, parameters federation.Digest, sketch *federation.Sketch) ([]Entry, error) {
	if sketch == nil || s.SketchOf(parameters) != nil {
		return nil, nil
	}
	e := entry(Sketched, parameters)
	e.Sketch = sketch
	return []Entry{e}, nil
}

func (s State) withSketch(e Entry) (State, error) {
	if e.Sketch == nil {
		return s, fmt.Errorf("%w: no sketch of version %s", ErrEntry, e.Digest.Short())
	}
	s.Sketches = append(slices.Clip(s.Sketches), BaseSketch{e.Digest, *e.Sketch})
	s.Sketches = s.Sketches[max(0, len(s.Sketches)-keptBases):]
	return s, nil
}

// opens is what is remembered of a candidate of the live header once this custodian sends for
// it; nil where nothing is: of statistics, and of training without a guard.
func (s State) opens(manifest federation.Digest, c federation.Candidate) *federation.Opened {
	if !s.Charter.Guards(s.Live.Kind) && s.Live.Kind != federation.Evaluate {
		return nil
	}
	o := federation.Opened{Manifest: manifest, Kind: s.Live.Kind, Plan: s.Live.Plan, Set: c.Set()}
	if s.Charter.Guards(s.Live.Kind) {
		o.Sketch = s.SketchOf(s.Live.Base.Parameters)
	}
	return &o
}

// guarded reports whether what was sent for before lets this be sent for too. Where a base has
// no sketch the guard says nothing: whoever calls sees to it that it has. Of a sum that every
// hospital released it says nothing either.
func (s State) guarded(o *federation.Opened) error {
	if o == nil {
		return nil
	}
	if i := s.line(o.Plan); i >= 0 && o.Kind == federation.Evaluate {
		if l := s.Lines[i]; l.Manifest != o.Manifest && l.Set != federation.SetDigest(o.Set) {
			return fmt.Errorf("manifest %s: %w, under manifest %s", o.Manifest.Short(), ErrLine, l.Manifest.Short())
		}
	}
	asked, _ := s.Recall(o.Manifest)
	bind := slices.DeleteFunc(slices.Clone(s.Opened), func(before federation.Opened) bool { return slices.Contains(asked.Released, before.Manifest) })
	return s.Charter.CheckGuard(bind, *o)
}

func (s State) line(plan federation.Digest) int {
	return slices.IndexFunc(s.Lines, func(l Line) bool { return l.Plan == plan })
}

// noted remembers what this custodian sends for: of the newest sums and plans.
func (s State) noted(o *federation.Opened) State {
	if o == nil {
		return s
	}
	if o.Sketch != nil {
		s.Opened = federation.Remember(s.Opened, *o)
	}
	if o.Kind == federation.Evaluate && s.line(o.Plan) < 0 {
		s.Lines = append(slices.Clip(s.Lines), Line{o.Plan, o.Manifest, federation.SetDigest(o.Set)})
		s.Lines = slices.Clip(s.Lines[max(0, len(s.Lines)-federation.MaxOpened):])
	}
	return s
}

// unopened forgets what a certificate shows was never opened.
func (s State) unopened(manifest federation.Digest) State {
	if !slices.ContainsFunc(s.Opened, func(o federation.Opened) bool { return o.Manifest == manifest }) &&
		!slices.ContainsFunc(s.Lines, func(l Line) bool { return l.Manifest == manifest }) {
		return s
	}
	s.Opened = slices.DeleteFunc(slices.Clone(s.Opened), func(o federation.Opened) bool { return o.Manifest == manifest })
	s.Lines = slices.DeleteFunc(slices.Clone(s.Lines), func(l Line) bool { return l.Manifest == manifest })
	return s
}
