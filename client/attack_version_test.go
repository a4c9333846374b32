package client_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"atrium/client"
	"atrium/client/evidence"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/models"
	"atrium/storage/storagetest"
)

// askDerive asks a custodian what followed, and has the log say this of it.
func (p *play) askDerive(s *site, list federation.Candidate, says federation.Derived, change ...lies) outcome {
	p.l.t.Helper()
	e := round.Entry{V: 1, Kind: round.Publish, Time: "2026-03-01T08:00:00.000Z", Round: p.header.Round, Blob: says.Result,
		Version: says.Version, Snapshot: says.Snapshot, Parameters: says.Parameters}
	for g, members := range list.Groups {
		if len(members) > 0 {
			e.Groups = append(e.Groups, g)
		}
	}
	if says.Result.IsZero() {
		e = round.Entry{V: 1, Kind: round.Abandon, Time: e.Time, Round: e.Round, Failed: true, Reason: "nothing followed"}
	}
	for _, c := range change {
		if c.entry != nil {
			c.entry(&e)
		}
	}
	index := p.l.append(e)
	p.l.put(federation.Encode(p.manifest))
	return p.l.ask(s, func(seen int64) *atriumpb.Work {
		manifest := p.manifest.Digest()
		w := &atriumpb.Work{Kind: "derive", Round: p.header.Round, Header: federation.Encode(p.header), Manifest: manifest[:],
			Candidate: federation.Encode(list), Sends: p.sendsInOrder(), Entry: e.Encode()}
		prove(p.l.t, w, p.l.log, p.l.log.Size(), seen, index)
		for _, c := range change {
			if c.work != nil {
				c.work(w, seen)
			}
		}
		return w
	})
}

func (p *play) sendsInOrder() [][]byte {
	var list [][]byte
	for _, id := range p.l.charter.Custodians {
		if m, ok := p.sent[id]; ok {
			list = append(list, m.signed)
		}
	}
	return list
}

// readEvidence reads the file of a site about a round that is about the latest entry, and
// checks it as an auditor does; fs.ErrNotExist where there is none.
func readEvidence(t *testing.T, s *site, c federation.Charter, round uint64) (f evidence.File, found evidence.Finding, err error) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.cfg.State, client.EvidenceFolder, fmt.Sprintf("round-%d-*.json", round)))
	must(t, err)
	err = fs.ErrNotExist
	for _, name := range names {
		raw, failed := os.ReadFile(name)
		must(t, failed)
		file, failed := evidence.Decode(raw)
		must(t, failed)
		if err == nil && file.Index < f.Index {
			continue
		}
		f = file
		found, err = evidence.Check(f, c)
		must(t, err)
		if found.Custodian != s.id {
			t.Errorf("evidence of %s", found.Custodian)
		}
	}
	return f, found, err
}

// rederive does what an auditor does with a file of evidence, C and the base: nothing of it
// is a hospital's word but what is signed.
func (p *play) rederive(e evidence.File) opening.Outcome {
	t, l := p.l.t, p.l
	t.Helper()
	h, err := federation.DecodeHeader(e.Header)
	must(t, err)
	candidate, err := federation.DecodeCandidate(e.Candidate)
	must(t, err)
	store := storagetest.NewMemory()
	for digest, blob := range l.blobs {
		store.Set(storage.Blob(digest), blob)
	}
	var sends []opening.ShareSums
	for _, signed := range e.Sends {
		s := decode[federation.Send](l, federation.Encode(signed))
		if s.Candidate != candidate.Digest() {
			t.Fatalf("send of candidate %s", s.Candidate.Short())
		}
		sums := opening.ShareSums{Custodian: s.Custodian}
		for _, digest := range s.ShareSums {
			sum, err := shamir.Unmarshal(l.blobs[digest], 1<<h.Ring.LogN)
			must(t, err)
			sums.ByGroup = append(sums.ByGroup, sum)
		}
		sends = append(sends, sums)
	}
	r := opening.Round{Charter: l.charter, Plan: l.plan, Header: h, Manifest: candidate.Manifest, Candidate: candidate}
	sum, err := opening.Open(t.Context(), store, r, sends)
	must(t, err)
	base, err := models.Decode(l.blobs[h.Base])
	must(t, err)
	out, err := opening.Conclude(r, sum, base)
	must(t, err)
	return out
}

