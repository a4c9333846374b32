package client_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/storage"
)

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

// TestWholeUpdate is TestTwoVerdicts in a train round: the victim alone computes anew, and the
// number of steps in the header, which is no part of the form and which nobody checks, makes its second update
// a hundredth of the first. So the difference of the two sums is the victim's whole update.
func TestWholeUpdate(t *testing.T) {
	plan := plans.Cardiology()
	plan.Local.Rate = federation.Rate{Schedule: "step", Every: 1, Factor: .01}
	l := newLiar(t, 5, 1, plan)
	h, a, victim := l.sites[0], l.sites[1], l.sites[4]
	members, failing := []*site{h, l.sites[2], l.sites[3], victim}, l.sites[2:]
	open := func(p *play, wrong *site, custodians ...*site) (federation.Candidate, []uint64) {
		p.collect(failing...)
		p.dealer(h, p.stays(), wrong)
		list := p.of(members...)
		p.readied(list, custodians...)
		p.sends(list, custodians...)
		sent := map[federation.HospitalID][]byte{}
		for _, s := range members {
			sent[s.id] = p.sent[s.id].parts[0]
		}
		return list, p.fields(list, sent)
	}
	first := l.gather(l.train(0.01))
	list, before := open(first, a, l.sites...)
	held := first.askDerive(a, list, federation.Derived{}).sends(t, "derived").signed
	d := decode[federation.Derived](l, held)
	if d.Result.IsZero() {
		t.Fatal("A derives nothing")
	}
	d.Custodian = h.id
	words := [][]byte{held, federation.Encode(sign(l, h, d))}
	first.sent[h.id] = first.equivocates(h)
	for _, s := range members {
		if d := decode[federation.Derived](l, first.askDerive(s, list, federation.Derived{}).sends(t, "derived").signed); !d.Result.IsZero() {
			t.Fatalf("%s derives that it held", s.name)
		}
	}
	victim.stop()
	truth := victim.vector(t)
	l.start(victim)
	t.Cleanup(func() { victim.stop() })

	header := l.train(0.01)
	header.Steps = 2
	second := l.gather(header, members...)
	w := second.work("update", second.manifest)
	w.Derived = append(w.Derived, words...)
	l.ask(victim, func(int64) *atriumpb.Work { return w }).sends(t, "submission")
	_, after := open(second, nil, members...)

	var dot, x2, y2 float64
	n := l.plan.ParameterCount()
	zero := second.stays()
	for i := range n {
		x := float64(before[i]) - float64(after[i]) // what the coordinator has
		y := float64(truth[i]) - float64(zero[i])   // what the victim encrypted
		dot, x2, y2 = dot+x*y, x2+x*x, y2+y*y
		t.Logf("parameter %2d: stolen %9.0f, truth %9.0f", i, x/.99, y)
	}
	cosine := dot / math.Sqrt(x2*y2)
	t.Logf("cosine %.6f", cosine)
	if cosine > .99 {
		t.Error("ATTACK WON: the whole update of one hospital, with f = 1, h = 1, and no release")
	}
}

// vector reads the integers that a hospital keeps, while no daemon runs.
func (s *site) vector(t *testing.T) (fields []uint32) {
	s.read(t, func(b storage.Bucket) {
		objects, err := b.List(t.Context(), "integers/")
		must(t, err)
		for _, o := range objects {
			if strings.HasSuffix(o.Name, "/note") {
				continue
			}
			raw, err := b.Get(t.Context(), o.Name, 0, -1)
			must(t, err)
			for at := 0; at < len(raw); at += 4 {
				fields = append(fields, binary.LittleEndian.Uint32(raw[at:]))
			}
		}
	})
	return fields
}
