package client_test

import (
	"context"
	"testing"

	"atrium/aggregation"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage/models"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// play is one round as the liar plays it.
type play struct {
	l        *liar
	header   federation.Header
	joins    map[federation.HospitalID]federation.Signed
	manifest federation.Manifest
	subs     map[federation.HospitalID]message
}

// base stores a snapshot of the plan's model whose parameters are all x, so that x names
// the question of a round on it.
func (l *liar) base(x float64) (snapshot, parameters federation.Digest) {
	params := make([]float32, l.plan.ParameterCount())
	for i := range params {
		params[i] = float32(x)
	}
	n := len(l.plan.Features)
	norm := aggregation.Normalisation{Mean: make([]float64, n), SD: make([]float64, n)}
	for i := range norm.SD {
		norm.SD[i] = 1
	}
	s, err := models.ForPlan(l.plan, params, norm)
	must(l.t, err)
	return l.put(models.Encode(s)), models.ParametersDigest(s)
}

// train is the honest header of a train round on base x.
func (l *liar) train(x float64) federation.Header {
	h := l.open(federation.Train)
	h.Version = 3
	h.Base, h.Parameters = l.base(x)
	h.Questions = l.plan.Questions(h.Kind, h.Parameters)
	return h
}

// statistics is the honest header of a statistics round.
func (l *liar) statistics() federation.Header {
	h := l.open(federation.Statistics)
	h.Questions = l.plan.Questions(h.Kind, h.Parameters)
	return h
}

func (l *liar) open(kind federation.RoundKind) federation.Header {
	c := l.charter
	h := federation.Header{V: 1, Federation: c.Federation, Kind: kind, Plan: l.plan.Digest(), CharterEpoch: c.Epoch, Charter: c.Digest(),
		Threshold: c.Threshold, MaxHostile: c.MaxHostile, MaxHostileMembers: c.MaxHostileMembers, MinCohort: c.MinCohort, Format: l.plan.Format(kind), GatherBy: "2026-03-01T08:00:00.000Z"}
	var err error
	h.Ring, err = opening.Ring(h.Format.Count(), c.LargestGroup(), h.Format.Bits)
	must(l.t, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.round++
	h.Round, h.Checkpoint = l.round, head(l.log)
	return h
}

func head(log *roundlog.Log) federation.TreeHead {
	return federation.TreeHead{Size: log.Size(), Root: federation.Digest(log.Root())}
}

// prove fills in checkpoint and proofs from a log.
func prove(t *testing.T, w *atriumpb.Work, log *roundlog.Log, size, seen, index int64) {
	var err error
	w.Checkpoint, err = log.CheckpointAt(t.Context(), size)
	must(t, err)
	if older, newer := min(seen, size), max(seen, size); older > 0 && newer <= log.Size() {
		proof, err := log.ProveConsistency(t.Context(), older, newer)
		must(t, err)
		for _, h := range proof {
			w.Consistency = append(w.Consistency, h[:])
		}
	}
	if index >= 0 {
		proof, err := log.Prove(t.Context(), index, size)
		must(t, err)
		for _, h := range proof {
			w.Inclusion = append(w.Inclusion, h[:])
		}
		w.EntryIndex = index
	}
}

// askJoin shows a header.
func (l *liar) askJoin(s *site, h federation.Header) outcome {
	l.t.Helper()
	return l.ask(s, func(seen int64) *atriumpb.Work {
		w := &atriumpb.Work{Kind: "join", Round: h.Round, Header: federation.Encode(h)}
		prove(l.t, w, l.log, h.Checkpoint.Size, seen, -1)
		return w
	})
}

// gather has hospitals join a header, all of them if none is named.
func (l *liar) gather(h federation.Header, sites ...*site) *play {
	l.t.Helper()
	p := &play{l: l, header: h, joins: map[federation.HospitalID]federation.Signed{}, subs: map[federation.HospitalID]message{}}
	if len(sites) == 0 {
		sites = l.sites
	}
	for _, s := range sites {
		p.join(s)
	}
	p.manifest = p.honest()
	return p
}

func (p *play) join(s *site) {
	p.l.t.Helper()
	signed, err := federation.DecodeSigned(p.l.askJoin(s, p.header).sends(p.l.t, "join").signed)
	must(p.l.t, err)
	p.joins[s.id] = signed
}

// honest is the manifest that follows from the joins.
func (p *play) honest() federation.Manifest {
	m := federation.Manifest{V: 1, Header: p.header.Digest(), Certificates: []federation.BurnCertificate{}}
	for _, group := range p.l.charter.Groups {
		cohort := []federation.HospitalID{}
		for _, id := range group {
			if _, ok := p.joins[id]; ok {
				cohort = append(cohort, id)
			}
		}
		m.Groups = append(m.Groups, cohort)
	}
	for _, member := range p.l.charter.Members {
		if signed, ok := p.joins[member.ID]; ok {
			m.Joins = append(m.Joins, signed)
		}
	}
	return m
}

// work is a task under a manifest.
func (p *play) work(kind string, m federation.Manifest) *atriumpb.Work {
	digest := p.l.put(federation.Encode(m))
	return &atriumpb.Work{Kind: kind, Round: p.header.Round, Header: federation.Encode(p.header), Manifest: digest[:]}
}

// askUpdate shows a manifest and asks for an update.
func (p *play) askUpdate(s *site, m federation.Manifest) outcome {
	p.l.t.Helper()
	w := p.work("update", m)
	return p.l.ask(s, func(int64) *atriumpb.Work { return w })
}

// collect takes an update of each site, all if none is named.
func (p *play) collect(sites ...*site) *play {
	p.l.t.Helper()
	if len(sites) == 0 {
		sites = p.l.sites
	}
	for _, s := range sites {
		p.subs[s.id] = p.askUpdate(s, p.manifest).sends(p.l.t, "submission")
	}
	return p
}

// of lists sites as an S with the submissions that they made.
func (p *play) of(sites ...*site) federation.Candidate {
	list := federation.Candidate{V: 1, Manifest: p.manifest.Digest()}
	for g := range p.l.charter.Groups {
		group := []federation.Submitter{}
		for _, s := range sites {
			if p.l.charter.GroupOf(s.id) == g {
				group = append(group, federation.Submitter{Hospital: s.id, Submission: federation.Sum(p.subs[s.id].signed)})
			}
		}
		list.Groups = append(list.Groups, group)
	}
	return list
}

// items is what Envelopes owes a custodian for a candidate.
func (p *play) items(to *site, list federation.Candidate) []*atriumpb.EnvelopeItem {
	point, _ := p.l.charter.Point(to.id)
	var items []*atriumpb.EnvelopeItem
	for _, group := range list.Groups {
		for _, member := range group {
			m := p.subs[member.Hospital]
			items = append(items, &atriumpb.EnvelopeItem{Signed: m.signed, Envelope: m.parts[point-1]})
		}
	}
	return items
}

// askAcknowledge shows a custodian a candidate; change alters what Envelopes sends.
func (p *play) askAcknowledge(to *site, list federation.Candidate, change ...func([]*atriumpb.EnvelopeItem) []*atriumpb.EnvelopeItem) outcome {
	p.l.t.Helper()
	items := p.items(to, list)
	for _, f := range change {
		items = f(items)
	}
	p.l.mu.Lock()
	p.l.items[to.id] = items
	p.l.mu.Unlock()
	w := p.work("acknowledge", p.manifest)
	w.Submitters = federation.Encode(list)
	return p.l.ask(to, func(int64) *atriumpb.Work { return w })
}

// acknowledged has custodians open their envelopes, all if none is named.
func (p *play) acknowledged(list federation.Candidate, sites ...*site) *play {
	p.l.t.Helper()
	if len(sites) == 0 {
		sites = p.l.sites
	}
	for _, s := range sites {
		p.askAcknowledge(s, list).sends(p.l.t, "acknowledgement")
	}
	return p
}

// selects writes the entry that names S.
func (p *play) selects(list federation.Candidate) (round.Entry, int64) {
	e := round.Entry{V: 1, Kind: round.Select, Time: "2026-03-01T08:00:00.000Z", Round: p.header.Round, Blob: list.Digest()}
	return e, p.l.append(e)
}

// askAnswer writes the entry that names S and asks a custodian to answer; change alters
// the task.
func (p *play) askAnswer(to *site, list federation.Candidate, change ...func(w *atriumpb.Work, seen int64)) outcome {
	p.l.t.Helper()
	e, index := p.selects(list)
	digest := p.l.put(federation.Encode(p.manifest))
	return p.l.ask(to, func(seen int64) *atriumpb.Work {
		w := &atriumpb.Work{Kind: "answer", Round: p.header.Round, Header: federation.Encode(p.header), Manifest: digest[:],
			Submitters: federation.Encode(list), Entry: e.Encode()}
		prove(p.l.t, w, p.l.log, p.l.log.Size(), seen, index)
		for _, f := range change {
			f(w, seen)
		}
		return w
	})
}

// opened plays a round honestly until the given custodians answered for S.
func (p *play) opened(s []*site, custodians []*site) *play {
	p.l.t.Helper()
	list := p.collect(s...).of(s...)
	p.acknowledged(list, custodians...)
	for _, c := range custodians {
		p.askAnswer(c, list).sends(p.l.t, "answer")
	}
	return p
}

// ready plays a round honestly until the given custodians acknowledged S.
func (p *play) ready(s []*site, custodians ...*site) federation.Candidate {
	p.l.t.Helper()
	list := p.collect(s...).of(s...)
	p.acknowledged(list, custodians...)
	return list
}

// askBurn asks a custodian to burn a manifest.
func (l *liar) askBurn(s *site, roundNumber uint64, manifest federation.Digest) outcome {
	l.t.Helper()
	return l.ask(s, func(int64) *atriumpb.Work {
		return &atriumpb.Work{Kind: "burn", Round: roundNumber, Manifest: manifest[:]}
	})
}

// sign signs as a hospital that helps the liar.
func sign[T envelope.Message](l *liar, s *site, m T) federation.Signed {
	return signFor(l.charter.Federation, s, m)
}

func signFor[T envelope.Message](federationName string, s *site, m T) federation.Signed {
	return envelope.SignMessage(s.identity, federationName, m)
}

// message decodes what a site signed.
func decode[T envelope.Message](l *liar, signed []byte) T {
	l.t.Helper()
	m, _, err := envelope.DecodeMessage[T](l.charter, signed)
	must(l.t, err)
	return m
}

// fork is a log of the same key with another history, of at least the given size.
func (l *liar) fork(size int64) *roundlog.Log {
	l.t.Helper()
	log := emptyLog(l.t, l.key)
	for i := int64(0); i < size; i++ {
		appendTo(l.t, log, round.Entry{Kind: round.Lead, Epoch: uint64(i) + 1, Reason: "another history"})
	}
	return log
}

func emptyLog(t *testing.T, key *roundlog.Key) *roundlog.Log {
	t.Helper()
	log, err := roundlog.Create(context.Background(), storagetest.NewMemory(), key)
	must(t, err)
	return log
}
