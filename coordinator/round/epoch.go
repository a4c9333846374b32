package round

import (
	"errors"
	"fmt"

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

// inherited is what the new custodians are bound by: the attempts that the closing statements
// list and that could still be opened.
func inherited(attempts []Attempt, next NextEpoch) []Attempt {
	bound := map[federation.Digest]bool{}
	for _, given := range next.Inherited {
		bound[given.Manifest] = true
	}
	var kept []Attempt
	for _, a := range attempts {
		if bound[a.Manifest] {
			kept = append(kept, Attempt{Round: a.Round, Kind: a.Kind, Questions: a.Questions, Manifest: a.Manifest, Plan: a.Plan, Public: a.Public, Past: true})
		}
	}
	return kept
}
