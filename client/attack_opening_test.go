package client_test

import (
	"fmt"
	"slices"
	"testing"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage/roundlog"
)

func envelopeAttacks(t *testing.T, l *liar) {
	earlier := l.gather(l.train(20)).collect()
	p := l.gather(l.train(21)).collect()
	to, victim := l.sites[3], l.sites[1]
	good := p.of(l.sites...)
	items := func(change func(i int, item *atriumpb.EnvelopeItem) *atriumpb.EnvelopeItem) func([]*atriumpb.EnvelopeItem) []*atriumpb.EnvelopeItem {
		return func(list []*atriumpb.EnvelopeItem) []*atriumpb.EnvelopeItem {
			for i := range list {
				list[i] = change(i, list[i])
			}
			return list
		}
	}
	for _, a := range []struct {
		name   string
		list   federation.Candidate
		change func([]*atriumpb.EnvelopeItem) []*atriumpb.EnvelopeItem
		want   string
	}{
		{"peers' envelopes of zeros", good, items(func(i int, item *atriumpb.EnvelopeItem) *atriumpb.EnvelopeItem {
			if i != 0 {
				item.Envelope = zeros(item.Envelope)
			}
			return item
		}), "submission of " + string(victim.id) + ": the envelope is not the signed one"},
		{"envelope for another custodian", good, items(func(i int, item *atriumpb.EnvelopeItem) *atriumpb.EnvelopeItem {
			item.Envelope = p.subs[good.Groups[0][i].Hospital].parts[1]
			return item
		}), "the envelope is not the signed one"},
		{"submission replayed from another round", replaced(good, 1, earlier.subs[victim.id].signed), items(func(i int, item *atriumpb.EnvelopeItem) *atriumpb.EnvelopeItem {
			if i == 1 {
				item.Signed = earlier.subs[victim.id].signed
			}
			return item
		}), "manifest " + earlier.manifest.Digest().Short() + ", not " + p.manifest.Digest().Short()},
		{"submission that is not in the candidate", good, items(func(i int, item *atriumpb.EnvelopeItem) *atriumpb.EnvelopeItem {
			if i == 1 {
				item.Signed = earlier.subs[victim.id].signed
			}
			return item
		}), "it is not the one in the candidate"},
		{"another hospital's submission", replaced(good, 1, p.subs[l.sites[2].id].signed), nil, "is listed for another hospital too"},
		{"submission of another group", replaced(good, 1, p.otherGroup(victim)), items(func(i int, item *atriumpb.EnvelopeItem) *atriumpb.EnvelopeItem {
			if i == 1 {
				item.Signed = p.otherGroup(victim)
			}
			return item
		}), "it is not in the cohort of group 1"},
		{"join in place of a submission", replaced(good, 1, federation.Encode(p.joins[victim.id])), items(func(i int, item *atriumpb.EnvelopeItem) *atriumpb.EnvelopeItem {
			if i == 1 {
				item.Signed = federation.Encode(p.joins[victim.id])
			}
			return item
		}), "signature does not verify"},
		{"envelopes held back", good, func(list []*atriumpb.EnvelopeItem) []*atriumpb.EnvelopeItem { return list[:2] }, "is missing"},
		{"fewer than K", p.of(l.sites[:2]...), nil, "2 submitters, fewer than K = 3"},
		{"hospital listed twice", repeated(good), nil, "is repeated or out of order"},
		{"candidate of another manifest", earlier.of(l.sites...), nil, "candidate refused: manifest " + earlier.manifest.Digest().Short()},
	} {
		l.run(t, a.name, func(t *testing.T) {
			p.askReady(to, a.list, lies{items: a.change}).refuses(t, a.want)
		})
	}
	l.run(t, "unreadable envelope is a complaint", func(t *testing.T) {
		p.unreadable(victim)
		a := decode[federation.Ready](l, p.askReady(to, p.of(l.sites...)).sends(t, "ready").signed)
		if !slices.Equal(a.Unreadable, []federation.HospitalID{victim.id}) {
			t.Errorf("complaints about %v, want %s", a.Unreadable, victim.id)
		}
		p.askSend(to, p.of(l.sites...)).refuses(t, "this custodian holds no share sums for that candidate")
	})
}

