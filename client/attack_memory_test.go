package client_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

func burnAttacks(t *testing.T, l *liar) {
	p := l.gather(l.train(40))
	list := p.ready(l.sites, l.sites...)
	p.sends(list, l.sites[:3]...)
	manifest := p.manifest.Digest()
	l.run(t, "burns of custodians that sent", func(t *testing.T) {
		for _, s := range l.sites[:3] {
			o := l.askBurn(s, p.header.Round, manifest)
			a := decode[federation.Send](l, o.sends(t, "send").signed)
			if a.Manifest != manifest || !strings.Contains(o.refusal, "burn manifest "+manifest.Short()+": share sums were sent under this manifest") {
				t.Errorf("%s: send under %s, %q", s.name, a.Manifest.Short(), o.refusal)
			}
			t.Logf("refusal: %s", o.refusal)
		}
	})
	burn := func(s *site) federation.Signed {
		signed, err := federation.DecodeSigned(l.askBurn(s, p.header.Round, manifest).sends(l.t, "burn").signed)
		must(l.t, err)
		return signed
	}
	last := burn(l.sites[3])
	l.run(t, "ready and send after a burn", func(t *testing.T) {
		p.askReady(l.sites[3], list).refuses(t, "this manifest was burned")
		p.askSend(l.sites[3], list).refuses(t, "this custodian holds no share sums for that candidate")
	})
	// The next round on the same question carries what the liar can put together: one
	// true burn, one of a hostile custodian, and a third that it needs and has not.
	hostile := sign(l, l.sites[2], federation.Burn{V: 1, Manifest: manifest, Custodian: l.sites[2].id})
	elsewhere := sign(l, l.sites[1], federation.Burn{V: 1, Manifest: federation.Sum([]byte("another manifest")), Custodian: l.sites[1].id})
	ack := sign(l, l.sites[1], federation.Ready{V: 1, Manifest: manifest, Custodian: l.sites[1].id, Unreadable: []federation.HospitalID{}})
	disguised := federation.Signed{Signer: l.sites[1].id, Body: federation.Encode(federation.Burn{V: 1, Manifest: manifest, Custodian: l.sites[1].id}), Signature: ack.Signature}
	foreign := signFor("oncology", l.sites[1], federation.Burn{V: 1, Manifest: manifest, Custodian: l.sites[1].id})
	q := l.gather(l.train(40))
	for _, a := range []struct {
		name  string
		burns []federation.Signed
		want  string
	}{
		{"certificate one short", []federation.Signed{hostile, last}, "burn certificate refused: 2 of 3 burns"},
		{"a burn repeated", []federation.Signed{hostile, last, last}, "is no custodian, or repeated"},
		{"a burn of another manifest", []federation.Signed{elsewhere, hostile, last}, "is of manifest"},
		{"a ready as a burn", []federation.Signed{disguised, hostile, last}, "signature does not verify"},
		{"a burn of another federation", []federation.Signed{foreign, hostile, last}, "signature does not verify"},
	} {
		l.run(t, a.name, func(t *testing.T) {
			m := clone(t, q.manifest)
			m.Certificates = append(m.Certificates, federation.BurnCertificate{Manifest: manifest, Burns: a.burns})
			q.askUpdate(l.sites[0], m).refuses(t, a.want)
		})
	}
}

// isAnswered: custodians that sent for an earlier play on the question are not ready for the
// candidate, whatever S it has; the others are, and even with the words of f of those who
// sent fewer than t are, so that nobody sends.
func (p *play) isAnswered(list federation.Candidate, before *play, answered []*site) {
	l := p.l
	l.t.Helper()
	for _, s := range answered {
		p.askReady(s, list).refuses(l.t, "this question was answered before, under manifest "+before.manifest.Digest().Short())
	}
	for _, s := range l.sites {
		if slices.Contains(answered, s) {
			continue
		}
		p.askReady(s, list).sends(l.t, "ready")
		for _, hostile := range answered[:l.charter.MaxHostile] {
			r := decode[federation.Ready](l, p.readies[list.Digest()][0])
			r.Custodian = hostile.id
			p.readies[list.Digest()] = append(p.readies[list.Digest()], federation.Encode(sign(l, hostile, r)))
		}
		p.askSend(s, list).refuses(l.t, fmt.Sprintf("of %d custodians are ready", l.charter.Threshold))
	}
}

// differenceAttacks: S is opened, the round is called abandoned, and the sum without one
// hospital is asked for in every way there is.
func differenceAttacks(t *testing.T, l *liar) {
	all, less := l.sites, l.sites[1:]
	p := l.gather(l.train(50)).opened(all, all[:3])
	l.run(t, "in the same round", func(t *testing.T) {
		for _, s := range all[:3] {
			p.askReady(s, p.of(less...)).refuses(t, "share sums were sent under this manifest")
		}
	})
	again := func(h func() federation.Header) func(*testing.T) {
		return func(t *testing.T) {
			q := l.gather(h())
			q.isAnswered(q.collect(less...).of(less...), p, all[:3])
		}
	}
	l.run(t, "in the next round", again(func() federation.Header { return l.train(50) }))
	l.run(t, "on a new version with the same parameters", again(func() federation.Header {
		l.newest = 9
		h := l.train(50)
		s, err := models.Decode(l.blobs[h.Base])
		must(l.t, err)
		s.Metadata["note"] = "other bytes"
		h.Base = l.put(models.Encode(s))
		return h
	}))
	l.run(t, "the same S is asked again", func(t *testing.T) {
		q := l.gather(l.train(50)).collect()
		q.isAnswered(q.of(all...), p, all[:3])
	})
	l.run(t, "under a new plan and format", func(t *testing.T) {
		plan := plans.Cardiology()
		plan.Name, plan.Privacy.Bits = "cardiology-2", 24
		l.restart(plan)
		again(func() federation.Header { return l.train(50) })(t)
	})
	l.run(t, "by statistics over more features", func(t *testing.T) {
		plan := plans.Cardiology()
		plan.Start.Anew = true
		plan.Name, plan.Features = "age", plans.Cardiology().Features[:1]
		l.restart(plan)
		p = l.gather(l.statistics()).opened(all, all[:3])
		plan.Name, plan.Features = "age-and-sex", plans.Cardiology().Features[:2]
		l.restart(plan)
		again(l.statistics)(t)
	})
}

// TestUnionOfDisjointSets: two disjoint sets of K hospitals and then both with one more
// would show that one. Eleven hospitals, t = 8, f = 3, K = 5.
func TestUnionOfDisjointSets(t *testing.T) {
	l := newLiar(t, 11, 1, plans.Cardiology())
	if l.charter.Threshold != 8 || l.charter.MinCohort != 5 {
		t.Fatalf("t = %d, K = %d: other sets are needed", l.charter.Threshold, l.charter.MinCohort)
	}
	answered := l.sites[:8]
	a, b := l.sites[:5], l.sites[5:10]
	p := l.gather(l.train(60)).opened(a, answered)
	l.run(t, "the other half", func(t *testing.T) {
		q := l.gather(l.train(60))
		q.isAnswered(q.collect(b...).of(b...), p, answered)
	})
	l.run(t, "both halves and one more", func(t *testing.T) {
		q := l.gather(l.train(60))
		q.isAnswered(q.collect().of(l.sites...), p, answered)
	})
}
