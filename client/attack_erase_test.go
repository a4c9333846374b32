package client_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// TestErasesAfterRelease: the people of every hospital release the statistics once, for
// another plan. One hostile hospital (h = 1) makes that second sum fail a gate, so it is to be asked
// again of the same S with the integers that were kept. The coordinator then shows the victim, alone,
// the genuine old words of custodians about the FIRST sum, whose question is the same: the victim
// erases the integers of the question that is open again, and computes anew. No custodian lies.
func TestErasesAfterRelease(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	victim, custodians := l.sites[1], l.sites[1:]
	first := l.gather(l.statistics())
	list := first.ready(l.sites, custodians...)
	first.sends(list, custodians...)
	var words [][]byte
	for _, s := range custodians {
		m := first.askDerive(s, list, federation.Derived{}).sends(t, "derived")
		if d := decode[federation.Derived](l, m.signed); d.Result.IsZero() {
			t.Fatal("the first did not hold")
		}
		words = append(words, m.signed)
	}
	plan := l.plan
	plan.Name, plan.Start.Anew = "another", true
	l.newest = 1
	l.released(plan, l.sites, first.manifest.Digest())

	second := l.gather(l.statistics())
	bad := make([]uint32, second.header.Format.Count())
	bad[1] = 1 << 31
	list, before := second.without(bad, custodians...)
	for _, s := range custodians {
		if d := decode[federation.Derived](l, second.askDerive(s, list, federation.Derived{}).sends(t, "derived").signed); !d.Result.IsZero() {
			t.Fatal("the second held")
		}
	}
	// One more patient at the victim.
	victim.stop()
	raw, err := os.ReadFile(victim.cfg.Train)
	must(t, err)
	rows := strings.Split(strings.TrimSpace(string(raw)), "\n")
	t.Logf("the new patient (truth):\n%s\n%s", rows[0], rows[1])
	must(t, os.WriteFile(victim.cfg.Train, []byte(strings.Join(append(rows, rows[1]), "\n")+"\n"), 0o600))
	l.start(victim)
	t.Cleanup(func() { victim.stop() })

	for _, replay := range []bool{false, true} {
		third := l.gather(l.statistics())
		if replay {
			w := third.work("update", third.manifest)
			w.Derived = words // genuine, of the first sum
			third.subs[victim.id] = l.ask(victim, func(int64) *atriumpb.Work { return w }).sends(t, "submission")
		} else {
			third.collect(victim)
		}
		third.collect(l.sites[2:]...)
		fields := make([]uint32, len(bad))
		if !replay {
			copy(fields, bad) // fails again
		}
		third.hostile(l.sites[0], fields)
		list := third.of(l.sites...)
		third.readied(list, custodians...)
		third.sends(list, custodians...)
		sent := map[federation.HospitalID][]byte{}
		for id, m := range third.sent {
			sent[id] = m.parts[0]
		}
		after := third.fields(list, sent)
		if !replay { // the control: what was kept is encrypted again
			after[1] -= uint64(bad[1])
			if !slices.Equal(before, after) {
				t.Error("without the replay the honest sums differ too")
			}
			for _, s := range custodians {
				third.askDerive(s, list, federation.Derived{}).sends(t, "derived")
			}
			continue
		}
		scale := float64(l.plan.Privacy.WeightCap) / float64(1<<32-1)
		stolen := false
		for i, f := range l.plan.Features {
			n, z := float64(int64(after[3*i]-before[3*i]))*scale, float64(int64(after[3*i+1]-before[3*i+1]))*scale
			stolen = stolen || n > .5
			t.Logf("stolen %s: n %+.3f, value %.2f", f.Name, n, f.Min+z*(f.Max-f.Min))
		}
		if stolen {
			t.Error("the attack won: two sums over the same S of one open question; their difference is one patient of one hospital")
		}
	}
}