// replaced is a candidate that names other bytes for member i.
func replaced(s federation.Candidate, i int, signed []byte) federation.Candidate {
	s.Groups = [][]federation.Submitter{slices.Clone(s.Groups[0])}
	s.Groups[0][i].Submission = federation.Sum(signed)
	return s
}

func repeated(s federation.Candidate) federation.Candidate {
	s.Groups = [][]federation.Submitter{slices.Clone(s.Groups[0])}
	s.Groups[0][1] = s.Groups[0][0]
	return s
}

// otherGroup is a submission that a hostile hospital signed for group 1.
func (p *play) otherGroup(s *site) []byte {
	m := decode[federation.Submission](p.l, p.subs[s.id].signed)
	m.Group = 1
	return federation.Encode(sign(p.l, s, m))
}

// unreadable replaces a hostile hospital's envelopes by zeros that it signed itself.
func (p *play) unreadable(s *site) {
	m := decode[federation.Submission](p.l, p.subs[s.id].signed)
	sub := message{kind: "submission"}
	for i, part := range p.subs[s.id].parts {
		sub.parts = append(sub.parts, zeros(part))
		m.Envelopes[i] = federation.Sum(sub.parts[i])
	}
	sub.signed = federation.Encode(sign(p.l, s, m))
	p.subs[s.id] = sub
}

// logLies are what a coordinator may do with the entry that comes with a task.
func (p *play) logLies(otherKind round.EntryKind) map[string]func(*atriumpb.Work, int64) {
	l := p.l
	entry := func(log func() *roundlog.Log, change func(*round.Entry)) func(*atriumpb.Work, int64) {
		return func(w *atriumpb.Work, seen int64) {
			e, err := round.DecodeEntry(w.GetEntry())
			must(l.t, err)
			change(&e)
			from := log()
			index := appendTo(l.t, from, e)
			w.Entry, w.Consistency, w.Inclusion = e.Encode(), nil, nil
			prove(l.t, w, from, from.Size(), seen, index)
		}
	}
	true := func() *roundlog.Log { return l.log }
	same := func(*round.Entry) {}
	return map[string]func(*atriumpb.Work, int64){
		"entry not included in the checkpoint": func(w *atriumpb.Work, seen int64) {
			e, err := round.DecodeEntry(w.GetEntry())
			must(l.t, err)
			e.Time = "2026-03-01T09:00:00.000Z"
			w.Entry = e.Encode()
		},
		"entry of something else":  entry(true, func(e *round.Entry) { e.Blob = federation.Sum([]byte("something else")) }),
		"entry of another round":   entry(true, func(e *round.Entry) { e.Round-- }),
		"entry of another kind":    entry(true, func(e *round.Entry) { e.Kind = otherKind }),
		"forked log":               entry(func() *roundlog.Log { return l.fork(l.log.Size() + 3) }, same),
		"rolled-back log":          entry(func() *roundlog.Log { return l.fork(l.log.Size() - 3) }, same),
		"no checkpoint":            func(w *atriumpb.Work, _ int64) { w.Checkpoint = nil },
		"a proof of ten thousand":  func(w *atriumpb.Work, _ int64) { w.Inclusion = slices.Repeat([][]byte{make([]byte, 32)}, 10_000) },
		"a proof of short digests": func(w *atriumpb.Work, _ int64) { w.Inclusion = [][]byte{{1}} },
	}
}

// logRefusals are the words with which logLies are refused.
var logRefusals = map[string]string{
	"entry not included in the checkpoint": "the coordinator's messages do not fit together",
	"entry of something else":              "the coordinator's messages do not fit together",
	"entry of another round":               "the coordinator's messages do not fit together",
	"entry of another kind":                "the coordinator's messages do not fit together",
	"forked log":                           "the coordinator shows an older log than before, or another",
	"rolled-back log":                      "the coordinator shows an older log than before, or another",
	"no checkpoint":                        "malformed note",
	"a proof of ten thousand":              "proof is malformed",
	"a proof of short digests":             "proof is malformed",
}

