package participant

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// keptBases is how many versions a custodian may be ready on: the newest, the one before while
// a round on it ends, and an older one from which a plan starts.
const keptBases = 3

// BaseOf is the base that a header names.
func BaseOf(h federation.Header) Base {
	return Base{Version: h.Version, Snapshot: h.Base, Parameters: h.Parameters, Steps: h.Steps}
}

// Is reports whether b is a version that a header names; the plan that made it is not in headers.
func (b Base) Is(named Base) bool {
	return b.Version == named.Version && b.Snapshot == named.Snapshot && b.Parameters == named.Parameters
}

// HasBase reports whether this hospital derived a version or has it by the word of f+1
// custodians. There is nothing to have before the first.
func (s State) HasBase(b Base) bool {
	return b.Is(Base{}) || slices.ContainsFunc(s.Bases, b.Is)
}

func (s State) stepsOf(named Base) uint64 {
	i := slices.IndexFunc(s.Bases, func(b Base) bool { return b.Is(named) })
	if i < 0 {
		return 0
	}
	return s.Bases[i].Steps
}

// Newest is the version of the greatest number that this hospital has; zero before the first.
func (s State) Newest() Base {
	var newest Base
	for _, b := range s.Bases {
		if b.Version > newest.Version {
			newest = b
		}
	}
	return newest
}

// TakeBase records a version that this hospital derived, or whose derivation f+1 custodians
// signed; whoever calls it checked that. There is one version of each number: of a sum that was
// opened and kept quiet about nothing follows once its number is taken. Whoever derives names
// the plan that made the version.
func TakeBase(s State, b Base) ([]Entry, error) {
	if s.HasBase(b) {
		return nil, nil
	}
	another := func(have Base) bool { return have.Version == b.Version && !(have.Plan.IsZero() && b.Plan.IsZero()) }
	if i := slices.IndexFunc(s.Bases, another); i >= 0 {
		return nil, fmt.Errorf("version %d as snapshot %s, known is %s: %w", b.Version, b.Snapshot.Short(), s.Bases[i].Snapshot.Short(), ErrFork)
	}
	e := entry(Based, federation.Digest{})
	e.Base = b
	return []Entry{e}, nil
}

// withBase never forgets the newest version, of which an older one would take the place.
func (s State) withBase(b Base) State {
	s.Bases = append(slices.Clip(s.Bases), b)
	if len(s.Bases) > keptBases {
		newest := s.Newest()
		i := slices.IndexFunc(s.Bases, func(b Base) bool { return b != newest })
		s.Bases = slices.Delete(slices.Clone(s.Bases), i, i+1)
	}
	return s
}

// MayStart reports whether the round that this hospital joined starts from what it may: the
// newest version known here is the one that the header says, and the base is that version, or
// what the plan starts from as long as it made no version of its own. Nothing is computed, and
// no envelope opened, where it does not.
func MayStart(s State) error {
	live, newest := s.Live, s.Newest()
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrStart)
	}
	begun := newest.Version > 0 && newest.Plan == live.Plan
	switch {
	case !s.HasBase(live.Base):
		return fmt.Errorf("version %d, snapshot %s: %w", live.Base.Version, live.Base.Snapshot.Short(), ErrBase)
	case s.stepsOf(live.Base) != live.Base.Steps:
		return fail("the header says that version %d went through %d train rounds, known are %d", live.Base.Version, live.Base.Steps, s.stepsOf(live.Base))
	case live.Newest > newest.Version:
		return fmt.Errorf("version %d, by which the next is numbered: %w", live.Newest, ErrBase)
	case live.Newest < newest.Version:
		return fail("the header says that version %d is the newest, known is %d", live.Newest, newest.Version)
	case live.Start == federation.Start{}, begun:
		if live.Base.Version != newest.Version {
			return fail("base is version %d, the plan goes on from version %d", live.Base.Version, newest.Version)
		}
	case live.Start.Anew:
		if live.Base.Version > 0 {
			return fail("base is version %d, the plan begins anew", live.Base.Version)
		}
	case live.Base.Version != uint64(live.Start.Version) || live.Base.Snapshot != live.Start.Base():
		return fail("base is version %d, the plan starts from version %d", live.Base.Version, live.Start.Version)
	}
	return nil
}
