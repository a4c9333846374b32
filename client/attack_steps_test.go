package client_test

import (
	"math"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// TestStepsOfItsChoice: the rate of a plan goes down over train rounds, and how many there were stands
// in the header (Steps). No hospital and no custodian compares it with anything but the version's number: the
// coordinator says what it likes, all sign, and the version that follows is none that the plan makes.
func TestStepsOfItsChoice(t *testing.T) {
	plan := plans.Cardiology()
	plan.Local.Rate = federation.Rate{Schedule: "step", Every: 1, Factor: .01}
	moved := map[uint64]float64{}
	for _, steps := range []uint64{0, 2} {
		l := newLiar(t, 4, 1, plan)
		custodians := l.sites[:3]
		h := l.train(1)
		h.Steps = steps
		p := l.gather(h)
		list := p.ready(l.sites, custodians...)
		p.sends(list, custodians...)
		var d federation.Derived
		for _, s := range custodians {
			d = decode[federation.Derived](l, p.askDerive(s, list, federation.Derived{}).sends(t, "derived").signed)
		}
		out := l.keepOutcome(t, p, list, l.plan)
		far := 0.0
		for _, tensor := range out.Snapshot.Tensors {
			for _, v := range tensor.F32 {
				if strings.HasPrefix(tensor.Name, "model/") {
					far += math.Pow(float64(v)-1, 2)
				}
			}
		}
		moved[steps] = math.Sqrt(far)
		t.Logf("steps %d in the header: %d custodians derive version %d, parameters moved by %.6f", steps, len(custodians), d.Version, moved[steps])
	}
	if moved[2] < moved[0]/50 {
		t.Error("ATTACK WON: the coordinator chooses the learning rate, and keeps the base still, by a number that nobody checks")
	}
}