func (p *play) playLogLies(otherKind round.EntryKind, ask func(lies) outcome) {
	for name, lie := range p.logLies(otherKind) {
		p.l.run(p.l.t, name, func(t *testing.T) { ask(lies{work: lie}).refuses(t, logRefusals[name]) })
	}
}

// readyAttacks: what a custodian is shown of a candidate.
func readyAttacks(t *testing.T, l *liar) {
	p := l.gather(l.train(30)).collect()
	list, to := p.of(l.sites...), l.sites[0]
	p.playLogLies(round.Ready, func(lie lies) outcome { return p.askReady(to, list, lie) })
	alone := clone(t, list)
	alone.Groups[0] = alone.Groups[0][:3]
	for i := range alone.Groups[0] {
		alone.Groups[0][i].Submission = list.Groups[0][1].Submission
	}
	exchanged := clone(t, list)
	exchanged.Groups[0][0].Submission, exchanged.Groups[0][1].Submission = list.Groups[0][1].Submission, list.Groups[0][0].Submission
	huge := clone(t, list)
	for i := range 10_000 {
		huge.Groups[0] = append(huge.Groups[0], federation.Submitter{Hospital: federation.HospitalID(fmt.Sprint("h-", i)), Submission: federation.Sum(nil)})
	}
	for _, a := range []struct {
		name string
		list federation.Candidate
		want string
	}{
		{"one hospital's submission under every name", alone, "is listed for another hospital too"},
		{"submissions exchanged between two hospitals", exchanged, "it is not the one in the candidate"},
		{"submission that nobody made", replaced(list, 1, []byte("never made")), "it is not the one in the candidate"},
		{"fewer than K", p.of(l.sites[:2]...), "2 submitters, fewer than K = 3"},
		{"nobody", p.of(), "no group is left"},
		{"hospital listed twice", repeated(list), "is repeated or out of order"},
		{"a sum that is missing", summed(list, federation.Digest{}), "4 submitters with sum"},
		{"ten thousand submitters", huge, "is repeated or out of order"},
	} {
		l.run(t, a.name, func(t *testing.T) { p.askReady(to, a.list).refuses(t, a.want) })
	}
	l.run(t, "candidates that are not nested", func(t *testing.T) {
		p.readied(p.of(l.sites[:3]...), to)
		p.askReady(to, p.of(l.sites[1:]...)).refuses(t, "the candidate is not within the one before it")
		p.askReady(to, list).refuses(t, "the candidate is not within the one before it")
	})
}

// summed is a candidate that says something else of C.
func summed(s federation.Candidate, c federation.Digest) federation.Candidate {
	s.Sums = []federation.Digest{c}
	return s
}

