package client_test

import (
	"testing"

	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/models"
	"atrium/storage/storagetest"
)

// TestOneVersionOfANumber: no hostile custodian and no hostile hospital. Plan A is asked, its sum
// opens, and the coordinator keeps quiet about it. People approve plan B, which starts from an older
// version because what came after was a mistake; it makes the next version. What follows from A's sum
// would have the same number: custodians sign nothing of it any more.
func TestOneVersionOfANumber(t *testing.T) {
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
	l.put(federation.Encode(planA))
	for _, s := range custodians {
		b.askDerive(s, listB, federation.Derived{}).sends(t, "derived")
		a.askDerive(s, listA, federation.Derived{}).refuses(t, participant.ErrFork.Error())
	}
}

// TestOneQuestionOnOneBase: what statistics make has the same parameters whatever they are. Of two
// statistics rounds, one of which people released, custodians derive one version 1.
func TestOneQuestionOnOneBase(t *testing.T) {
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
	for _, s := range custodians {
		second.askDerive(s, list2, federation.Derived{}).sends(t, "derived")
		first.askDerive(s, list1, federation.Derived{}).refuses(t, participant.ErrFork.Error())
	}
}

// keepOutcome is what a coordinator does after an opening: it has the snapshot that follows.
func (p *play) keepOutcome(list federation.Candidate) {
	l, t := p.l, p.l.t
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
	r := opening.Round{Charter: l.charter, Plan: l.plan, Header: p.header, Manifest: list.Manifest, Candidate: list}
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
}
