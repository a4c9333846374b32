package client_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// admits adds a patient to a hospital's records and starts its daemon anew.
func (l *liar) admits(t *testing.T, s *site) {
	t.Helper()
	s.stop()
	raw, err := os.ReadFile(s.cfg.Train)
	must(t, err)
	rows := strings.Split(strings.TrimSpace(string(raw)), "\n")
	t.Logf("the new patient (truth):\n%s\n%s", rows[0], rows[1])
	must(t, os.WriteFile(s.cfg.Train, []byte(strings.Join(append(rows, rows[1]), "\n")+"\n"), 0o600))
	l.start(s)
	t.Cleanup(func() { s.stop() })
}

// TestRecomputesWithoutEnd: the people of one hospital say once "ours was wrong" about round
// 11, told that it computes anew "once". Rounds are numbered by the coordinator and nobody compares the
// number, so it asks again under numbers below 11, and the hospital computes anew each time: one
// hostile hospital (h = 1) makes each sum fail, the custodians free the question each time.
func TestRecomputesWithoutEnd(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	victim, custodians := l.sites[1], l.sites[1:]
	fails := func(number uint64) []uint64 {
		l.round = number - 1
		p := l.gather(l.statistics())
		bad := make([]uint32, p.header.Format.Count())
		bad[1] = 1 << 31
		list, honest := p.without(bad, custodians...)
		for _, s := range custodians {
			if d := decode[federation.Derived](l, p.askDerive(s, list, federation.Derived{}).sends(t, "derived").signed); !d.Result.IsZero() {
				t.Fatal("it held")
			}
		}
		return honest
	}
	fails(11)
	failed, err := client.ReadFailed(victim.cfg.State)
	must(t, err)
	must(t, client.SayWrong(victim.cfg.State, failed, "somebody"))
	before := fails(2) // what the people agreed to
	for day := range 3 {
		l.admits(t, victim)
		after := fails(uint64(3 + day))
		scale := float64(l.plan.Privacy.WeightCap) / float64(1<<32-1)
		stolen := ""
		for i, f := range l.plan.Features {
			if n := float64(int64(after[3*i]-before[3*i])) * scale; n > .5 {
				z := float64(int64(after[3*i+1]-before[3*i+1])) * scale
				stolen += f.Name + "=" + fmt.Sprintf("%.1f", f.Min+z*(f.Max-f.Min)) + " "
			}
		}
		if stolen != "" {
			t.Errorf("the attack won, computed anew again on day %d; stolen: %s", day+1, stolen)
		}
		before = after
	}
}