// TestForgedVersion: a true sum is opened, and the coordinator publishes something else as
// what followed from it. Each custodian says what does follow, keeps what shows the lie, and
// is ready on nothing but that.
func TestForgedVersion(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	l.newest--
	earlier := l.gather(l.train(2)).opened(l.sites, l.sites[:3])
	l.newest++
	p := l.gather(l.train(1))
	list := p.ready(l.sites, l.sites...)
	p.sends(list, l.sites[:3]...)
	first, other := l.sites[0], l.sites[1]
	true := decode[federation.Derived](l, p.askDerive(first, list, federation.Derived{}).sends(t, "derived").signed)
	e, found, err := readEvidence(t, first, l.charter, p.header.Round)
	must(t, err)
	l.newest = true.Version
	out := p.rederive(e)
	if digest := l.put(models.Encode(*out.Snapshot)); digest != true.Snapshot || federation.Sum(federation.Encode(out.Result)) != true.Result ||
		string(e.Result) != string(federation.Encode(out.Result)) || true.Version != p.header.Version+1 || models.ParametersDigest(*out.Snapshot) != true.Parameters {
		t.Errorf("an auditor derives %s, the custodian %+v", digest.Short(), true)
	}
	if got := follows(found); got[evidence.Snapshot] != true.Snapshot.String() || got[evidence.Result] != true.Result.String() || len(got) != 5 {
		t.Errorf("the evidence says that %v follows, what does is %+v", got, true)
	}
	p.askDerive(other, list, true).sends(t, "derived")
	if _, _, err := readEvidence(t, other, l.charter, p.header.Round); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("evidence against a true version: %v", err)
	}
	for name, lie := range map[string]struct {
		change func(*federation.Derived)
		entry  func(*round.Entry)
		what   []string
	}{
		"another result":           {change: func(d *federation.Derived) { d.Result = federation.Sum([]byte("other")) }, what: []string{evidence.Result}},
		"another snapshot":         {change: func(d *federation.Derived) { d.Snapshot = federation.Sum([]byte("other")) }, what: []string{evidence.Snapshot}},
		"another version number":   {change: func(d *federation.Derived) { d.Version++ }, what: []string{evidence.Version}},
		"other parameters":         {change: func(d *federation.Derived) { d.Parameters = federation.Sum([]byte("other")) }, what: []string{evidence.Parameters}},
		"other metadata":           {change: func(d *federation.Derived) { d.Snapshot = l.restated(out) }, what: []string{evidence.Snapshot}},
		"a group that it left out": {change: func(d *federation.Derived) { d.Result = withoutGroup(out) }, what: []string{evidence.Result}},
		"other groups":             {entry: func(e *round.Entry) { e.Groups = nil }, what: []string{evidence.Groups}},
	} {
		l.run(t, name, func(t *testing.T) {
			says := true
			if lie.change != nil {
				lie.change(&says)
			}
			if d := decode[federation.Derived](l, p.askDerive(other, list, says, lies{entry: lie.entry}).sends(t, "derived").signed); d.Snapshot != true.Snapshot || d.Result != true.Result {
				t.Errorf("it signed %+v, what follows is %+v", d, true)
			}
			_, found, err := readEvidence(t, other, l.charter, p.header.Round)
			must(t, err)
			if got := slices.Sorted(maps.Keys(follows(found))); !slices.Equal(got, lie.what) {
				t.Errorf("the evidence is about %v, not %v", got, lie.what)
			}
		})
	}
	l.run(t, "what it follows from", func(t *testing.T) { deriveAttacks(t, p, list, true, earlier) })
	l.run(t, "the next round", func(t *testing.T) { nextRound(t, p, true, l.restated(out)) })
}

// follows is what a custodian says that follows, by what it is about.
func follows(f evidence.Finding) map[string]string {
	list := map[string]string{}
	for _, d := range f.Differs {
		list[d.What] = d.Follows
	}
	return list
}

// restated is the snapshot of an outcome with other metadata.
func (l *liar) restated(out opening.Outcome) federation.Digest {
	s := *out.Snapshot
	s.Metadata = map[string]string{"note": "other"}
	for k, v := range out.Snapshot.Metadata {
		s.Metadata[k] = v
	}
	return l.put(models.Encode(s))
}

func withoutGroup(out opening.Outcome) federation.Digest {
	r := out.Result
	r.Groups = []opening.GroupResult{{Group: 0, Submitters: 4, Reason: "it does not open"}}
	return federation.Sum(federation.Encode(r))
}

