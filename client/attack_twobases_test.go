package client_test

import (
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// TestOneQuestionTwoBases: a question names the parameters of its base, and what statistics make
// of a plan has the same parameters whatever the statistics: only the normalisation differs. People released
// the statistics once (for a plan with another name), the coordinator has both sums derived late, so that both
// are "version 1". One hostile hospital (h = 1) makes the train sum on the one fail a gate, so custodians free
// the question for the same S "in the same form": that form names no base. Asked on the other version 1,
// every hospital computes anew, and a second, different sum of the same question over the same S opens.
func TestOneQuestionTwoBases(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	custodians := l.sites[1:]
	planA := l.plan
	first := l.gather(l.statistics())
	list1 := first.ready(l.sites, custodians...)
	first.sends(list1, custodians...)
	l.newest = 0
	planB := planA
	planB.Name, planB.Start.Anew = "b", true
	l.released(planB, l.sites, first.manifest.Digest())
	second := l.gather(l.statistics())
	list2 := second.ready(l.sites[1:], custodians...)
	second.sends(list2, custodians...)
	l.put(federation.Encode(planA))
	derive := func(p *play, list federation.Candidate, plan federation.Plan) (words [][]byte, d federation.Derived) {
		for _, s := range custodians {
			o := p.askDerive(s, list, federation.Derived{}, lies{work: func(w *atriumpb.Work, _ int64) { w.Derived = p.derived }})
			m := o.sends(t, "derived")
			d = decode[federation.Derived](l, m.signed)
			words = append(words, m.signed)
		}
		if d.Version > 0 {
			l.keepOutcome(t, p, list, plan)
		}
		return words, d
	}
	words, b := derive(second, list2, planB)
	wordsA, a := derive(first, list1, planA)
	t.Logf("version %d: snapshot %s, parameters %s", b.Version, b.Snapshot.Short(), b.Parameters.Short())
	t.Logf("version %d: snapshot %s, parameters %s", a.Version, a.Snapshot.Short(), a.Parameters.Short())
	words = append(words, wordsA...)
	l.newest = 1
	train := func(d federation.Derived, hold bool) []uint64 {
		p := l.gather(l.trainOn(d.Snapshot, d.Parameters))
		p.derived = words
		fields := make([]uint32, p.header.Format.Count())
		at := 0
		for _, s := range p.header.Format.Segments {
			for i := range s.Count {
				if s.Encoding == "signed" {
					fields[at+i] = uint32(s.Zero(p.header.Format.Bits))
				}
			}
			if s.Name == federation.SegmentWeight {
				fields[at] = uint32(l.plan.Privacy.MinRecords)
				if !hold {
					fields[at] = 1<<p.header.Format.Bits - 1
				}
			}
			at += s.Count
		}
		list, honest := p.without(fields, custodians...)
		_, d2 := derive(p, list, l.plan)
		t.Logf("train on snapshot %s: question %s, S of all; held: %v", d.Snapshot.Short(), p.header.Questions[0][:18], !d2.Result.IsZero())
		return honest
	}
	one := train(b, false)
	again := train(b, false)
	two := train(a, true)
	differ := func(x, y []uint64) (n int) {
		for i := range x {
			if x[i] != y[i] {
				n++
			}
		}
		return n
	}
	t.Logf("the same base again: %d of %d fields of the honest sum differ", differ(one, again), len(one))
	t.Logf("on the other base: %d of %d fields of the honest sum differ", differ(one, two), len(one))
	t.Log(one[:8], two[:8])
	if differ(one, again) == 0 && differ(one, two) > 0 {
		t.Error("ATTACK WON: two different sums of one question over the same S")
	}
}
