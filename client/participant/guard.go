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

// Line is whom this custodian sent for first of the evaluations of a part of the records, of
// whatever version, under whatever plan. Others are refused: the difference of two of them is
// about whoever is missing, since versions that follow one another lie near each other.
type Line struct {
	Part     federation.Part   `json:"part,omitzero"`
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
	o := federation.Opened{Manifest: manifest, Kind: s.Live.Kind, Part: s.Live.Part, Set: c.Set()}
	if s.Charter.Guards(s.Live.Kind) {
		o.Sketch = s.SketchOf(s.Live.Base.Parameters)
	}
	return &o
}

// guarded reports whether what was sent for before lets this be sent for too. Where a base has
// no sketch the guard says nothing: whoever calls sees to it that it has.
func (s State) guarded(o *federation.Opened) error {
	if o == nil {
		return nil
	}
	if err := s.inLine(*o); o.Kind == federation.Evaluate && err != nil {
		return err
	}
	return s.Charter.CheckGuard(s.Opened, *o)
}

// inLine reports whether an evaluation is of the hospitals of every line that it belongs to. A
// line is never forgotten while its epoch lasts: where there is no room for another, nothing
// more begins one.
func (s State) inLine(o federation.Opened) error {
	begun := false
	for _, l := range s.Lines {
		if l.Part.SameLine(o.Part) && l.Manifest != o.Manifest && l.Set != federation.SetDigest(o.Set) {
			return fmt.Errorf("manifest %s: %w, under manifest %s", o.Manifest.Short(), ErrLine, l.Manifest.Short())
		}
		begun = begun || l.Part == o.Part
	}
	if !begun && len(s.Lines) >= federation.MaxLines {
		return fmt.Errorf("manifest %s: %d parts of the records were evaluated: %w", o.Manifest.Short(), len(s.Lines), ErrTooMany)
	}
	return nil
}

func (s State) line(part federation.Part) int {
	return slices.IndexFunc(s.Lines, func(l Line) bool { return l.Part == part })
}

// noted remembers what this custodian sends for: the newest sums, and every line.
func (s State) noted(o *federation.Opened) State {
	if o == nil {
		return s
	}
	if o.Sketch != nil {
		s.Opened = federation.Remember(s.Opened, *o)
	}
	if o.Kind == federation.Evaluate && s.line(o.Part) < 0 {
		s.Lines = append(slices.Clip(s.Lines), Line{o.Part, o.Manifest, federation.SetDigest(o.Set)})
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