// deriveAttacks: what a custodian is given to derive from.
func deriveAttacks(t *testing.T, p *play, list federation.Candidate, true federation.Derived, earlier *play) {
	l, s := p.l, p.l.sites[2]
	l.gather(l.train(3)) // the round that they joined last is another
	sends := func(list [][]byte) lies {
		return lies{work: func(w *atriumpb.Work, _ int64) { w.Sends = list }}
	}
	all, less := p.sendsInOrder(), federation.Encode(p.of(l.sites[1:]...))
	wrong := decode[federation.Send](l, all[0])
	sum, err := shamir.Unmarshal(l.blobs[wrong.ShareSums[0]], 1<<p.header.Ring.LogN)
	must(t, err)
	slices.Reverse(sum)
	wrong.ShareSums = []federation.Digest{l.put(shamir.Marshal(sum))}
	hostile := federation.Encode(sign(l, l.sites[0], wrong))
	for _, a := range []struct {
		name string
		lie  lies
		want string
	}{
		{"one send short", sends(all[:2]), "2 of 3 share sums"},
		{"one send twice", sends([][]byte{all[0], all[1], all[1]}), "the coordinator's messages do not fit together"},
		{"a send of another round", sends([][]byte{all[0], all[1], earlier.sendsInOrder()[2]}), "the coordinator's messages do not fit together"},
		{"a wrong share sum among as few as there can be", sends([][]byte{hostile, all[1], all[2]}), "3 share sums are too few"},
		{"another round's header", lies{work: func(w *atriumpb.Work, _ int64) { w.Header = federation.Encode(earlier.header) }}, "is not of this header"},
		{"an entry of another kind", lies{entry: func(e *round.Entry) { e.Kind = round.Finish }}, "does not say what followed"},
		{"another round's entry", lies{entry: func(e *round.Entry) { e.Round++ }}, "does not say what followed"},
		{"an entry that is not in the log", lies{work: func(w *atriumpb.Work, _ int64) { w.Entry = round.Entry{V: 1, Kind: round.Publish}.Encode() }}, "the coordinator's messages do not fit together"},
		{"another candidate", lies{work: func(w *atriumpb.Work, _ int64) { w.Candidate = less }}, "this custodian holds no share sums for that candidate"},
	} {
		l.run(t, a.name, func(t *testing.T) { p.askDerive(s, list, true, a.lie).refuses(t, a.want) })
	}
	if _, _, err := readEvidence(t, s, l.charter, p.header.Round); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("evidence where nothing was derived: %v", err)
	}
	p.askSend(l.sites[3], list).sends(t, "send") // with one more the wrong one is corrected
	d := decode[federation.Derived](l, p.askDerive(s, list, true, sends([][]byte{hostile, all[1], all[2], p.sent[l.sites[3].id].signed})).sends(t, "derived").signed)
	if d.Snapshot != true.Snapshot {
		t.Errorf("with a wrong share sum it derives %s", d.Snapshot.Short())
	}
}

// TestNoShareSum: one custodian and the coordinator have a send logged that names what is no
// share sum. It counts as a wrong one: with it the others derive from t that are right, or wait.
func TestNoShareSum(t *testing.T) {
	for _, hospitals := range []int{4, 5} {
		t.Run(fmt.Sprintf("m=%d", hospitals), func(t *testing.T) {
			l := newLiar(t, hospitals, 1, plans.Cardiology())
			p := l.gather(l.train(1))
			list := p.ready(l.sites, l.sites...)
			p.sends(list, l.sites...)
			hostile, judge, other := l.sites[0], l.sites[1], l.sites[2]
			want := decode[federation.Derived](l, p.askDerive(judge, list, federation.Derived{}).sends(t, "derived").signed)
			send := decode[federation.Send](l, p.sent[hostile.id].signed)
			for name, blob := range map[string][]byte{"no encoding": []byte("none"), "one byte short": l.blobs[send.ShareSums[0]][1:]} {
				send.ShareSums = []federation.Digest{l.put(blob)}
				p.sent[hostile.id] = message{kind: "send", signed: federation.Encode(sign(l, hostile, send))}
				all := p.sendsInOrder()
				if got := decode[federation.Derived](l, p.askDerive(other, list, want).sends(t, "derived").signed); got.Snapshot != want.Snapshot || got.Result != want.Result {
					t.Errorf("%s: it derives %+v, without it %+v follows", name, got, want)
				}
				few := lies{work: func(w *atriumpb.Work, _ int64) { w.Sends = all[:l.charter.Threshold] }}
				p.askDerive(other, list, want, few).refuses(t, "share sums are too few to leave a group out")
			}
		})
	}
}

