package round

import (
	"errors"
	"fmt"

	"atrium/coordinator/federation"
)

// Origin is what a plan begins with that does not go on from the newest version, as the log
// before it has it: whoever reads that log finds the same.
type Origin struct {
	Model  Version            `json:"model,omitzero"`   // zero: none, the plan begins with statistics
	Sketch *federation.Sketch `json:"sketch,omitempty"` // of Model, where the charter has a guard
	Signed []Held             `json:"signed,omitempty"` // custodians that derived Model
}

// fits reports whether a plan can begin with o; nil goes on from the newest version.
func (o *Origin) fits(s State) error {
	switch {
	case o == nil && s.Model.Number != s.Newest:
		return fmt.Errorf("the plan before began with version %d and has none of its own: the newest, %d, is not at hand", s.Model.Number, s.Newest)
	case o == nil:
		return nil
	case (o.Model.Number == 0) != o.Model.Snapshot.IsZero() || o.Model.Number > s.Newest:
		return fmt.Errorf("version %d with snapshot %s, the newest is %d", o.Model.Number, o.Model.Snapshot.Short(), s.Newest)
	}
	return nil
}

// from makes an Origin what the next round starts from. The number line goes on.
func (s State) from(o *Origin) State {
	if o == nil {
		return s
	}
	numbered := s.Numbered
	if s.Model.Number == s.Newest {
		numbered = s.Signed
	}
	s.Model, s.Sketch, s.Signed, s.Numbered = o.Model, o.Sketch, o.Signed, numbered
	if o.Model.Number == s.Newest { // more may have signed since the Archive was read
		s.Signed, s.Numbered = numbered, nil
	}
	return s
}

// Archive is what the log says of all versions, of which State keeps the last. It is read for a
// plan that begins anew or from an older version, by whoever installs it and by whoever audits
// that.
type Archive struct {
	versions []archived // by number, from 1
}

type archived struct {
	version Version
	plan    federation.Digest
	sketch  *federation.Sketch
	signed  []Held
}

// Note takes up an entry of the log, with the state before and after it. The entries come in
// their order and from the first on.
func (a *Archive) Note(before State, e Entry, after State) {
	switch {
	case e.Kind == Publish && e.Version > 0:
		a.versions = append(a.versions, archived{after.Model, before.Plan, after.Sketch, nil})
	case e.Kind == Derived && e.Reason == "" && before.Outcome.Version > 0:
		v := &a.versions[before.Outcome.Version-1]
		v.signed = append(v.signed, Held{e.Hospital, e.Blob})
	}
}

// Newest is the newest version; zero before the first.
func (a *Archive) Newest() Version {
	if len(a.versions) == 0 {
		return Version{}
	}
	return a.versions[len(a.versions)-1].version
}

// ErrVersion: there is no such version.
var ErrVersion = errors.New("no such version")

// Origin is what a plan with this start begins with, and the plan that made the version, zero
// where there is none; s is the state after the entries so far. nil: the plan goes on from the
// version of the state.
func (a *Archive) Origin(s State, start federation.Start) (o *Origin, made federation.Digest, err error) {
	number := s.Newest
	switch {
	case start.Anew:
		return &Origin{}, made, nil
	case start.Version > 0:
		number = uint64(start.Version)
	case number == 0:
		return nil, made, nil
	case s.Model.Number == s.Newest:
		return nil, a.versions[number-1].plan, nil
	}
	if number > uint64(len(a.versions)) {
		return nil, made, fmt.Errorf("version %d: %w: the newest is %d", number, ErrVersion, s.Newest)
	}
	v := a.versions[number-1]
	if start.Version > 0 && v.version.Snapshot != start.Base() {
		return nil, made, fmt.Errorf("version %d with snapshot %s: %w: it is %s", number, start.Base().Short(), ErrVersion, v.version.Snapshot.Short())
	}
	o = &Origin{Model: v.version, Signed: v.signed}
	if s.Charter.Guard > 0 {
		o.Sketch = v.sketch
	}
	return o, v.plan, nil
}
