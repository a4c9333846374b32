package client_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"atrium/client"
	"atrium/client/evidence"
	"atrium/client/train"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage/storagetest"
)

// TestForgedSum: a candidate whose C is not the sum of what its members submitted. Where the
// ciphertexts are small custodians add them, and none is ready.
func TestForgedSum(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	p := l.gather(l.train(1)).collect()
	list := p.of(l.sites...)
	earlier := l.gather(l.train(2)).collect()
	for name, c := range map[string]federation.Digest{
		"of all but one":          p.of(l.sites[1:]...).Sums[0],
		"of another round":        earlier.of(l.sites...).Sums[0],
		"of one hospital's bytes": l.put([]byte("not a list")),
		"that nobody has":         federation.Sum([]byte("nothing")),
	} {
		l.run(t, "a sum "+name, func(t *testing.T) {
			q := l.gather(l.train(1)).collect()
			forged := summed(q.of(l.sites...), c)
			for _, s := range l.sites {
				o := q.askReady(s, forged)
				o.refuses(t, "the ciphertext sum is not that of the candidate")
				if d := decode[federation.Decline](l, o.sends(t, "decline").signed); d.Role != federation.RoleCustodian {
					t.Errorf("declined as %s: %s", d.Role, d.Reason)
				}
				if name == "that nobody has" { // whoever added needs nothing of it
					q.objects(t, s, federation.Difference{What: evidence.SumOf(0), Says: c.String(), Follows: q.of(l.sites...).Sums[0].String()})
				}
			}
		})
	}
	l.run(t, "ciphertexts that were not submitted", func(t *testing.T) {
		q := l.gather(l.train(3)).collect()
		list = q.of(l.sites...)
		l.updates = earlierUpdates(l)
		q.askReady(l.sites[0], list).refuses(t, "fetch")
	})
}

// objects checks what a custodian kept as evidence of a round.
func (p *play) objects(t *testing.T, s *site, want ...federation.Difference) {
	t.Helper()
	_, found, err := readEvidence(t, s, p.l.charter, p.header.Round)
	if err != nil || !slices.Equal(found.Differs, want) {
		t.Errorf("%s: the evidence says %+v, want %+v: %v", s.name, found.Differs, want, err)
	}
}

// TestMuchEvidence: a coordinator that lies without end does not fill a hospital's disk, and
// nothing that was kept gives way.
func TestMuchEvidence(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	p := l.gather(l.train(1))
	list, s := p.ready(l.sites, l.sites...), l.sites[0]
	p.sends(list, l.sites[:3]...)
	for i := range 40 {
		p.askDerive(s, list, federation.Derived{Result: federation.Sum([]byte{byte(i)})}).sends(t, "derived")
	}
	names, err := filepath.Glob(filepath.Join(s.cfg.State, client.EvidenceFolder, "*"))
	must(t, err)
	first, _, err := readEvidence(t, s, l.charter, p.header.Round)
	if err != nil || len(names) != 32 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	if e, err := round.DecodeEntry(first.Entry); err != nil || e.Blob != federation.Sum([]byte{31}) {
		t.Errorf("the newest is of result %s: %v", e.Blob.Short(), err)
	}
}

// earlierUpdates is what the coordinator stored, with every byte turned.
func earlierUpdates(l *liar) *storagetest.Memory {
	other := l.updates.Clone()
	objects, err := other.List(l.t.Context(), "")
	must(l.t, err)
	for _, o := range objects {
		data, err := other.Get(l.t.Context(), o.Name, 0, -1)
		must(l.t, err)
		data[len(data)/2] ^= 1
		other.Set(o.Name, data)
	}
	return other
}

// still is a trainer whose model does not change: for models that are large.
type still struct{ train.Trainer }

func (still) Train(_ context.Context, base, _, _, _ []float32, _ int, _ federation.Local, _ uint64) ([]float32, float64, error) {
	return make([]float32, len(base)), 0, nil
}
func (still) Close() error { return nil }

// vouched has members of S vouch for a candidate, all at one checkpoint.
func (p *play) vouched(list federation.Candidate, sites ...*site) [][]byte {
	p.l.t.Helper()
	e, index := p.names(list)
	var vouches [][]byte
	for _, s := range sites {
		vouches = append(vouches, p.ask(s, "vouch", list, e, index).sends(p.l.t, "vouch").signed)
	}
	return vouches
}

