package client_test

import (
	"slices"
	"strings"
	"testing"

	"atrium/aggregation/fixedpoint"
	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage/models"
	"atrium/storage/roundlog"
)

// TestLyingCoordinator plays every lie of a coordinator to a federation of four (t = 3,
// f = 1, K = 3). Each train round has a base of its own, so that no attack hides another.
func TestLyingCoordinator(t *testing.T) {
	plan := plans.Cardiology()
	plan.Privacy.ClipLeast = 1e-4
	l := newLiar(t, 4, 1, plan)
	l.run(t, "header", func(t *testing.T) { headerAttacks(t, l) })
	l.run(t, "log", func(t *testing.T) { logAttacks(t, l) })
	l.run(t, "manifest", func(t *testing.T) { manifestAttacks(t, l) })
	l.run(t, "envelopes", func(t *testing.T) { envelopeAttacks(t, l) })
	l.run(t, "ready", func(t *testing.T) { readyAttacks(t, l) })
	l.run(t, "send", func(t *testing.T) { sendAttacks(t, l) })
	l.run(t, "burn", func(t *testing.T) { burnAttacks(t, l) })
	l.run(t, "difference", func(t *testing.T) { differenceAttacks(t, l) })
}

func headerAttacks(t *testing.T, l *liar) {
	s := l.sites[0]
	other := federation.Sum([]byte("other"))
	weaker := clone(t, l.charter)
	weaker.Custodians = weaker.Custodians[1:]
	renumbered := clone(t, l.charter)
	slices.Reverse(renumbered.Custodians)
	stranger := clone(t, l.charter)
	stranger.Members = append(stranger.Members, federation.Member{ID: "h-zzzzzzzzzzzzzzzz"})
	for _, a := range []struct {
		name   string
		change func(*federation.Header)
		want   string
	}{
		{"t lowered", func(h *federation.Header) { h.Threshold = 2 }, "t, f, h, K = 2, 1, 1, 3: the charter says 3, 1, 1, 3"},
		{"K lowered", func(h *federation.Header) { h.MinCohort = 2 }, "t, f, h, K = 3, 1, 1, 2: the charter says 3, 1, 1, 3"},
		{"h raised", func(h *federation.Header) { h.MaxHostileMembers = 2 }, "t, f, h, K = 3, 1, 2, 3: the charter says 3, 1, 1, 3"},
		{"f lowered", func(h *federation.Header) { h.MaxHostile = 0 }, "t, f, h, K = 3, 0, 1, 3: the charter says 3, 1, 1, 3"},
		{"h lowered", func(h *federation.Header) { h.MaxHostileMembers = 0 }, "t, f, h, K = 3, 1, 0, 3: the charter says 3, 1, 1, 3"},
		{"m lowered", func(h *federation.Header) { h.Charter = weaker.Digest() }, "of epoch 1: pinned is " + l.charter.Digest().Short()},
		{"points renumbered", func(h *federation.Header) { h.Charter = renumbered.Digest() }, "of epoch 1: pinned is " + l.charter.Digest().Short()},
		{"hospital added to the charter", func(h *federation.Header) { h.Charter = stranger.Digest() }, "of epoch 1: pinned is " + l.charter.Digest().Short()},
		{"charter of a lower epoch", func(h *federation.Header) { h.CharterEpoch = 0 }, "of epoch 0: pinned is " + l.charter.Digest().Short()},
		{"another federation", func(h *federation.Header) { h.Federation = "oncology" }, `federation "oncology": pinned charter is of "cardiology"`},
		{"bits for one hospital", func(h *federation.Header) { h.Format.Bits = 32 }, "fixed-point format is not the plan's"},
		{"clip for one hospital", func(h *federation.Header) { h.Format.Segments[0].Clip = 1000 }, "clip 1000 of tensor weight: the plan allows 0.0001 to 1"},
		{"a format segment dropped", func(h *federation.Header) { h.Format.Segments = h.Format.Segments[:1] }, "fixed-point format has no tensor bias"},
		{"weight cap for one hospital", func(h *federation.Header) {
			*h = l.statistics()
			h.Format.Segments = []fixedpoint.Segment{{Name: federation.SegmentSums, Count: h.Format.Segments[0].Count, Encoding: fixedpoint.Unit, Clip: 1}}
		}, "fixed-point format is not the plan's"},
		{"question of another base", func(h *federation.Header) { h.Parameters = other }, "questions are not those of the kind, plan and base"},
		{"no question", func(h *federation.Header) { h.Questions = nil }, "questions are not those of the kind, plan and base"},
		{"ring with a prime of the liar's", func(h *federation.Header) { h.Ring.Primes[0] += 2 }, "is not the one that follows from them"},
		{"ring for a smaller group", func(h *federation.Header) { h.Ring.GroupSize = 3 }, "ring for 17 fields of 16 bits and 3 hospitals: want 17, 16 and 4"},
		{"plan that was not approved", func(h *federation.Header) { h.Plan = other }, "refused by policy rule plans"},
	} {
		l.run(t, a.name, func(t *testing.T) {
			h := clone(t, l.train(1))
			a.change(&h)
			l.askJoin(s, h).refuses(t, a.want)
		})
	}
	h := clone(t, l.train(1))
	h.Plan = other
	d := decode[federation.Decline](l, l.askJoin(s, h).sends(t, "decline").signed)
	if want := "policy rule plans: plan " + other.Short() + " is not approved there"; d.Reason != want {
		t.Errorf("the coordinator hears %q, want %q", d.Reason, want)
	}
	baseAttacks(t, l)
	status, err := client.ReadStatus(s.cfg.State)
	must(t, err)
	if !strings.Contains(status.Refused, "model/nonce") || !strings.HasPrefix(status.Refused, "update of round ") {
		t.Errorf("the status shows no refusal: %+v", status)
	}
}

