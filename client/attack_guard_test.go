package client_test

import (
	"testing"

	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// evaluate is the honest header of an evaluate round of base x.
func (l *liar) evaluate(x float64) federation.Header {
	h := l.open(federation.Evaluate)
	h.Version, h.Newest = l.newest, l.newest
	h.Base, h.Parameters = l.base(x)
	h.Questions = l.plan.Questions(h.Kind, h.Parameters)
	return h
}

// TestNearlyTheSameVersion: after a sum over all, a coordinator that lies keeps the base nearly
// still and asks for the sum without one hospital; and for an evaluation without one after an
// evaluation of all, on whatever version. Custodians are ready for the same hospitals only.
// The base that they judge by is that which f+1 of them signed and whose bytes they read.
func TestNearlyTheSameVersion(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	if l.charter.Guard != federation.DefaultGuard {
		t.Fatalf("guard %v", l.charter.Guard)
	}
	all, less := l.sites, l.sites[1:]
	l.gather(l.train(60)).opened(all, all[:3])
	l.run(t, "training without one", func(t *testing.T) {
		p := l.gather(l.train(60.01)).collect() // 0.00017 of its norm
		for _, s := range all[:3] {
			p.askReady(s, p.of(less...)).refuses(t, federation.ErrGuard.Error())
		}
		p.askReady(all[0], p.of(all...)).sends(t, "ready")
	})
	l.restart(l.plan)
	l.run(t, "restarted", func(t *testing.T) {
		p := l.gather(l.train(60.02)).collect()
		p.askReady(all[1], p.of(less...)).refuses(t, federation.ErrGuard.Error())
	})
	l.run(t, "far away", func(t *testing.T) {
		p := l.gather(l.train(61)).collect()
		p.askReady(all[0], p.of(less...)).sends(t, "ready")
	})
	l.gather(l.evaluate(70)).opened(all, all[:3])
	l.run(t, "evaluations without one", func(t *testing.T) {
		p := l.gather(l.evaluate(80)).collect()
		for _, s := range all[:3] {
			p.askReady(s, p.of(less...)).refuses(t, participant.ErrLine.Error())
		}
		p.sends(p.ready(all, all[:3]...), all[:3]...)
	})
}
