package round

import (
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// Origin is what a plan begins with that does not go on from the newest version, as the log
// before it has it: whoever reads that log finds the same.
type Origin struct {
	Model    Version            `json:"model,omitzero"`     // zero: none, the plan begins with statistics
	Trains   federation.Digest  `json:"trains"`             // parameters on which it trains first
	Sketch   *federation.Sketch `json:"sketch,omitempty"`   // of Model, where the charter has a guard
	Signed   []Held             `json:"signed,omitempty"`   // custodians that derived Model
	Attempts []Attempt          `json:"attempts,omitempty"` // about the parameters of Trains
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
	case o.Model.Number > 0 && o.Trains != o.Model.Parameters:
		return errors.New("it trains on other parameters than its version's")
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
	s.Attempts = about(s.Attempts, o.Trains)
	for _, a := range o.Attempts {
		if !slices.ContainsFunc(s.Attempts, func(b Attempt) bool { return b.Manifest == a.Manifest }) {
			s.Attempts = append(s.Attempts, a)
		}
	}
	return s
}

// Archive is what the log says of all versions and of what was asked about them, which State
// lets go of. It is read for a plan that begins anew or from an older version, by whoever
// installs it and by whoever audits that.
type Archive struct {
	versions []archived // by number, from 1
	attempts map[federation.Digest][]Attempt
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
	switch e.Kind {
	case Publish:
		if e.Version > 0 {
			a.versions = append(a.versions, archived{after.Model, before.Plan, after.Sketch, nil})
		}
		a.letGo(before.remember(Attempt{}).Attempts, after.Attempts)
	case PlanSet:
		a.letGo(before.Attempts, after.Attempts)
	case Derived:
		if n := before.Outcome.Version; n > 0 && e.Reason == "" {
			v := &a.versions[n-1]
			v.signed = append(v.signed, Held{e.Hospital, e.Blob})
		}
	case CharterSet:
		for parameters, list := range a.attempts {
			a.attempts[parameters] = inherited(list, *before.Coming)
		}
	}
}

// letGo keeps the attempts that a state lost, by what they asked about.
func (a *Archive) letGo(before, after []Attempt) {
	for _, lost := range before {
		same := func(b Attempt) bool { return b.Manifest == lost.Manifest }
		if slices.ContainsFunc(after, same) {
			continue
		}
		if a.attempts == nil {
			a.attempts = map[federation.Digest][]Attempt{}
		}
		a.attempts[lost.About] = append(slices.DeleteFunc(a.attempts[lost.About], same), lost)
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
// where there is none. initial are the parameters that the plan's statistics would lead to;
// s is the state after the entries so far. nil: it goes on from the version of the state.
func (a *Archive) Origin(s State, start federation.Start, initial federation.Digest) (o *Origin, made federation.Digest, err error) {
	number := s.Newest
	switch {
	case start.Anew:
		return &Origin{Trains: initial, Attempts: a.attempts[initial]}, made, nil
	case start.Version > 0:
		number = uint64(start.Version)
	case number == 0:
		return nil, made, nil
	case s.Model.Number == s.Newest:
		return nil, a.versions[number-1].plan, nil
	}
	if number == 0 || number > uint64(len(a.versions)) {
		return nil, made, fmt.Errorf("version %d: %w: the newest is %d", number, ErrVersion, s.Newest)
	}
	v := a.versions[number-1]
	if start.Version > 0 && v.version.Snapshot != start.Base() {
		return nil, made, fmt.Errorf("version %d with snapshot %s: %w: it is %s", number, start.Base().Short(), ErrVersion, v.version.Snapshot.Short())
	}
	o = &Origin{Model: v.version, Trains: v.version.Parameters, Signed: v.signed, Attempts: a.attempts[v.version.Parameters]}
	if s.Charter.Guard > 0 {
		o.Sketch = v.sketch
	}
	return o, v.plan, nil
}