// baseAttacks: a hospital joins before it has the base, and computes nothing on one that is
// not the header's.
func baseAttacks(t *testing.T, l *liar) {
	for _, a := range []struct {
		name   string
		change func(*federation.Header)
		want   string
	}{
		{"clip that does not follow from the base", func(h *federation.Header) { h.Format.Segments[0].Clip = 0.5 }, "clips [0.5 1]: from version 3 follow [1 1]"},
		{"base for one hospital", func(h *federation.Header) { h.Base, _ = l.base(77) }, "has parameters"},
		{"same parameters under another tensor shape", func(h *federation.Header) {
			l.disguise(h, func(s *models.Snapshot) {
				i := slices.IndexFunc(s.Tensors, func(t models.Tensor) bool { return t.Name == "model/weight" })
				s.Tensors[i].Shape = []int{1, 13}
			})
		}, "has shape [1 13], the plan's has [13]"},
		{"same parameters beside an unread tensor", func(h *federation.Header) {
			l.disguise(h, func(s *models.Snapshot) {
				s.Tensors = append(s.Tensors, models.Tensor{Name: "model/nonce", Shape: []int{1}, F32: []float32{1}})
			})
		}, "tensor model/nonce is not of the plan's model"},
	} {
		l.run(t, a.name, func(t *testing.T) {
			h := clone(t, l.train(1))
			a.change(&h)
			p := l.gather(h)
			p.askUpdate(l.sites[0], p.manifest).refuses(t, a.want)
		})
	}
}

// disguise makes a header ask about a snapshot with the same parameters in other bytes.
func (l *liar) disguise(h *federation.Header, change func(*models.Snapshot)) {
	s, err := models.Decode(l.blobs[h.Base])
	must(l.t, err)
	change(&s)
	h.Base, h.Parameters = l.put(models.Encode(s)), models.ParametersDigest(s)
	h.Questions = l.plan.Questions(h.Kind, h.Parameters)
}

