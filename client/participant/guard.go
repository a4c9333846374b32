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

// Line is whom this custodian sent for of the evaluations of a part of the records, of whatever
// version, under whatever plan. Others are refused: the difference of two of them is about
// whoever is missing, since versions that follow one another lie near each other. The line
// stands while any manifest of it is left that was not burned.
type Line struct {
	Part      federation.Part     `json:"part,omitzero"`
	Set       federation.Digest   `json:"set"`       // SetDigest
	Manifests []federation.Digest `json:"manifests"` // sent under, oldest first; MaxLine of them stand for good
}

// has reports whether a manifest is one of the line.
func (l Line) has(manifest federation.Digest) bool { return slices.Contains(l.Manifests, manifest) }

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

// opens is what is remembered of a candidate of the live header once this custodian sends for it.
func (s State) opens(manifest federation.Digest, c federation.Candidate) *federation.Opened {
	return Opens(s, federation.Opened{Manifest: manifest, Kind: s.Live.Kind, Part: s.Live.Part, Set: c.Set(), Sketch: s.SketchOf(s.Live.Base.Parameters)})
}

// Opens is what is remembered of a sum; nil where nothing is: of statistics, and of training
// without a guard.
func Opens(s State, o federation.Opened) *federation.Opened {
	if !s.Charter.Guards(o.Kind) {
		o.Sketch = nil
	}
	if !s.Charter.Guards(o.Kind) && o.Kind != federation.Evaluate {
		return nil
	}
	return &o
}

// guarded reports whether what was sent for before lets this be sent for too. Where a base has
// no sketch the guard says nothing: whoever calls sees to it that it has. Of a sum on this very
// question that every hospital released it says nothing either.
func (s State) guarded(o *federation.Opened) error {
	if o == nil {
		return nil
	}
	if err := s.inLine(*o); o.Kind == federation.Evaluate && err != nil {
		return err
	}
	asked, _ := s.Recall(o.Manifest)
	bind := slices.DeleteFunc(slices.Clone(s.Opened), func(before federation.Opened) bool {
		about, _ := s.about(before.Manifest, asked.Questions)
		return about && slices.Contains(asked.Released, before.Manifest)
	})
	return s.Charter.CheckGuard(bind, *o)
}

// inLine reports whether an evaluation is of the hospitals of every line that it belongs to. A
// line is never forgotten while its epoch lasts: where there is no room for another, nothing
// more begins one.
func (s State) inLine(o federation.Opened) error {
	begun := false
	for _, l := range s.Lines {
		if l.Part.SameLine(o.Part) && l.Set != federation.SetDigest(o.Set) && !l.has(o.Manifest) {
			return fmt.Errorf("manifest %s: %w, under manifest %s", o.Manifest.Short(), ErrLine, l.Manifests[0].Short())
		}
		begun = begun || l.Part == o.Part
	}
	if !begun && len(s.Lines) >= federation.MaxLines {
		return fmt.Errorf("manifest %s: %d parts of the records were evaluated: %w", o.Manifest.Short(), len(s.Lines), ErrTooMany)
	}
	return nil
}

// noted remembers what this custodian sends for: the newest sums, and every line.
func (s State) noted(o *federation.Opened) State {
	if o == nil {
		return s
	}
	if o.Sketch != nil {
		s.Opened = federation.Remember(s.Opened, *o)
	}
	if o.Kind == federation.Evaluate {
		s.Lines = withLine(s.Lines, *o)
	}
	return s
}

// withLine adds a sum to the line that it is of.
func withLine(lines []Line, o federation.Opened) []Line {
	set := federation.SetDigest(o.Set)
	i := slices.IndexFunc(lines, func(l Line) bool { return l.Part == o.Part && l.Set == set })
	if i < 0 {
		return append(slices.Clip(lines), Line{o.Part, set, []federation.Digest{o.Manifest}})
	}
	if lines[i].has(o.Manifest) || len(lines[i].Manifests) >= MaxLine {
		return lines
	}
	lines = slices.Clone(lines)
	lines[i].Manifests = append(slices.Clip(lines[i].Manifests), o.Manifest)
	return lines
}

// unopened forgets what a certificate shows was never opened.
func (s State) unopened(manifest federation.Digest) State {
	of := func(o federation.Opened) bool { return o.Manifest == manifest }
	if slices.ContainsFunc(s.Opened, of) {
		s.Opened = slices.DeleteFunc(slices.Clone(s.Opened), of)
	}
	if !slices.ContainsFunc(s.Lines, func(l Line) bool { return l.has(manifest) }) {
		return s
	}
	var lines []Line
	for _, l := range s.Lines {
		if l.has(manifest) && len(l.Manifests) < MaxLine { // of a full one nobody knows what else was sent under it
			l.Manifests = slices.DeleteFunc(slices.Clone(l.Manifests), func(d federation.Digest) bool { return d == manifest })
		}
		if len(l.Manifests) > 0 {
			lines = append(lines, l)
		}
	}
	s.Lines = lines
	return s
}

// ofThisEpoch forgets what guard and line remember of earlier epochs: the approvals of this one say
// what its changes disclose. Only what was recalled before it began here is left.
func (s State) ofThisEpoch() State {
	past := func(manifest federation.Digest) bool {
		m, known := s.Recall(manifest)
		return !known || m.Past
	}
	var opened []federation.Opened
	for _, o := range s.Opened {
		if !past(o.Manifest) {
			opened = append(opened, o)
		}
	}
	var lines []Line
	for _, l := range s.Lines {
		if l.Manifests = slices.DeleteFunc(slices.Clone(l.Manifests), past); len(l.Manifests) > 0 {
			lines = append(lines, l)
		}
	}
	s.Opened, s.Lines = opened, lines
	return s
}