// TestForgedLargeSum: above the bound custodians are ready without adding. They send only
// under the word of every member of S that its own ciphertext is in C.
func TestForgedLargeSum(t *testing.T) {
	plan := plans.Cardiology()
	plan.Model = federation.Model{Kind: federation.MLP, Hidden: []int{1000, 950}}
	l := newLiar(t, 4, 1, plan, func(c *client.Config) { c.Trainer = still{} })
	p := l.gather(l.train(0.01)).collect()
	true := p.of(l.sites...)
	if bytes, err := p.roundOf(true).Bytes(); err != nil || bytes <= federation.AddBytes {
		t.Fatalf("%d bytes of ciphertext are added: %v", bytes, err)
	}
	to, hostile := l.sites[0], l.sites[3]
	less := p.of(l.sites[1:]...)
	forged := summed(clone(t, true), less.Sums[0])
	p.readied(forged).readied(true)
	p.vouches[forged.Digest()] = p.vouched(forged, l.sites...)
	p.vouches[true.Digest()] = p.vouched(true, l.sites...)
	again := p.vouched(true, l.sites...) // at a later checkpoint
	l.run(t, "a sum of all but one", func(t *testing.T) {
		for _, s := range l.sites {
			p.askSend(s, forged).refuses(t, "what its members vouch for does not add up to it: the ciphertext sum is not that of the candidate")
			p.objects(t, s, federation.Difference{What: evidence.SumOf(0), Says: forged.Sums[0].String(), Follows: evidence.Unnamed})
		}
	})
	for _, m := range p.subs { // whoever restarted asks for them
		l.put(m.signed)
	}
	l.run(t, "a sum of all but one, of which two vouch", func(t *testing.T) {
		for _, s := range l.sites {
			p.l.items[s.id] = p.items(s, forged)
			p.askSend(s, forged, vouches(p.vouches[forged.Digest()][2:])).refuses(t, "what its members vouch for does not add up to it")
		}
	})
	l.run(t, "ciphertexts that were not submitted", func(t *testing.T) {
		true := l.updates
		defer func() { l.updates = true }()
		l.updates = earlierUpdates(l)
		p.askSend(to, forged, vouches(p.vouches[forged.Digest()][1:])).refuses(t, "ciphertext of "+string(to.id))
	})
	l.run(t, "vouches for another sum", func(t *testing.T) {
		p.askSend(to, forged, vouches(p.vouches[true.Digest()])).refuses(t, "is of candidate "+true.Digest().Short())
	})
	lie := decode[federation.Vouch](l, p.vouches[true.Digest()][3])
	lie.Fingerprint = decode[federation.Vouch](l, p.vouches[true.Digest()][0]).Fingerprint
	short := lie
	short.Fingerprint = lie.Fingerprint[:4]
	with := func(list [][]byte, last []byte) lies { return vouches(append(slices.Clone(list[:3]), last)) }
	mine := p.vouches[true.Digest()]
	for _, a := range []struct {
		name string
		lie  lies
		want string
	}{
		{"no vouches", vouches(nil), "did not vouch"},
		{"as many as may all be hostile", vouches(mine[3:]), "did not vouch"},
		{"a hostile member's other fingerprint", with(mine, federation.Encode(sign(l, hostile, lie))), "does not add up to it"},
		{"a fingerprint of four bytes", with(mine, federation.Encode(sign(l, hostile, short))), "fingerprint"},
		{"a vouch in another's name", with(mine, federation.Encode(federation.Signed{Signer: hostile.id, Body: federation.Encode(lie), Signature: make([]byte, 64)})), "signature does not verify"},
		{"vouches at two checkpoints", with(mine, again[3]), "is of candidate"},
	} {
		l.run(t, a.name, func(t *testing.T) { p.askSend(to, true, a.lie).refuses(t, a.want) })
	}
	l.run(t, "the true sum, after a restart", func(t *testing.T) {
		l.restartAll()
		p.sends(true, l.sites[:2]...)
		e := round.Entry{V: 1, Kind: round.Fetch, Time: "2026-03-01T08:00:00.000Z", Round: p.header.Round, Blob: forged.Digest(), Hospitals: []federation.HospitalID{to.id}}
		p.ask(l.sites[2], "send", true, e, l.append(e), vouches(mine[1:])).refuses(t, "3 of 3 custodians are ready for candidate "+true.Digest().Short()+", by entry")
		e.Blob = true.Digest()
		p.ask(l.sites[2], "send", true, e, l.append(e), vouches(mine[1:])).sends(t, "send") // one ciphertext is fetched
	})
}

func vouches(list [][]byte) lies {
	return lies{work: func(w *atriumpb.Work, _ int64) { w.Vouches = list }}
}
