package client_test

import (
	"crypto/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/envelope"
	"atrium/privacy/shamir"
	"atrium/storage"
)

// hostile submits a vector of the attacker's choice as a hospital that helps it, and deals wrong
// shares of its one-time key to some custodians.
func (p *play) hostile(s *site, fields []uint32, wrong ...*site) {
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
		if slices.ContainsFunc(wrong, func(w *site) bool { return w.id == id }) {
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

// open plays a round of all, in which the first hospital submits fields, and returns the sum of
// the others as the attacker has it.
func (p *play) without(fields []uint32, custodians ...*site) (federation.Candidate, []uint64) {
	l := p.l
	l.t.Helper()
	p.collect(l.sites[1:]...)
	p.hostile(l.sites[0], fields)
	list := p.of(l.sites...)
	p.readied(list, custodians...)
	p.sends(list, custodians...)
	sent := map[federation.HospitalID][]byte{}
	for id, m := range p.sent {
		sent[id] = m.parts[0]
	}
	sum := p.fields(list, sent)
	for i := range sum {
		sum[i] -= uint64(fields[i])
	}
	return list, sum
}

// TestOneHospitalsDifference: h = 1 hostile hospital of four. It makes its group fail a gate, so
// that custodians free the question for the same S; the coordinator nevertheless knows the honest
// sum. A second manifest, with a column masked that need not be, is shown to the victim alone,
// which lets go of the integers that it encrypted. Then the question is opened once more: three
// of four vectors are as before, and the difference of the two honest sums is one patient of the
// victim, who was admitted in between.
func TestOneHospitalsDifference(t *testing.T) {
	for _, masked := range []bool{false, true} {
		l := newLiar(t, 4, 1, plans.Cardiology())
		victim := l.sites[1]
		l.lose("chol", l.sites[0]) // or nobody could mask it
		first := l.gather(l.statistics())
		bad := make([]uint32, first.header.Format.Count())
		bad[1] = 1 << 31 // Σz without records: the gate "moments"
		list, before := first.without(bad, l.sites[1:]...)
		for _, s := range l.sites[1:] {
			d := decode[federation.Derived](l, first.askDerive(s, list, federation.Derived{}).sends(t, "derived").signed)
			if !d.Result.IsZero() {
				t.Fatalf("the group holds")
			}
		}
		// One more patient at the victim.
		victim.stop()
		raw, err := os.ReadFile(victim.cfg.Train)
		must(t, err)
		rows := strings.Split(strings.TrimSpace(string(raw)), "\n")
		t.Logf("the new patient: %s\n%s", rows[0], rows[1])
		must(t, os.WriteFile(victim.cfg.Train, []byte(strings.Join(append(rows, rows[1]), "\n")+"\n"), 0o600))
		l.start(victim)
		t.Cleanup(func() { victim.stop() })
		if masked { // never opened
			only := l.gather(l.statistics())
			only.manifest.Masked = []federation.Columns{federation.ColumnsOf(chol)}
			only.askUpdate(victim, only.manifest).sends(t, "submission")
		}
		second := l.gather(l.statistics())
		_, after := second.without(make([]uint32, len(bad)), l.sites[1:]...)
		same := slices.Equal(before, after)
		t.Logf("masked for the victim alone: %v; same honest sum: %v", masked, same)
		if same {
			continue
		}
		scale := float64(l.plan.Privacy.WeightCap) / float64(1<<32-1)
		for i, f := range l.plan.Features {
			n, z := float64(int64(after[3*i]-before[3*i]))*scale, float64(int64(after[3*i+1]-before[3*i+1]))*scale
			t.Logf("%s: n %+.3f, value %.2f", f.Name, n, f.Min+z*(f.Max-f.Min))
		}
		t.Error("two sums of one question were opened; their difference is one patient")
	}
}
