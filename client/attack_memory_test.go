package client_test

import (
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

func burnAttacks(t *testing.T, l *liar) {
	p := l.gather(l.train(40)).opened(l.sites, l.sites[:3])
	manifest := p.manifest.Digest()
	l.run(t, "burns of custodians that answered", func(t *testing.T) {
		for _, s := range l.sites[:3] {
			o := l.askBurn(s, p.header.Round, manifest)
			a := decode[federation.Send](l, o.sends(t, "answer").signed)
			if a.Manifest != manifest || !strings.Contains(o.refusal, "burn manifest "+manifest.Short()+": this manifest was answered") {
				t.Errorf("%s: answer under %s, %q", s.name, a.Manifest.Short(), o.refusal)
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
	l.run(t, "answer after a burn", func(t *testing.T) {
		p.askAnswer(l.sites[3], p.of(l.sites...)).refuses(t, "this manifest was burned")
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
		{"an acknowledgement as a burn", []federation.Signed{disguised, hostile, last}, "signature does not verify"},
		{"a burn of another federation", []federation.Signed{foreign, hostile, last}, "signature does not verify"},
	} {
		l.run(t, a.name, func(t *testing.T) {
			m := clone(t, q.manifest)
			m.Certificates = append(m.Certificates, federation.BurnCertificate{Manifest: manifest, Burns: a.burns})
			q.askUpdate(l.sites[0], m).refuses(t, a.want)
		})
	}
}

// differenceAttacks: S is opened, the round is called abandoned, and the sum without one
// hospital is asked for in every way there is.
func differenceAttacks(t *testing.T, l *liar) {
	all, less := l.sites, l.sites[1:]
	p := l.gather(l.train(50)).opened(all, all[:3])
	l.run(t, "in the same round", func(t *testing.T) {
		for _, s := range all[:3] {
			p.askAnswer(s, p.of(less...)).refuses(t, "this manifest was answered")
		}
	})
	again := func(h func() federation.Header) func(*testing.T) {
		return func(t *testing.T) {
			q := l.gather(h())
			list := q.ready(less, all...)
			for _, s := range all[:3] {
				q.askAnswer(s, list).refuses(t, "another set of hospitals was answered on this question under manifest "+p.manifest.Digest().Short())
			}
			q.askAnswer(all[3], list).sends(t, "answer") // it answered nothing before: one of t = 3
		}
	}
	l.run(t, "in the next round", again(func() federation.Header { return l.train(50) }))
	l.run(t, "on a new version with the same parameters", again(func() federation.Header {
		h := l.train(50)
		h.Version = 9
		s, err := models.Decode(l.blobs[h.Base])
		must(l.t, err)
		s.Metadata["note"] = "other bytes"
		h.Base = l.put(models.Encode(s))
		return h
	}))
	l.run(t, "the same S is asked again", func(t *testing.T) {
		l.gather(l.train(50)).opened(all, all[:3])
	})
	l.run(t, "under a new plan and format", func(t *testing.T) {
		plan := plans.Cardiology()
		plan.Name, plan.Privacy.Bits = "cardiology-2", 24
		l.restart(plan)
		again(func() federation.Header { return l.train(50) })(t)
	})
	l.run(t, "by statistics over more features", func(t *testing.T) {
		plan := plans.Cardiology()
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
	answered, fresh := l.sites[:8], l.sites[8:]
	a, b := l.sites[:5], l.sites[5:10]
	p := l.gather(l.train(60)).opened(a, answered)
	refused := "another set of hospitals was answered on this question under manifest "
	l.run(t, "the other half", func(t *testing.T) {
		q := l.gather(l.train(60))
		list := q.ready(b, l.sites...)
		for _, s := range answered {
			q.askAnswer(s, list).refuses(t, refused+p.manifest.Digest().Short())
		}
		for _, s := range fresh { // fewer than t
			q.askAnswer(s, list).sends(t, "answer")
		}
	})
	l.run(t, "both halves and one more", func(t *testing.T) {
		q := l.gather(l.train(60))
		list := q.ready(l.sites, l.sites...)
		for _, s := range l.sites {
			q.askAnswer(s, list).refuses(t, refused)
		}
	})
}
