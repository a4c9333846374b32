package client_test

import (
	"crypto/rand"
	"slices"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/envelope"
	"atrium/privacy/shamir"
	"atrium/storage"
)

// dealer is hostile, but deals a wrong share of its one-time key to one custodian.
func (p *play) dealer(s *site, fields []uint32, wrong *site) {
	l, t := p.l, p.l.t
	t.Helper()
	params, err := opening.Parameters(p.header.Ring)
	must(t, err)
	key, err := params.NewKey(rand.Reader)
	must(t, err)
	group := l.charter.GroupOf(s.id)
	sub := federation.Submission{V: 1, Manifest: p.manifest.Digest(), Hospital: s.id, Group: group}
	var wires [][]byte
	for _, seg := range params.Segments(opening.SegmentTarget) {
		from, to := params.Fields(seg.First, seg.Last)
		wire, err := params.EncryptBlocks(nil, seg.First, seg.Last, federation.PublicSeed(sub.Manifest, group), key, fields[from:to], rand.Reader)
		must(t, err)
		wires = append(wires, wire)
		sub.Segments = append(sub.Segments, federation.Sum(wire))
	}
	shares, err := shamir.Share(key.Coefficients(), l.charter.Threshold, len(l.charter.Custodians), rand.Reader)
	must(t, err)
	var sealed [][]byte
	for i, id := range l.charter.Custodians {
		if _, joined := p.joins[id]; !joined {
			sealed, sub.Envelopes = append(sealed, nil), append(sub.Envelopes, federation.Digest{})
			continue
		}
		if wrong != nil && id == wrong.id {
			shares[i][0] = (shares[i][0] + 1) % shamir.P
		}
		e, err := envelope.Seal(decode[federation.Join](l, federation.Encode(p.joins[id])).Key,
			envelope.AssociatedData{Manifest: sub.Manifest, UpdateRoot: sub.UpdateRoot(), From: s.id, To: id}, shamir.Marshal(shares[i]))
		must(t, err)
		sealed = append(sealed, e)
		sub.Envelopes = append(sub.Envelopes, federation.Sum(e))
	}
	for i, wire := range wires {
		name, err := storage.UpdateSegment(p.header.Digest(), string(s.id), sub.UpdateRoot(), i)
		must(t, err)
		must(t, storage.PutOnce(t.Context(), l.updates, name, wire))
	}
	p.subs[s.id] = message{kind: "submission", signed: federation.Encode(sign(l, s, sub)), parts: sealed}
}

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

// TestTwoVerdicts: five hospitals, all custodians: t = 4, f = 1, h = 1, nobody released or said
// anything. One hospital works with the coordinator, as a member and as a custodian. As a member it deals
// custodian A a wrong share, so that A's honest share sum is wrong; as a custodian it signs two Sends, one right
// and one wrong. With the right one four of five share sums agree and the sum opens; with the wrong one three
// do, and five are as many as show that nothing ever will. So A derives that the sum held, and B, C, D from the
// same log that nothing holds, and free the question for the same S. A's word and the hostile one's are f+1:
// shown to D alone, D erases what it kept for the question and computes anew. The others encrypt what they kept.
func TestTwoVerdicts(t *testing.T) {
	l := newLiar(t, 5, 1, plans.Cardiology())
	c := l.charter
	t.Logf("m=%d t=%d f=%d h=%d K=%d cohort %q", len(c.Custodians), c.Threshold, c.MaxHostile, c.MaxHostileMembers, c.MinCohort, c.CohortWord())
	h, a, victim := l.sites[0], l.sites[1], l.sites[4]
	members, failing := []*site{h, l.sites[2], l.sites[3], victim}, l.sites[2:]

	first := l.gather(l.statistics())
	fields := make([]uint32, first.header.Format.Count())
	open := func(p *play, wrong *site, custodians ...*site) (federation.Candidate, []uint64) {
		p.collect(failing...)
		p.dealer(h, fields, wrong)
		list := p.of(members...)
		p.readied(list, custodians...)
		p.sends(list, custodians...)
		sent := map[federation.HospitalID][]byte{}
		for _, s := range members {
			sent[s.id] = p.sent[s.id].parts[0]
		}
		return list, p.fields(list, sent)
	}
	list, before := open(first, a, l.sites...)
	held := first.askDerive(a, list, federation.Derived{}).sends(t, "derived").signed
	d := decode[federation.Derived](l, held)
	if d.Result.IsZero() {
		t.Fatal("A derives nothing")
	}
	d.Custodian = h.id
	words := [][]byte{held, federation.Encode(sign(l, h, d))}
	first.sent[h.id] = first.equivocates(h)
	for _, s := range members { // the hostile one's daemon is made to free the question like the others
		if d := decode[federation.Derived](l, first.askDerive(s, list, federation.Derived{}).sends(t, "derived").signed); !d.Result.IsZero() {
			t.Fatalf("%s derives that it held", s.name)
		}
	}
	t.Logf("from one log A derives version %d, and %d honest custodians that nothing holds", d.Version, len(failing))

	l.admits(t, victim)
	second := l.gather(l.statistics(), members...)
	w := second.work("update", second.manifest)
	w.Derived = words
	l.ask(victim, func(int64) *atriumpb.Work { return w }).sends(t, "submission")
	_, after := open(second, nil, members...)
	scale := float64(l.plan.Privacy.WeightCap) / float64(1<<32-1)
	stolen := 0
	for i, f := range l.plan.Features {
		n, z := float64(int64(after[3*i]-before[3*i]))*scale, float64(int64(after[3*i+1]-before[3*i+1]))*scale
		if n > .5 {
			stolen++
		}
		t.Logf("stolen %s: n %+.3f, value %.2f", f.Name, n, f.Min+z*(f.Max-f.Min))
	}
	if stolen > 0 {
		t.Error("ATTACK WON: two sums of one question, nobody released anything; their difference is one patient of one hospital")
	}
}
