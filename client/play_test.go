package client_test

import (
	"context"
	"slices"
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
	derived  [][]byte                          // what is said of the base
	readies  map[federation.Digest][][]byte    // by candidate
	vouches  map[federation.Digest][][]byte    // by candidate
	sent     map[federation.HospitalID]message // Sends
}

// base stores a snapshot of the plan's model whose parameters are all x, so that x names
// the question of a round on it.
func (l *liar) base(x float64) (snapshot, parameters federation.Digest) {
	params := make([]float32, l.plan.ParameterCount())
	for i := range params {
		params[i] = float32(x)
	}
	return l.baseOf(params, nil)
}

// baseOf is base for any parameters, with what a lie changes of the rest.
func (l *liar) baseOf(params []float32, change func(*models.Snapshot)) (snapshot, parameters federation.Digest) {
	n := len(l.plan.Features)
	norm := aggregation.Normalisation{Mean: make([]float64, n), SD: make([]float64, n)}
	for i := range norm.SD {
		norm.SD[i] = 1
	}
	s, err := models.ForPlan(l.plan, params, norm)
	must(l.t, err)
	if change != nil {
		change(&s)
	}
	return l.put(models.Encode(s)), models.ParametersDigest(s)
}

// train is the honest header of a train round on base x.
func (l *liar) train(x float64) federation.Header { return l.trainOn(l.base(x)) }

// trainOn is train on a snapshot.
func (l *liar) trainOn(base, parameters federation.Digest) federation.Header {
	h := l.open(federation.Train)
	h.Version, h.Newest, h.Base, h.Parameters = l.newest, l.newest, base, parameters
	h.Questions = l.plan.Questions(h.Kind, h.Parameters)
	return h
}

// statistics is the honest header of a statistics round.
func (l *liar) statistics() federation.Header {
	h := l.open(federation.Statistics)
	if l.plan.Start.Anew {
		h.Newest = l.newest
	}
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
	p := newPlay(l, h)
	if len(sites) == 0 {
		sites = l.sites
	}
	for _, s := range sites {
		p.join(s)
	}
	p.manifest = p.honest()
	return p
}

func newPlay(l *liar, h federation.Header) *play {
	l.t.Helper()
	p := &play{l: l, header: h, joins: map[federation.HospitalID]federation.Signed{}, subs: map[federation.HospitalID]message{},
		readies: map[federation.Digest][][]byte{}, vouches: map[federation.Digest][][]byte{}, sent: map[federation.HospitalID]message{}}
	if h.Version > 0 {
		p.derived = l.signed(h.Version, h.Base, h.Parameters, l.sites[:l.charter.MaxHostile+1]...)
	}
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
	return &atriumpb.Work{Kind: kind, Round: p.header.Round, Header: federation.Encode(p.header), Manifest: digest[:], Derived: p.derived}
}

