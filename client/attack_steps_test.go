package client_test

import (
	"testing"

	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
)

// TestStepsOfItsChoice: where the rate of a plan is follows from how many train rounds the base went
// through, which custodians signed with it. A coordinator that says another number chooses no rate.
func TestStepsOfItsChoice(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	h := l.train(1)
	h.Steps = 2
	p := l.gather(h)
	for _, s := range l.sites {
		p.askUpdate(s, p.manifest).refuses(t, participant.ErrStart.Error())
	}
}