// sendAttacks: what a custodian is shown before it gives its share sums away.
func sendAttacks(t *testing.T, l *liar) {
	earlier := l.gather(l.train(31))
	before := earlier.ready(l.sites, l.sites...)
	p := l.gather(l.train(32))
	list := p.ready(l.sites, l.sites...)
	to, hostile := l.sites[0], l.sites[3]
	p.playLogLies(round.Candidate, func(lie lies) outcome { return p.askSend(to, list, lie) })
	readies := func(change func([][]byte) [][]byte) func(*atriumpb.Work, int64) {
		return func(w *atriumpb.Work, _ int64) { w.Readies = change(slices.Clone(w.Readies)) }
	}
	signed := func(key *site, change func(*federation.Ready)) []byte {
		r := decode[federation.Ready](l, p.readies[list.Digest()][0])
		r.Custodian = key.id
		change(&r)
		return federation.Encode(sign(l, key, r))
	}
	first := func(b []byte) func(*atriumpb.Work, int64) {
		return readies(func(list [][]byte) [][]byte { return append([][]byte{b}, list[1:]...) })
	}
	for _, a := range []struct {
		name   string
		change func(*atriumpb.Work, int64)
		want   string
	}{
		{"nobody is ready", readies(func([][]byte) [][]byte { return nil }), "0 of 3 custodians are ready"},
		{"one ready short", readies(func(list [][]byte) [][]byte { return list[1:] }), "2 of 3 custodians are ready"},
		{"one ready twice", first(p.readies[list.Digest()][1]), "2 of 3 custodians are ready"},
		{"a ready replayed from another round", first(earlier.readies[before.Digest()][0]), "is of candidate " + before.Digest().Short()},
		{"a ready of another candidate", first(signed(hostile, func(r *federation.Ready) { r.Candidate = before.Digest() })), "is of candidate"},
		{"a complaint for a ready", first(signed(hostile, func(r *federation.Ready) { r.Unreadable = []federation.HospitalID{to.id} })), "is of candidate"},
		{"a ready of another manifest", first(signed(hostile, func(r *federation.Ready) { r.Manifest = before.Manifest })), "is of candidate"},
		{"a ready in another's name", first(federation.Encode(forged(l, l.sites[1], hostile, p.readies[list.Digest()][1]))), "signature does not verify"},
		{"a ready of another federation", first(federation.Encode(signFor("oncology", hostile, decode[federation.Ready](l, p.readies[list.Digest()][0])))), "sign"},
		{"a burn for a ready", first(federation.Encode(sign(l, hostile, federation.Burn{V: 1, Manifest: list.Manifest, Custodian: hostile.id}))), "signature does not verify"},
		{"not a message", first([]byte("{}")), ""},
		{"ten thousand readies of one", readies(func(list [][]byte) [][]byte { return slices.Repeat(list[2:], 10_000) }), "10000 signed messages"},
	} {
		l.run(t, a.name, func(t *testing.T) { p.askSend(to, list, lies{work: a.change}).refuses(t, a.want) })
	}
	for name, other := range map[string]federation.Candidate{
		"candidate that nobody was ready for": replaced(list, 1, []byte("never opened")),
		"another C":                           summed(list, federation.Sum([]byte("another C"))),
		"less":                                p.of(l.sites[1:]...),
	} {
		l.run(t, name, func(t *testing.T) {
			p.askSend(to, other).refuses(t, "this custodian holds no share sums for that candidate")
		})
	}
	l.run(t, "different S to different custodians", func(t *testing.T) { splitSends(t, p, list) })
}

// forged is a message of one hospital that another one signed.
func forged(l *liar, as, key *site, like []byte) federation.Signed {
	signed := sign(l, key, decode[federation.Ready](l, like))
	return federation.Signed{Signer: as.id, Body: signed.Body, Signature: zeros(signed.Signature)}
}

// splitSends: all were ready for all of S. Custodians 0 and 1 send for it, 2 and 3 are
// brought to send for less by a hostile one that says it is ready for both.
func splitSends(t *testing.T, p *play, list federation.Candidate) {
	l := p.l
	p.sends(list, l.sites[:2]...)
	less := p.of(l.sites[1:]...)
	p.readied(less, l.sites[2:]...)
	p.askSend(l.sites[2], less).refuses(t, "2 of 3 custodians are ready")
	r := decode[federation.Ready](l, p.readies[less.Digest()][0])
	r.Custodian = l.sites[0].id
	p.readies[less.Digest()] = append(p.readies[less.Digest()], federation.Encode(sign(l, l.sites[0], r)))
	p.sends(less, l.sites[2:]...) // two and two: with the hostile one's both, one of them opens
	sent := "share sums were sent under this manifest"
	p.askSend(l.sites[1], less).refuses(t, sent)
	p.askSend(l.sites[3], list).refuses(t, sent)
	p.askReady(l.sites[1], less).refuses(t, sent)
	again := p.askSend(l.sites[1], list).sends(t, "send") // the same candidate gets what is stored
	if a := decode[federation.Send](l, again.signed); a.Candidate != list.Digest() {
		t.Errorf("the stored send is for %s", a.Candidate.Short())
	}
}