// signed is the word of custodians that they derived a version. With f+1 of them it stands
// for the honest history before a play; the base of a round is otherwise refused.
func (l *liar) signed(version uint64, snapshot, parameters federation.Digest, by ...*site) [][]byte {
	var list [][]byte
	for _, s := range by {
		list = append(list, federation.Encode(sign(l, s, federation.Derived{V: 1, Round: version, Manifest: federation.Sum([]byte("manifest")),
			Candidate: federation.Sum([]byte("candidate")), Custodian: s.id, Result: federation.Sum([]byte("result")),
			Plan: l.made, Version: version, Snapshot: snapshot, Parameters: parameters})))
	}
	return list
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

// of is the honest candidate of sites: the submissions that they made, and C.
func (p *play) of(sites ...*site) federation.Candidate {
	p.l.t.Helper()
	list := p.some(sites...)
	list.Sums = p.sums(list)
	return list
}

// some is of with something else for C.
func (p *play) some(sites ...*site) federation.Candidate {
	list := federation.Candidate{V: 1, Manifest: p.manifest.Digest()}
	for g := range p.l.charter.Groups {
		group := []federation.Submitter{}
		for _, s := range sites {
			if p.l.charter.GroupOf(s.id) == g {
				group = append(group, federation.Submitter{Hospital: s.id, Submission: federation.Sum(p.subs[s.id].signed)})
			}
		}
		list.Groups = append(list.Groups, group)
		list.Sums = append(list.Sums, federation.Sum([]byte("C")))
	}
	return list
}

// sums adds what the members of a candidate submitted, and keeps C for whoever fetches it.
func (p *play) sums(list federation.Candidate) []federation.Digest {
	p.l.t.Helper()
	r := p.roundOf(list)
	sums := make([]federation.Digest, len(list.Groups))
	for g, group := range list.Groups {
		if len(group) == 0 {
			continue
		}
		var err error
		sums[g], err = opening.Add(p.l.t.Context(), p.l.updates, r, g, opening.Beside{Keep: func(_ context.Context, _ federation.Digest, blob []byte) error {
			p.l.put(slices.Clone(blob))
			return nil
		}})
		must(p.l.t, err)
	}
	return sums
}

// roundOf is a candidate as the arithmetic of an opening takes it.
func (p *play) roundOf(list federation.Candidate) opening.Round {
	r := opening.Round{Charter: p.l.charter, Plan: p.l.plan, Header: p.header, Manifest: list.Manifest, Candidate: list,
		Submissions: map[federation.HospitalID]federation.Submission{}}
	for id, m := range p.subs {
		r.Submissions[id] = decode[federation.Submission](p.l, m.signed)
	}
	return r
}

// items is what Envelopes owes a custodian for a candidate.
func (p *play) items(to *site, list federation.Candidate) []*atriumpb.EnvelopeItem {
	point, _ := p.l.charter.Point(to.id)
	var items []*atriumpb.EnvelopeItem
	for _, group := range list.Groups {
		for _, member := range group {
			m, made := p.subs[member.Hospital]
			if !made {
				continue
			}
			items = append(items, &atriumpb.EnvelopeItem{Signed: m.signed, Envelope: m.parts[point-1]})
		}
	}
	return items
}

// lies are what a coordinator changes of an honest task.
type lies struct {
	items func([]*atriumpb.EnvelopeItem) []*atriumpb.EnvelopeItem
	work  func(w *atriumpb.Work, seen int64)
	entry func(*round.Entry) // that says what followed
}

// names writes the entry that names a candidate.
func (p *play) names(list federation.Candidate) (round.Entry, int64) {
	e := round.Entry{V: 1, Kind: round.Candidate, Time: "2026-03-01T08:00:00.000Z", Round: p.header.Round, Blob: list.Digest()}
	return e, p.l.append(e)
}

// askReady names a candidate in the log and asks a custodian to be ready for it.
func (p *play) askReady(to *site, list federation.Candidate, change ...lies) outcome {
	p.l.t.Helper()
	items := p.items(to, list)
	for _, c := range change {
		if c.items != nil {
			items = c.items(items)
		}
	}
	p.l.mu.Lock()
	p.l.items[to.id] = items
	p.l.mu.Unlock()
	e, index := p.names(list)
	o := p.ask(to, "ready", list, e, index, change...)
	if len(o.messages) == 1 && o.messages[0].kind == "ready" {
		p.readies[list.Digest()] = append(p.readies[list.Digest()], o.messages[0].signed)
	}
	return o
}

// ask shows a custodian a candidate and an entry of the log.
func (p *play) ask(to *site, kind string, list federation.Candidate, e round.Entry, index int64, change ...lies) outcome {
	p.l.t.Helper()
	return p.l.ask(to, func(seen int64) *atriumpb.Work {
		manifest := p.manifest.Digest()
		w := &atriumpb.Work{Kind: kind, Round: p.header.Round, Header: federation.Encode(p.header), Manifest: manifest[:], Derived: p.derived,
			Candidate: federation.Encode(list), Entry: e.Encode()}
		if kind == "send" {
			w.Readies = p.readies[list.Digest()]
			w.Readies = w.Readies[:min(len(w.Readies), p.l.charter.Threshold)]
			w.Vouches = p.vouches[list.Digest()]
		}
		prove(p.l.t, w, p.l.log, p.l.log.Size(), seen, index)
		for _, c := range change {
			if c.work != nil {
				c.work(w, seen)
			}
		}
		return w
	})
}

// readied has custodians become ready, all if none is named.
func (p *play) readied(list federation.Candidate, sites ...*site) *play {
	p.l.t.Helper()
	if len(sites) == 0 {
		sites = p.l.sites
	}
	for _, s := range sites {
		p.askReady(s, list).sends(p.l.t, "ready")
	}
	return p
}

// stands writes the entry with which t custodians are ready.
func (p *play) stands(list federation.Candidate) (round.Entry, int64) {
	e := round.Entry{V: 1, Kind: round.Ready, Time: "2026-03-01T08:00:00.000Z", Round: p.header.Round}
	if n := min(len(p.readies[list.Digest()]), p.l.charter.Threshold); n > 0 {
		e.Blob = federation.Sum(p.readies[list.Digest()][n-1])
	}
	return e, p.l.append(e)
}

// askSend asks a custodian to send for a candidate under the readies that there are.
func (p *play) askSend(to *site, list federation.Candidate, change ...lies) outcome {
	p.l.t.Helper()
	e, index := p.stands(list)
	p.l.put(federation.Encode(p.manifest))
	o := p.ask(to, "send", list, e, index, change...)
	if len(o.messages) == 1 && o.messages[0].kind == "send" {
		p.sent[to.id] = o.messages[0]
	}
	return o
}

// ready plays a round honestly until the given custodians are ready for S.
func (p *play) ready(s []*site, custodians ...*site) federation.Candidate {
	p.l.t.Helper()
	list := p.collect(s...).of(s...)
	p.readied(list, custodians...)
	return list
}

// opened plays a round honestly until the given custodians, at least t, sent for S.
func (p *play) opened(s []*site, custodians []*site) *play {
	p.l.t.Helper()
	p.sends(p.ready(s, custodians...), custodians...)
	return p
}

// sends has custodians send.
func (p *play) sends(list federation.Candidate, custodians ...*site) {
	p.l.t.Helper()
	for _, c := range custodians {
		p.askSend(c, list).sends(p.l.t, "send")
	}
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
