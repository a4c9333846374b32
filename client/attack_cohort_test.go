package client_test

import (
	"slices"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// drawn is the cohort of a header that asks n of the liar's hospitals.
func (l *liar) drawn(h federation.Header, n int) [][]federation.HospitalID {
	return l.plan.Draw(h).Pick(l.charter.Groups, n)
}

func (l *liar) site(id federation.HospitalID) *site {
	return l.sites[slices.IndexFunc(l.sites, func(s *site) bool { return s.id == id })]
}

// TestCohortOfChoice: a coordinator that asks other hospitals than were drawn gets an
// update of none of them, whatever it says about who joined, declined, or was asked before.
func TestCohortOfChoice(t *testing.T) {
	plan := plans.Cardiology()
	plan.Schedule.Cohort = federation.Cohort{Size: 3, Extra: 0.3} // asks 4 of 6
	l := newLiar(t, 6, 1, plan)
	p := l.gather(l.train(1))
	all := l.charter.Groups[0]
	drawn := l.drawn(p.header, 4)[0]
	left := slices.DeleteFunc(slices.Clone(all), func(id federation.HospitalID) bool { return slices.Contains(drawn, id) })
	s := l.site(drawn[0])
	group := func(ids ...federation.HospitalID) [][]federation.HospitalID {
		ids = slices.Clone(ids)
		slices.Sort(ids)
		return [][]federation.HospitalID{ids}
	}
	manifest := func(groups [][]federation.HospitalID) federation.Manifest {
		m := clone(t, p.manifest)
		m.Groups = groups
		return m
	}
	p.askUpdate(s, manifest(group(append(left, drawn[:2]...)...))).refuses(t, "group 0: its cohort is not the one that was drawn")
	p.askUpdate(s, manifest(group(drawn[:3]...))).refuses(t, "group 0: it asks 3 hospitals, the plan asks 4")
	p.askUpdate(s, p.manifest).sends(t, "submission") // all six: more than the plan asks may be asked

	p = l.gather(l.train(2))
	drawn = l.drawn(p.header, 4)[0]
	s = l.site(drawn[0])
	first := manifest(group(drawn...))
	p.askUpdate(s, first).sends(t, "submission")
	pin := l.put(federation.Encode(first))
	l.put(federation.Encode(p.header))

	again := l.train(2) // the same question
	p = l.gather(again)
	pinned := manifest(group(drawn[1:]...))
	pinned.Pin = pin
	s = l.site(drawn[1])
	p.askUpdate(s, pinned).sends(t, "submission")
	p = l.gather(l.train(2))
	other := manifest(l.charter.Groups)
	other.Pin = pin
	p.askUpdate(s, other).refuses(t, "was not asked under manifest "+pin.Short()+", to which it is pinned")
	other.Pin = federation.Sum([]byte("nothing"))
	p.askUpdate(s, other).refuses(t, "no such object")
}