// nextRound: custodians are ready on what they derived without anybody's word, one that did
// not derive it by the word of f+1, and nobody on the forged version of the same number.
func nextRound(t *testing.T, p *play, true federation.Derived, forged federation.Digest) {
	l := p.l
	word := func(by *site, snapshot federation.Digest) []byte {
		d := true
		d.Custodian, d.Snapshot = by.id, snapshot
		return federation.Encode(sign(l, by, d))
	}
	begin := func(snapshot federation.Digest) *play {
		h := l.trainOn(snapshot, true.Parameters)
		h.Steps = true.Steps
		q := l.gather(h)
		q.derived = [][]byte{word(l.sites[3], snapshot)} // f of them
		return q
	}
	q := begin(forged)
	for _, s := range l.sites[1:] { // no daemon computes on it
		q.hostile(s, make([]uint32, q.header.Format.Count()))
	}
	list, s := q.of(l.sites[1:]...), l.sites[0]
	q.askUpdate(s, q.manifest).refuses(t, "this version was neither derived here nor signed by enough custodians")
	q.askReady(s, list).refuses(t, "this version was neither derived here nor signed by enough custodians")
	_, found, err := readEvidence(t, s, l.charter, q.header.Round)
	must(t, err)
	if want := []federation.Difference{{What: evidence.Base, Says: forged.String(), Follows: true.Snapshot.String()}}; !slices.Equal(found.Differs, want) {
		t.Errorf("the evidence says %+v, want %+v", found.Differs, want)
	}
	q = begin(true.Snapshot).collect(l.sites[:3]...)
	list = q.of(l.sites[:3]...)
	q.readied(list, l.sites[:3]...)
	q.askReady(l.sites[3], list).refuses(t, "this version was neither derived here nor signed by enough custodians")
	q.derived = append(q.derived, word(l.sites[0], true.Snapshot))
	q.readied(list, l.sites[3])
	q.sends(list, l.sites...)
}

// TestAdoptMadeUp: the coordinator asks hospitals to adopt what nobody derived, and two of
// them to adopt two models under one number.
func TestAdoptMadeUp(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	base, parameters := l.base(1)
	other, otherParameters := l.base(2)
	ask := func(s *site, snapshot federation.Digest, words [][]byte) outcome {
		return l.ask(s, func(int64) *atriumpb.Work {
			return &atriumpb.Work{Kind: "adopt", Version: 9, Snapshot: snapshot[:], Derived: words, Reason: "all done"}
		})
	}
	honest := l.signed(9, base, parameters, l.sites[0], l.sites[1])
	hostile := l.signed(9, other, otherParameters, l.sites[2])
	for name, words := range map[string][][]byte{
		"nobody's word":              nil,
		"f custodians' word":         hostile,
		"their word twice":           slices.Concat(hostile, hostile),
		"the word for the other":     honest,
		"the word for both":          slices.Concat(honest, hostile),
		"the word for a version 8":   slices.Concat(hostile, l.signed(8, other, otherParameters, l.sites[0])),
		"the word of ten thousand":   slices.Repeat(hostile, 10_000),
		"a send for a derivation":    {federation.Encode(sign(l, l.sites[0], federation.Send{V: 1, Custodian: l.sites[0].id}))},
		"words of another plan's 9":  slices.Concat(hostile, l.signed(9, base, otherParameters, l.sites[0])),
		"words for other parameters": slices.Concat(l.signed(9, other, parameters, l.sites[2]), l.signed(9, other, otherParameters, l.sites[3])),
	} {
		l.run(t, name, func(t *testing.T) {
			for _, s := range l.sites[:2] {
				o := ask(s, other, words)
				if o.refusal == "" || len(o.messages) > 0 {
					t.Errorf("%d messages, refusal %q", len(o.messages), o.refusal)
				}
				if _, err := client.ReadReport(s.cfg.State); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s has a report: %v", s.name, err)
				}
			}
		})
	}
	l.run(t, "the word of f+1", func(t *testing.T) {
		s := l.sites[0]
		l.quietly(s, &atriumpb.Work{Kind: "adopt", Version: 9, Snapshot: base[:], Derived: honest, Reason: "all done"})
		r, err := client.ReadReport(s.cfg.State)
		must(t, err)
		if r.Version != 9 || r.Snapshot != base.String() {
			t.Errorf("it adopted version %d, %s", r.Version, r.Snapshot)
		}
	})
}