// logAttacks: a forked or rolled-back log, shown with a header.
func logAttacks(t *testing.T, l *liar) {
	s := l.sites[1]
	l.append(round.Entry{Kind: round.Lead, Epoch: 1})
	l.askJoin(s, l.train(2)).sends(t, "join") // it has seen this log
	size := l.log.Size()
	ask := func(t *testing.T, log *roundlog.Log) outcome {
		h := l.train(3)
		h.Checkpoint = head(log)
		return l.ask(s, func(seen int64) *atriumpb.Work {
			w := &atriumpb.Work{Kind: "join", Round: h.Round, Header: federation.Encode(h)}
			prove(t, w, log, log.Size(), seen, -1)
			return w
		})
	}
	l.run(t, "fork of the same size", func(t *testing.T) {
		ask(t, l.fork(size)).refuses(t, "the coordinator shows an older log than before, or another")
	})
	l.run(t, "fork that is longer", func(t *testing.T) {
		ask(t, l.fork(size+5)).refuses(t, "the coordinator shows an older log than before, or another")
	})
	l.run(t, "fork that was rolled back", func(t *testing.T) {
		ask(t, l.fork(size-1)).refuses(t, "the coordinator shows an older log than before, or another")
	})
	l.run(t, "checkpoint of another key", func(t *testing.T) {
		key, err := roundlog.GenerateKey(l.key.Name(), zeroReader{})
		must(t, err)
		log := emptyLog(t, key)
		appendTo(t, log, round.Entry{Kind: round.Lead, Epoch: 1})
		ask(t, log).refuses(t, "signature")
	})
	l.run(t, "header of another checkpoint", func(t *testing.T) {
		h := l.train(3)
		h.Checkpoint.Root = federation.Sum([]byte("another root"))
		l.askJoin(s, h).refuses(t, "its header names another checkpoint")
	})
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func manifestAttacks(t *testing.T, l *liar) {
	earlier := l.gather(l.train(10))
	p := l.gather(l.train(11))
	s, peer := l.sites[0], l.sites[1]
	at := func(m federation.Manifest, id federation.HospitalID) *federation.Signed {
		return &m.Joins[slices.IndexFunc(m.Joins, func(j federation.Signed) bool { return j.Signer == id })]
	}
	forge := func(key *site, as *site, header federation.Digest) federation.Signed {
		join := decode[federation.Join](l, federation.Encode(p.joins[as.id]))
		join.Header = header
		signed := sign(l, key, join)
		return federation.Signed{Signer: as.id, Body: signed.Body, Signature: signed.Signature}
	}
	for _, a := range []struct {
		name   string
		change func(*federation.Manifest)
		want   string
	}{
		{"peers joined another header", func(m *federation.Manifest) {
			*at(*m, peer.id) = sign(l, peer, federation.Join{V: 1, Header: earlier.header.Digest(), Hospital: peer.id, Key: decode[federation.Join](l, federation.Encode(p.joins[peer.id])).Key})
		}, "names header " + earlier.header.Digest().Short()},
		{"join replayed from another round", func(m *federation.Manifest) { *at(*m, peer.id) = earlier.joins[peer.id] }, "names header " + earlier.header.Digest().Short()},
		{"manifest of a header that it did not join", func(m *federation.Manifest) { *m = earlier.manifest }, "this run of the daemon did not join that header"},
		{"one-round key of a custodian swapped", func(m *federation.Manifest) {
			join := decode[federation.Join](l, federation.Encode(*at(*m, peer.id)))
			join.Key = decode[federation.Join](l, federation.Encode(p.joins[s.id])).Key
			at(*m, peer.id).Body = federation.Encode(join)
		}, `verify "join" of ` + string(peer.id) + ` in cardiology: signature does not verify`},
		{"join signed by another hospital", func(m *federation.Manifest) { *at(*m, peer.id) = forge(l.sites[2], peer, p.header.Digest()) }, "signature does not verify"},
		{"signature of another kind", func(m *federation.Manifest) {
			signed := sign(l, peer, federation.Decline{V: 1, Header: p.header.Digest(), Hospital: peer.id, Role: federation.RoleUpdate})
			at(*m, peer.id).Signature = signed.Signature
		}, "signature does not verify"},
		{"join of another federation", func(m *federation.Manifest) {
			*at(*m, peer.id) = signFor("oncology", peer, decode[federation.Join](l, federation.Encode(p.joins[peer.id])))
		}, "signature does not verify"},
		{"hospital that is not in the charter", func(m *federation.Manifest) {
			m.Joins = append(m.Joins, federation.Signed{Signer: "h-zzzzzzzzzzzzzzzz", Body: m.Joins[0].Body, Signature: m.Joins[0].Signature})
			m.Joins = m.Joins[1:]
		}, "open join of h-zzzzzzzzzzzzzzzz: signer is not who the message speaks for"},
		{"honest custodians dropped", func(m *federation.Manifest) { m.Joins, m.Groups[0] = m.Joins[:2], m.Groups[0][:2] }, "2 custodians: 3 must answer"},
		{"this hospital's join dropped", func(m *federation.Manifest) { m.Joins, m.Groups[0] = m.Joins[1:], m.Groups[0][1:] }, "the manifest does not carry our own join"},
		{"a key dropped", func(m *federation.Manifest) {
			*at(*m, peer.id) = sign(l, peer, federation.Join{V: 1, Header: p.header.Digest(), Hospital: peer.id})
		}, "a custodian brings a key, no one else does"},
		{"hospital listed twice", func(m *federation.Manifest) { m.Groups[0][1] = m.Groups[0][0] }, "is repeated or out of order"},
		{"join listed twice", func(m *federation.Manifest) { m.Joins[1] = m.Joins[0] }, "is repeated or out of order"},
		{"a group that the charter has not", func(m *federation.Manifest) { m.Groups = append(m.Groups, m.Groups[0]) }, "2 groups: the charter has 1"},
		{"cohort below K", func(m *federation.Manifest) { m.Groups[0] = m.Groups[0][:2] }, "no group reaches the minimum cohort 3"},
	} {
		l.run(t, a.name, func(t *testing.T) {
			m := clone(t, p.manifest)
			a.change(&m)
			p.askUpdate(s, m).refuses(t, a.want)
		})
	}
	l.run(t, "update of a hospital outside the cohort", func(t *testing.T) {
		q := l.gather(l.train(12))
		m := clone(t, q.manifest)
		m.Groups[0] = m.Groups[0][1:]
		q.askUpdate(s, m).refuses(t, "not in the cohort or not a custodian")
	})
	l.run(t, "another manifest for one header", func(t *testing.T) {
		p := l.gather(l.train(14))
		m := clone(t, p.manifest)
		p.askUpdate(s, m).sends(t, "submission")
		m.Joins, m.Groups[0] = m.Joins[:3], m.Groups[0][:3]
		p.askUpdate(s, m).refuses(t, "for one header: other bytes were fixed before")
	})
	l.run(t, "different manifests for different custodians", func(t *testing.T) { splitManifest(t, l) })
}

// splitManifest: custodians 0 and 1 verify one manifest, 2 and 3 another; neither can be
// opened, and a custodian of the one does nothing under the other.
func splitManifest(t *testing.T, l *liar) {
	p := l.gather(l.train(13))
	q := *p
	q.manifest = clone(t, p.manifest)
	q.manifest.Groups[0] = q.manifest.Groups[0][1:]
	p.collect(l.sites[:2]...)
	for _, s := range l.sites[2:] {
		q.subs[s.id] = q.askUpdate(s, q.manifest).sends(t, "submission")
	}
	q.subs[l.sites[1].id] = p.subs[l.sites[1].id] // of the other manifest
	list := q.some(l.sites[1:]...)
	q.askReady(l.sites[2], list).refuses(t, "manifest "+p.manifest.Digest().Short()+", not "+q.manifest.Digest().Short())
	p.askReady(l.sites[2], p.some(l.sites[:2]...)).refuses(t, "for one header: other bytes were fixed before")
}
