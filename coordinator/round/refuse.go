package round

import (
	"fmt"
	"slices"
)

func (ev MessageRefused) decide(s State, w When) ([]Entry, error) {
	r := s.Round
	_, member := s.Charter.Member(ev.Hospital)
	switch {
	case !member:
		return nil, fmt.Errorf("refusal of %s: %w", ev.Hospital, ErrUnknown)
	case ev.Round != r.Number || !r.Phase.Running() || r.Phase == Gathering:
		return nil, fmt.Errorf("refusal of %s: %w", ev.Hospital, ErrStale)
	case slices.Contains(r.Refused, Refusal{Hospital: ev.Hospital, Role: ev.Role}):
		return nil, nil // once a round is enough
	}
	e := s.entry(Refuse, w)
	e.Hospital, e.Role, e.Reason = ev.Hospital, ev.Role, clip(ev.Reason)
	return one(e)
}
