package client_test

import (
	"slices"
	"testing"

	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// equivocates is another Send of a hostile custodian for the same candidate, with a wrong share sum.
func (p *play) equivocates(s *site) message {
	l := p.l
	m := p.sent[s.id]
	send := decode[federation.Send](l, m.signed)
	parts, group := slices.Clone(m.parts), l.charter.GroupOf(s.id)
	send.ShareSums = slices.Clone(send.ShareSums)
	parts[group] = slices.Clone(parts[group])
	parts[group][len(parts[group])-1] ^= 1 // still a share sum, of something else
	send.ShareSums[group] = l.put(parts[group])
	return message{kind: "send", signed: federation.Encode(sign(l, s, send)), parts: parts}
}

// dealt is a round in which a hostile member deals some custodians wrong shares and everybody sends.
func (p *play) dealt(h *site, wrong []*site, others []*site, custodians ...*site) federation.Candidate {
	p.collect(others...)
	p.hostile(h, p.stays(), wrong...)
	list := p.of(append([]*site{h}, others...)...)
	p.readied(list, custodians...)
	p.sends(list, custodians...)
	return list
}

// stays is the vector of a hospital that has the fewest records and changes nothing.
func (p *play) stays() []uint32 {
	fields := make([]uint32, p.header.Format.Count())
	at := 0
	for _, s := range p.header.Format.Segments {
		for i := range s.Count {
			if s.Encoding == "signed" {
				fields[at+i] = uint32(s.Zero(p.header.Format.Bits))
			}
		}
		if s.Name == federation.SegmentWeight {
			fields[at] = uint32(p.l.plan.Privacy.MinRecords)
		}
		at += s.Count
	}
	return fields
}

// TestTwoVerdicts: one hospital works with the coordinator, as a member and as a custodian. As a
// member it deals custodian A a wrong share; as a custodian it signs two Sends, one right and one
// wrong. So A derives that the sum held, and the others that nothing holds, and free the question
// for the same S. A's word and the hostile one's are f+1: shown to one hospital alone they
// make it erase what it kept. It encrypts nothing more for the question, so that there is no second
// vector, and A, who said that it held, never says that it failed.
func TestTwoVerdicts(t *testing.T) {
	for name, n := range map[string]int{"five": 5, "the default numbers of six": 6, "the default numbers of four, all of them": 4} {
		t.Run(name, func(t *testing.T) {
			if n != 5 {
				numbersOf = func(int, int) federation.Numbers { return federation.Numbers{} }
				defer func() { numbersOf = federation.Tolerant }()
			}
			twoVerdicts(t, n)
		})
	}
}

func twoVerdicts(t *testing.T, n int) {
	l := newLiar(t, n, 1, plans.Cardiology())
	h, a, victim := l.sites[0], l.sites[1], l.sites[n-1]
	others := l.sites[1:]
	first := l.gather(l.train(0.01))
	list := first.dealt(h, []*site{a}, others, l.sites...)
	held := first.askDerive(a, list, federation.Derived{}).sends(t, "derived").signed
	d := decode[federation.Derived](l, held)
	if d.Result.IsZero() {
		t.Fatal("A derives nothing")
	}
	d.Custodian = h.id
	first.sent[h.id] = first.equivocates(h)
	for _, s := range l.sites[2:] {
		if d := decode[federation.Derived](l, first.askDerive(s, list, federation.Derived{}).sends(t, "derived").signed); !d.Result.IsZero() {
			t.Fatalf("%s derives that it held", s.name)
		}
	}
	first.askDerive(a, list, federation.Derived{}).refuses(t, participant.ErrAnswered.Error())
	second := l.gather(l.train(0.01))
	w := second.work("update", second.manifest)
	w.Derived = append(w.Derived, held, federation.Encode(sign(l, h, d)))
	l.ask(victim, func(int64) *atriumpb.Work { return w }).refuses(t, participant.ErrAnswered.Error())
	second.askUpdate(victim, second.manifest).refuses(t, participant.ErrAnswered.Error()) // without the words too
}

// TestTwoVerdictsOfSelectedSends: nobody signs two Sends. Seven custodians, t = 5, f = 1 as people
// chose it, and a hostile member deals two of them wrong shares. Shown six Sends with one wrong a
// custodian derives that the sum held, shown six with two wrong that nothing holds.
func TestTwoVerdictsOfSelectedSends(t *testing.T) {
	numbersOf = func(int, int) federation.Numbers { return federation.Numbers{MaxHostile: 1} }
	defer func() { numbersOf = federation.Tolerant }()
	l := newLiar(t, 7, 1, plans.Cardiology())
	h, a, b, victim := l.sites[0], l.sites[1], l.sites[2], l.sites[6]
	first := l.gather(l.train(0.01))
	list := first.dealt(h, []*site{a, b}, l.sites[1:], l.sites...)
	but := func(left *site) lies { // the Sends as they were signed, without one
		return lies{work: func(w *atriumpb.Work, _ int64) {
			w.Sends = nil
			for _, id := range l.charter.Custodians {
				if id != left.id {
					w.Sends = append(w.Sends, first.sent[id].signed)
				}
			}
		}}
	}
	var words [][]byte
	for _, s := range []*site{a, b} {
		m := first.askDerive(s, list, federation.Derived{}, but(b)).sends(t, "derived")
		if decode[federation.Derived](l, m.signed).Result.IsZero() {
			t.Fatal("nothing held")
		}
		words = append(words, m.signed)
	}
	for _, s := range l.sites[3:] {
		if d := decode[federation.Derived](l, first.askDerive(s, list, federation.Derived{}, but(l.sites[3])).sends(t, "derived").signed); !d.Result.IsZero() {
			t.Fatalf("%s derives that it held", s.name)
		}
	}
	second := l.gather(l.train(0.01))
	w := second.work("update", second.manifest)
	w.Derived = append(w.Derived, words...)
	l.ask(victim, func(int64) *atriumpb.Work { return w }).refuses(t, participant.ErrAnswered.Error())
}

// TestTwoVersionsOfOneSum: in two groups half of the custodians are made to derive a version from
// both groups, half one from one group alone. Each has the words of f+1, and who derived one takes
// no other of that number, whoever signed it.
func TestTwoVersionsOfOneSum(t *testing.T) {
	l := newLiar(t, 6, 2, plans.Cardiology())
	h, a := l.sites[0], l.sites[1]
	first := l.gather(l.train(0.01))
	list := first.dealt(h, []*site{a}, l.sites[1:], l.sites...)
	derives := func(sites ...*site) (words [][]byte, d federation.Derived) {
		first.keepOutcome(list)
		for _, s := range sites {
			m := first.askDerive(s, list, federation.Derived{}).sends(t, "derived")
			d = decode[federation.Derived](l, m.signed)
			words = append(words, m.signed)
		}
		return words, d
	}
	whole, ofBoth := derives(l.sites[:3]...)
	first.sent[h.id] = first.equivocates(h)
	less, ofOne := derives(l.sites[3:]...)
	if ofBoth.Snapshot == ofOne.Snapshot || ofBoth.Version != ofOne.Version {
		t.Fatalf("one version: %+v", ofBoth)
	}
	l.newest = ofBoth.Version
	for d, sites := range map[federation.Derived][]*site{ofBoth: l.sites[3:], ofOne: l.sites[:3]} {
		header := l.trainOn(d.Snapshot, d.Parameters)
		header.Steps = d.Steps
		p := l.gather(header)
		p.derived = slices.Concat(whole, less)
		for _, s := range sites {
			p.askUpdate(s, p.manifest).refuses(t, participant.ErrFork.Error())
		}
	}
}
