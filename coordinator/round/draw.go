package round

import (
	"slices"

	"atrium/coordinator/federation"
)

// draw is the order in which the round under way asks for updates.
func (s State) draw() federation.Draw {
	return federation.DrawOf(s.Schedule.Cohort, s.Round.Kind, s.Plan, s.Model.Snapshot)
}

// asked is how many hospitals of each group are asked. After rounds that were abandoned
// it is more: the draw is the same for as long as the base is, and those who are first in
// it may be those who fail.
func (s State) asked() int {
	c := s.Schedule.Cohort
	return c.Asked() + min(s.Failures, federation.MaxHospitals)*c.Size
}

// content reports whether a round need not wait for more updates of a group.
func (s State) content(updates int) bool {
	return s.draw().On() && s.Round.Pinned == nil && updates >= s.Schedule.Cohort.Size
}

// drawn is the manifest under which the hospitals of an attempt were drawn.
func (a *Attempt) drawn() federation.Digest {
	if a.Past || a.Pin.IsZero() {
		return a.Manifest
	}
	return a.Pin
}

// joinedDeclines lists the declines of those who joined all the same.
func (s State) joinedDeclines() []Held {
	var list []Held
	for _, d := range s.Round.Declines {
		if _, joined := s.Round.Join(d.Hospital); joined {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b Held) int { return slices.Compare([]byte(a.Hospital), []byte(b.Hospital)) })
	return list
}

// wouldBeAsked is the hospitals that would be asked for an update if everyone joined who is
// there; nil is everyone.
func (s State) wouldBeAsked(g gathering, joined map[federation.HospitalID]bool, w When) map[federation.HospitalID]bool {
	if !s.draw().On() || g.pin != nil {
		return nil
	}
	there := s.couldJoin()
	for i := range there {
		there[i] = slices.DeleteFunc(there[i], func(id federation.HospitalID) bool { return !joined[id] && w.gone(id) })
	}
	first := map[federation.HospitalID]bool{}
	for _, id := range slices.Concat(s.draw().Pick(there, s.asked())...) {
		first[id] = true
	}
	return first
}

// joinedSet is who joined the round.
func (s State) joinedSet() map[federation.HospitalID]bool {
	set := make(map[federation.HospitalID]bool, len(s.Round.Joined))
	for _, j := range s.Round.Joined {
		set[j.Hospital] = true
	}
	return set
}

// Explanation is what a manifest says about how its cohort was drawn.
type Explanation struct {
	Declines []Held            // of hospitals that joined, sorted
	Pin      federation.Digest // manifest under which the cohort was asked before
}

// Explain returns what the manifest of the round that gathers has to say.
func Explain(s State) Explanation {
	g := gathered(s)
	return Explanation{g.declines, g.pinnedTo}
}
