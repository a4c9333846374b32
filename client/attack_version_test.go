package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/models"
	"atrium/storage/storagetest"
)

// askDerive asks a custodian what followed, and says what the log says of it.
func (p *play) askDerive(s *site, list federation.Candidate, says federation.Derived, change ...lies) outcome {
	p.l.t.Helper()
	return p.l.ask(s, func(seen int64) *atriumpb.Work {
		manifest := p.manifest.Digest()
		w := &atriumpb.Work{Kind: "derive", Round: p.header.Round, Header: federation.Encode(p.header), Manifest: manifest[:],
			Candidate: federation.Encode(list), Sends: p.sendsInOrder(), Version: says.Version,
			Snapshot: says.Snapshot[:], Parameters: says.Parameters[:], Result: says.Result[:]}
		for _, c := range change {
			c.work(w, seen)
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

// evidence is the file that a custodian keeps of a version that does not follow.
type evidence struct {
	Header, Candidate  []byte
	Sends              [][]byte
	Published, Derived federation.Derived
}

func readEvidence(s *site, round uint64) (e evidence, err error) {
	raw, err := os.ReadFile(filepath.Join(s.cfg.State, fmt.Sprintf("evidence-round-%d.json", round)))
	if err == nil {
		err = json.Unmarshal(raw, &e)
	}
	return e, err
}

// rederive does what an auditor does with a file of evidence, C and the base: nothing of it
// is a hospital's word but what is signed.
func (p *play) rederive(e evidence) opening.Outcome {
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
	for _, raw := range e.Sends {
		s := decode[federation.Send](l, raw)
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
	p := l.gather(l.train(1))
	list := p.ready(l.sites, l.sites...)
	p.sends(list, l.sites[:3]...)
	first, other := l.sites[0], l.sites[1]
	true := decode[federation.Derived](l, p.askDerive(first, list, federation.Derived{}).sends(t, "derived").signed)
	e, err := readEvidence(first, p.header.Round)
	must(t, err)
	l.newest = true.Version
	out := p.rederive(e)
	if digest := l.put(models.Encode(*out.Snapshot)); e.Derived != true || digest != true.Snapshot || federation.Sum(federation.Encode(out.Result)) != true.Result ||
		true.Version != p.header.Version+1 || models.ParametersDigest(*out.Snapshot) != true.Parameters {
		t.Errorf("an auditor derives %s, the custodian %+v", digest.Short(), true)
	}
	p.askDerive(other, list, true).sends(t, "derived")
	if _, err := readEvidence(other, p.header.Round); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("evidence against a true version: %v", err)
	}
	for name, change := range map[string]func(*federation.Derived){
		"another result":           func(d *federation.Derived) { d.Result = federation.Sum([]byte("other")) },
		"another snapshot":         func(d *federation.Derived) { d.Snapshot = federation.Sum([]byte("other")) },
		"another version number":   func(d *federation.Derived) { d.Version++ },
		"other parameters":         func(d *federation.Derived) { d.Parameters = federation.Sum([]byte("other")) },
		"other metadata":           func(d *federation.Derived) { d.Snapshot = l.restated(out) },
		"a group that it left out": func(d *federation.Derived) { d.Result = withoutGroup(out) },
		"nothing":                  func(d *federation.Derived) { *d = federation.Derived{} },
	} {
		l.run(t, name, func(t *testing.T) {
			says := true
			change(&says)
			if d := decode[federation.Derived](l, p.askDerive(other, list, says).sends(t, "derived").signed); d.Snapshot != true.Snapshot || d.Result != true.Result {
				t.Errorf("it signed %+v, what follows is %+v", d, true)
			}
			e, err := readEvidence(other, p.header.Round)
			must(t, err)
			if e.Published.Result != says.Result || e.Published.Snapshot != says.Snapshot || e.Published.Version != says.Version || e.Derived.Snapshot != true.Snapshot {
				t.Errorf("the evidence says %+v", e)
			}
		})
	}
	l.run(t, "what it follows from", func(t *testing.T) { deriveAttacks(t, p, list, true) })
	l.run(t, "the next round", func(t *testing.T) { nextRound(t, p, true, l.restated(out)) })
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
func deriveAttacks(t *testing.T, p *play, list federation.Candidate, true federation.Derived) {
	l, s := p.l, p.l.sites[2]
	earlier := l.gather(l.train(2)).opened(l.sites, l.sites[:3])
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
		{"another candidate", lies{work: func(w *atriumpb.Work, _ int64) { w.Candidate = less }}, "this custodian holds no share sums for that candidate"},
	} {
		l.run(t, a.name, func(t *testing.T) { p.askDerive(s, list, true, a.lie).refuses(t, a.want) })
	}
	if _, err := readEvidence(s, p.header.Round); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("evidence where nothing was derived: %v", err)
	}
	p.askSend(l.sites[3], list).sends(t, "send") // with one more the wrong one is corrected
	d := decode[federation.Derived](l, p.askDerive(s, list, true, sends([][]byte{hostile, all[1], all[2], p.sent[l.sites[3].id].signed})).sends(t, "derived").signed)
	if d.Snapshot != true.Snapshot {
		t.Errorf("with a wrong share sum it derives %s", d.Snapshot.Short())
	}
}

// nextRound: custodians are ready on what they derived without anybody's word, one that did
// not derive it by the word of f+1, and nobody on the forged version of the same number.
func nextRound(t *testing.T, p *play, true federation.Derived, forged federation.Digest) {
	l := p.l
	begin := func(snapshot federation.Digest, train ...*site) (*play, federation.Candidate) {
		q := l.gather(l.trainOn(snapshot, true.Parameters)).collect(train...)
		q.derived = l.signed(l.newest, snapshot, true.Parameters, l.sites[3]) // f of them
		return q, q.of(train...)
	}
	q, list := begin(forged, l.sites[1:]...) // who trains took the base by words that the test made
	for _, s := range l.sites[:1] {
		q.askUpdate(s, q.manifest).refuses(t, "this version was neither derived here nor signed by enough custodians")
		q.askReady(s, list).refuses(t, "this version was neither derived here nor signed by enough custodians")
	}
	q, list = begin(true.Snapshot, l.sites[:3]...)
	q.readied(list, l.sites[:3]...)
	q.askReady(l.sites[3], list).refuses(t, "this version was neither derived here nor signed by enough custodians")
	q.derived = append(q.derived, l.signed(true.Version, true.Snapshot, true.Parameters, l.sites[0])...)
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
