package client_test

import (
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// TestMadeUpStart: what a plan starts from is by the plan that people approved and by what f+1
// custodians signed, whatever the coordinator says: another base, another number, and a second
// start are refused by name, before anything is computed.
func TestMadeUpStart(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	base, parameters := l.base(1)
	other, otherParameters := l.base(2)
	header := func(version, newest uint64, base, parameters federation.Digest) federation.Header {
		kind := federation.Train
		if base.IsZero() {
			kind = federation.Statistics
		}
		h := l.open(kind)
		h.Version, h.Newest, h.Base, h.Parameters = version, newest, base, parameters
		h.Questions = l.plan.Questions(h.Kind, parameters)
		return h
	}
	var none federation.Digest
	joins := func(name string, h federation.Header, words string) {
		l.run(t, name, func(t *testing.T) { l.askJoin(l.sites[0], h).refuses(t, words) })
	}
	updates := func(name string, h federation.Header, derived [][]byte, words string) {
		l.run(t, name, func(t *testing.T) {
			p := l.gather(h)
			p.derived = derived
			for _, s := range l.sites[:2] {
				p.askUpdate(s, p.manifest).refuses(t, words)
			}
		})
	}
	const unsigned, unfollowed = "neither derived here nor signed", "does not follow from the plan and the versions known here"
	honest := func(version uint64, base, parameters federation.Digest) [][]byte {
		return l.signed(version, base, parameters, l.sites[0], l.sites[1])
	}
	joins("a plan that goes on begins anew", header(0, 5, none, none), "the plan does not say so")
	joins("a plan that goes on starts from an older version", header(3, 5, base, parameters), "the plan does not name it")

	plan := plans.Cardiology()
	plan.Name, plan.Start = "older", federation.Start{Version: 3, Snapshot: base.String()}
	l.restart(plan)
	joins("another snapshot under the number", header(3, 5, other, otherParameters), "the plan starts from "+base.Short())
	joins("another version", header(2, 5, base, parameters), "the plan does not name it")
	joins("statistics", header(0, 5, none, none), "the plan does not say so")
	five := honest(5, other, otherParameters)
	updates("a base that nobody signed", header(3, 5, base, parameters), five, unsigned)
	updates("other parameters than were signed", header(3, 5, base, otherParameters), append(honest(3, base, parameters), five...), unsigned)
	updates("a made-up number", header(3, 9, base, parameters), append(honest(3, base, parameters), l.signed(9, other, otherParameters, l.sites[3])...), unsigned)
	updates("the newest in its place", header(5, 5, other, otherParameters), five, unfollowed)
	updates("an older number", header(3, 4, base, parameters), append(honest(3, base, parameters), honest(4, other, parameters)...), unfollowed)
	l.run(t, "as the plan says", func(t *testing.T) {
		p := l.gather(header(3, 5, base, parameters))
		p.derived = append(honest(3, base, parameters), five...)
		p.askUpdate(l.sites[0], p.manifest).sends(t, "submission")
	})

	plan.Name, plan.Start = "anew", federation.Start{Anew: true}
	l.restart(plan)
	updates("a plan that begins anew goes on", header(5, 5, other, otherParameters), five, unfollowed)
	updates("a number for it that is made up", header(0, 7, none, none), l.signed(7, other, otherParameters, l.sites[3]), unsigned)
	l.run(t, "anew", func(t *testing.T) {
		p := l.gather(header(0, 5, none, none))
		p.derived = five
		p.askUpdate(l.sites[0], p.manifest).sends(t, "submission")
	})
	l.made = plan.Digest()
	updates("anew a second time", header(0, 6, none, none), l.signed(6, base, parameters, l.sites[:2]...), unfollowed)
}
