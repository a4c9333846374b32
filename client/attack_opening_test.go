package client_test

import (
	"slices"
	"testing"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
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
		{"candidate of another manifest", earlier.of(l.sites...), nil, "submitters refused: manifest " + earlier.manifest.Digest().Short()},
	} {
		l.run(t, a.name, func(t *testing.T) {
			if a.change == nil {
				a.change = func(list []*atriumpb.EnvelopeItem) []*atriumpb.EnvelopeItem { return list }
			}
			p.askAcknowledge(to, a.list, a.change).refuses(t, a.want)
		})
	}
	l.run(t, "unreadable envelope is a complaint", func(t *testing.T) {
		p.unreadable(victim)
		a := decode[federation.Ready](l, p.askAcknowledge(to, p.of(l.sites...)).sends(t, "acknowledgement").signed)
		if !slices.Equal(a.Unreadable, []federation.HospitalID{victim.id}) {
			t.Errorf("complaints about %v, want %s", a.Unreadable, victim.id)
		}
		p.askAnswer(to, p.of(l.sites...)).refuses(t, "of "+string(victim.id)+", which was not opened here")
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

func answerAttacks(t *testing.T, l *liar) {
	p := l.gather(l.train(30))
	list := p.ready(l.sites, l.sites...)
	to := l.sites[0]
	victim := list.Groups[0][1]
	alone := federation.Candidate{V: 1, Manifest: list.Manifest, Groups: [][]federation.Submitter{{}}}
	for _, member := range list.Groups[0][:3] {
		alone.Groups[0] = append(alone.Groups[0], federation.Submitter{Hospital: member.Hospital, Submission: victim.Submission})
	}
	exchanged := replaced(list, 0, nil)
	exchanged.Groups[0][0].Submission, exchanged.Groups[0][1].Submission = list.Groups[0][1].Submission, list.Groups[0][0].Submission
	unsigned := replaced(list, 1, []byte("never opened"))
	entry := func(change func(*round.Entry)) func(*atriumpb.Work, int64) {
		return func(w *atriumpb.Work, seen int64) {
			e, err := round.DecodeEntry(w.GetEntry())
			must(l.t, err)
			change(&e)
			index := appendTo(l.t, l.log, e)
			w.Entry = e.Encode()
			w.Consistency, w.Inclusion = nil, nil
			prove(l.t, w, l.log, l.log.Size(), seen, index)
		}
	}
	for _, a := range []struct {
		name   string
		list   federation.Candidate
		change func(*atriumpb.Work, int64)
		want   string
	}{
		{"entry not included in the checkpoint", list, func(w *atriumpb.Work, seen int64) {
			e, _ := round.DecodeEntry(w.GetEntry())
			e.Time = "2026-03-01T09:00:00.000Z"
			w.Entry = e.Encode()
		}, "entry that names S: the coordinator's messages do not fit together"},
		{"entry of another S", list, entry(func(e *round.Entry) { e.Blob = alone.Digest() }), "does not name this S"},
		{"entry of another round", list, entry(func(e *round.Entry) { e.Round-- }), "does not name this S"},
		{"candidate in place of a selection", list, entry(func(e *round.Entry) { e.Kind = round.Candidate }), "does not name this S"},
		{"forked log", list, func(w *atriumpb.Work, seen int64) {
			log := l.fork(l.log.Size() + 3)
			e, _ := round.DecodeEntry(w.GetEntry())
			index := appendTo(l.t, log, e)
			w.Consistency, w.Inclusion = nil, nil
			prove(l.t, w, log, log.Size(), seen, index)
		}, "the coordinator shows an older log than before, or another"},
		{"rolled-back log", list, func(w *atriumpb.Work, seen int64) {
			log := l.fork(max(seen-2, 1))
			e, _ := round.DecodeEntry(w.GetEntry())
			index := appendTo(l.t, log, e)
			w.Consistency, w.Inclusion = nil, nil
			prove(l.t, w, log, log.Size(), seen, index)
		}, "the coordinator shows an older log than before, or another"},
		{"one hospital's submission under every name", alone, nil, "is listed for another hospital too"},
		{"submissions exchanged between two hospitals", exchanged, nil, "which was not opened here"},
		{"submission that was not in the candidate", unsigned, nil, "which was not opened here"},
		{"fewer than K", p.of(l.sites[:2]...), nil, "2 submitters, fewer than K = 3"},
		{"hospital listed twice", repeated(list), nil, "is repeated or out of order"},
	} {
		l.run(t, a.name, func(t *testing.T) {
			if a.change == nil {
				a.change = func(*atriumpb.Work, int64) {}
			}
			p.askAnswer(to, a.list, a.change).refuses(t, a.want)
		})
	}
	l.run(t, "different S to different custodians", func(t *testing.T) {
		p.askAnswer(l.sites[0], list).sends(t, "answer")
		p.askAnswer(l.sites[1], list).sends(t, "answer")
		less := p.of(l.sites[1:]...)
		p.askAnswer(l.sites[2], less).sends(t, "answer")
		p.askAnswer(l.sites[3], less).sends(t, "answer") // two and two: neither reaches t = 3
		p.askAnswer(l.sites[0], less).refuses(t, "this manifest was answered")
		p.askAnswer(l.sites[3], list).refuses(t, "this manifest was answered")
		p.askAcknowledge(l.sites[0], less).refuses(t, "this manifest was answered")
		again := p.askAnswer(l.sites[0], list).sends(t, "answer") // the same question gets the stored answer
		if a := decode[federation.Send](l, again.signed); a.Submitters != list.Digest() {
			t.Errorf("the stored answer is for %s", a.Submitters.Short())
		}
	})
}
