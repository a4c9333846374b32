package client_test

import (
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/models"
	"atrium/storage/storagetest"
)

// TestForksTheLine: no hostile custodian and no hostile hospital. Plan A is asked on version 3,
// its sum opens, and the coordinator keeps quiet about it. People approve plan B, which starts from version 2
// because what came after was a mistake; it makes version 4. Then the coordinator has custodians derive
// what followed from A's sum: it is a version 4 too. Under plan B, which people approved to start
// from version 2 and to go on from what it made, it then asks about the version that A made.
func TestForksTheLine(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	custodians := l.sites[:3]
	a := l.gather(l.train(1))
	listA := a.ready(l.sites, custodians...)
	a.sends(listA, custodians...)
	planA := l.plan

	two, twoParameters := l.base(.5)
	three, threeParameters := l.base(1)
	planB := planA
	planB.Name, planB.Start = "b", federation.Start{Version: 2, Snapshot: two.String()}
	l.restart(planB)
	h := l.open(federation.Train)
	h.Version, h.Newest, h.Base, h.Parameters = 2, 3, two, twoParameters
	h.Questions = l.plan.Questions(h.Kind, h.Parameters)
	b := newPlay(l, h)
	b.derived = append(l.signed(2, two, twoParameters, l.sites[:2]...), l.signed(3, three, threeParameters, l.sites[:2]...)...)
	for _, s := range l.sites {
		b.join(s)
	}
	b.manifest = b.honest()
	listB := b.ready(l.sites, custodians...)
	b.sends(listB, custodians...)
	derive := func(p *play, list federation.Candidate, plan federation.Plan) (words [][]byte, d federation.Derived) {
		l.put(federation.Encode(plan))
		for _, s := range custodians {
			o := p.askDerive(s, list, federation.Derived{}, lies{work: func(w *atriumpb.Work, _ int64) { w.Derived = p.derived }})
			m := o.sends(t, "derived")
			d = decode[federation.Derived](l, m.signed)
			words = append(words, m.signed)
		}
		return words, d
	}
	wordsB, fromB := derive(b, listB, planB)
	l.put(federation.Encode(planA))
	wordsA, fromA := derive(a, listA, planA)
	l.keepOutcome(t, a, listA, planA)
	l.keepOutcome(t, b, listB, planB)
	t.Logf("by plan B: version %d, snapshot %s, plan %s", fromB.Version, fromB.Snapshot.Short(), fromB.Plan.Short())
	t.Logf("by plan A: version %d, snapshot %s, plan %s", fromA.Version, fromA.Snapshot.Short(), fromA.Plan.Short())

	for name, x := range map[string]struct {
		d     federation.Derived
		words [][]byte
	}{"of B": {fromB, wordsB}, "of A, which people left": {fromA, wordsA}} {
		h := l.open(federation.Train)
		h.Version, h.Newest, h.Base, h.Parameters = 4, 4, x.d.Snapshot, x.d.Parameters
		h.Steps = 2
		h.Questions = l.plan.Questions(h.Kind, h.Parameters)
		p := newPlay(l, h)
		p.derived = x.words
		for _, s := range l.sites {
			p.join(s)
		}
		p.manifest = p.honest()
		list := p.ready(l.sites, custodians...)
		p.sends(list, custodians...)
		t.Logf("ATTACK: under plan B a sum opened on version 4 %s (%s)", name, x.d.Snapshot.Short())
		if x.d == fromA {
			t.Error("ATTACK WON: two lines of versions live, and plan B trains on what plan A made")
		}
	}
}

// keepOutcome is what a coordinator does after an opening: it has the snapshot that follows.
func (l *liar) keepOutcome(t *testing.T, p *play, list federation.Candidate, plan federation.Plan) opening.Outcome {
	t.Helper()
	store := storagetest.NewMemory()
	for digest, blob := range l.blobs {
		store.Set(storage.Blob(digest), blob)
	}
	var sends []opening.ShareSums
	for _, raw := range p.sendsInOrder() {
		s := decode[federation.Send](l, raw)
		sums := opening.ShareSums{Custodian: s.Custodian}
		for _, digest := range s.ShareSums {
			sum, err := shamir.Unmarshal(l.blobs[digest], 1<<p.header.Ring.LogN)
			must(t, err)
			sums.ByGroup = append(sums.ByGroup, sum)
		}
		sends = append(sends, sums)
	}
	r := opening.Round{Charter: l.charter, Plan: plan, Header: p.header, Manifest: list.Manifest, Candidate: list}
	sum, err := opening.Open(t.Context(), store, r, sends)
	must(t, err)
	base := models.Snapshot{}
	if !p.header.Base.IsZero() {
		base, err = models.Decode(l.blobs[p.header.Base])
		must(t, err)
	}
	out, err := opening.Conclude(r, sum, base)
	must(t, err)
	if out.Snapshot != nil {
		l.put(models.Encode(*out.Snapshot))
	}
	return out
}
