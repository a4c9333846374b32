package round

import (
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// NextEpoch is a charter that may follow, verified against the one in force with all that
// it names, and what custodians answered before and will be held to.
type NextEpoch struct {
	Charter   federation.Charter
	Inherited []federation.Answered
}

// CharterVerified asks for the epoch of State.Coming.
type CharterVerified struct {
	Charter           federation.Digest
	Countersignatures federation.Digest
}

func (ev CharterVerified) decide(s State, w When) ([]Entry, error) {
	switch {
	case !s.Genesis:
		return nil, fmt.Errorf("charter %s before genesis: %w", ev.Charter.Short(), ErrWrongPhase)
	case ev.Charter == s.Charter.Digest():
		return nil, nil
	case s.Coming == nil || s.Coming.Charter.Digest() != ev.Charter || s.Coming.Charter.Previous != s.Charter.Digest():
		return nil, fmt.Errorf("charter %s after %s of epoch %d: %w", ev.Charter.Short(), s.Charter.Digest().Short(), s.Charter.Epoch, ErrMismatch)
	}
	e := entry(CharterSet, w)
	e.Blob, e.Attachment, e.Epoch = ev.Charter, ev.Countersignatures, s.Epoch+1
	if s.Round.Phase.Running() {
		e.Round = s.Round.Number
		e.Reason = clip(fmt.Sprintf("epoch %d of the charter ended while the round was %s", s.Charter.Epoch, s.Round.Phase))
	}
	return one(e)
}

// applyCharter begins the next epoch. Its writer leads from here on: whoever led before
// may not even have the log's key. The round under way ends with the epoch, and so does
// all that only the custodians of that epoch can say.
func applyCharter(s State, e Entry) (State, error) {
	next := s.Coming
	switch {
	case next == nil || e.Blob != next.Charter.Digest():
		return s, fmt.Errorf("charter %s was not verified", e.Blob.Short())
	case next.Charter.Epoch != s.Charter.Epoch+1 || next.Charter.Previous != s.Charter.Digest():
		return s, fmt.Errorf("charter of epoch %d after epoch %d", next.Charter.Epoch, s.Charter.Epoch)
	case e.Epoch != s.Epoch+1:
		return s, fmt.Errorf("epoch %d after %d", e.Epoch, s.Epoch)
	case s.Round.Phase.Running() != (e.Reason != ""):
		return s, errors.New("a reason belongs to the round that ends, and only to that")
	}
	if s.Round.Phase.Running() && s.Stands() {
		s = s.remember(Attempt{})
	}
	s.Attempts = inherited(s.Attempts, *next)
	s.Outcome.Owing = nil // the custodians of the epoch that ended
	running := s.Round.Phase.Running()
	s.Epoch, s.Charter, s.Coming = e.Epoch, next.Charter, nil
	s.Opened, s.Lines = nil, nil // what its approvals say that they disclose
	if next.Charter.Guard == 0 {
		s.Sketch = nil
	}
	s.Latest, s.Withheld, s.Short, s.Failures, s.NotBefore = nil, nil, nil, 0, ""
	if s.Round.Number > 0 {
		s.Round = Round{Number: s.Round.Number, Kind: s.Round.Kind, Phase: Closed, Header: s.Round.Header, Opened: s.Round.Opened, Reason: e.Reason}
	}
	if running {
		s = s.over(e.Time)
	}
	return s, nil
}

// inherited is what the new custodians hold against another S: the attempts that the
// closing statements list and that could still be opened. What is released may be asked
// of those who remain.
func inherited(attempts []Attempt, next NextEpoch) []Attempt {
	var kept []Attempt
	for _, a := range attempts {
		i := slices.IndexFunc(next.Inherited, func(given federation.Answered) bool { return given.Manifest == a.Manifest })
		if i < 0 {
			continue
		}
		past := Attempt{Round: a.Round, Kind: a.Kind, Questions: a.Questions, About: a.About, Manifest: a.Manifest, Past: true, Failed: a.Failed}
		set := a.S
		if given := next.Inherited[i]; !given.Released.IsZero() {
			set, past.Released = released(next.Charter, a.S, given), true
		}
		past.S = regrouped(next.Charter, set)
		if !slices.ContainsFunc(kept, func(b Attempt) bool { return past.contradicts(b) }) { // a burned one that a statement lists all the same
			kept = append(kept, past)
		}
	}
	return kept
}

func (a Attempt) contradicts(b Attempt) bool {
	return a.sameQuestion(Round{Kind: b.Kind, Questions: b.Questions}) && !slices.EqualFunc(a.S, b.S, slices.Equal)
}

// released is what a release leaves of a set.
func released(c federation.Charter, set [][]federation.HospitalID, given federation.Answered) [][]federation.HospitalID {
	for _, r := range c.Releases {
		if federation.SetDigest(r.Release.Set) == given.Set && federation.SetDigest(r.Release.Remaining()) == given.Released {
			return r.Release.Remaining()
		}
	}
	return set
}

// regrouped puts each group of a set where the charter has its hospitals now. Those who
// are in no group any more stay in the set: without them the question is stuck.
func regrouped(c federation.Charter, set [][]federation.HospitalID) [][]federation.HospitalID {
	groups := make([][]federation.HospitalID, len(c.Groups))
	for g := range groups {
		groups[g] = []federation.HospitalID{}
	}
	for _, group := range set {
		to := 0
		for _, id := range group {
			if g := c.GroupOf(id); g >= 0 {
				to = g
				break
			}
		}
		groups[to] = append(groups[to], group...)
		slices.Sort(groups[to])
	}
	return groups
}
