package client_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage/roundlog"
)

// passage is the way of a liar's federation from epoch 1 to the next: another log key, and
// the last hospital leaves.
type passage struct {
	*liar
	young    *roundlog.Key
	terms    federation.Charter
	consents []federation.Consent
}

// vote ends a hospital's daemon, has a person there approve the terms, and starts it again.
func (l *liar) vote(s *site, terms federation.Charter) federation.Consent {
	l.t.Helper()
	if _, err := client.OpenBallot(s.cfg.State, s.cfg.Charter, s.identity, terms); !errors.Is(err, client.ErrLocked) {
		l.t.Errorf("a vote beside the daemon: %v", err)
	}
	s.stop()
	ballot, err := client.OpenBallot(s.cfg.State, s.cfg.Charter, s.identity, terms)
	must(l.t, err)
	consent, err := ballot.Approve()
	must(l.t, err)
	again, err := ballot.Approve()
	must(l.t, err)
	if string(federation.Encode(again)) != string(federation.Encode(consent)) {
		l.t.Errorf("the consent changes when it is given again")
	}
	must(l.t, ballot.Close())
	l.start(s)
	l.t.Cleanup(s.stop)
	return consent
}

func newPassage(t *testing.T) *passage {
	l := newLiar(t, 4, 1, plans.Cardiology()) // m = 4, t = 3, f = 1: three must close
	young, err := roundlog.GenerateKey(l.key.Name(), rand.Reader)
	must(t, err)
	terms, err := l.charter.Next(federation.Change{Remove: []federation.HospitalID{l.sites[3].id}, LogKey: young.Verifier()})
	must(t, err)
	for _, s := range l.sites {
		l.askJoin(s, l.train(1)).sends(t, "join") // its journal is one that took part
	}
	return &passage{liar: l, young: young, terms: terms}
}

// assemble is the charter that the consents make.
func (p *passage) assemble() envelope.Assembled {
	p.t.Helper()
	a, err := envelope.Assemble(p.charter, p.terms, p.consents)
	must(p.t, err)
	return a
}

// log2 is a copy of the log that goes on by the young key, where an entry begins an epoch.
func (p *passage) log2(keep int64) *roundlog.Log {
	p.t.Helper()
	store := p.store.Clone()
	p.mu.Lock()
	defer p.mu.Unlock()
	if keep < p.log.Size() {
		for n := keep; n < p.log.Size(); n++ {
			must(p.t, store.Delete(p.t.Context(), "log/"+number(n)))
		}
	}
	log, err := roundlog.Open(p.t.Context(), store, p.young, nil, roundlog.WithSuccession(p.key.Verifier(), func(b roundlog.Batch) (string, error) {
		if e, err := round.DecodeEntry(b.Entries[0]); err == nil && e.Kind == round.CharterSet {
			return p.young.Verifier(), nil
		}
		return "", nil
	}))
	must(p.t, err)
	return log
}

func number(n int64) string {
	const digits = "000000000000"
	text := digits
	for i := len(digits) - 1; n > 0; i, n = i-1, n/10 {
		text = text[:i] + string(rune('0'+n%10)) + text[i+1:]
	}
	return text
}

// shown is a charter as a coordinator shows it; a lie changes it.
type shown struct {
	charter federation.Charter
	signed  federation.Countersignatures
	blobs   [][]byte
	entry   round.Entry
	keep    int64                   // entries of the old log before it
	change  func(*atriumpb.Work)    // of the finished task
	sign    func(size int64) []byte // the checkpoint; nil for the young key's
}

// ask shows a hospital the charter of a finished transition.
func (p *passage) ask(s *site, change func(*shown)) outcome {
	p.t.Helper()
	a := p.assemble()
	v := shown{charter: clone(p.t, a.Charter), signed: clone(p.t, a.Countersignatures), blobs: a.Statements, keep: p.log.Size(), entry: round.Entry{Kind: round.CharterSet, Epoch: 1}}
	if change != nil {
		change(&v)
	}
	for _, b := range v.blobs {
		p.put(b)
	}
	v.entry.Blob, v.entry.Attachment = p.put(federation.Encode(v.charter)), p.put(federation.Encode(v.signed))
	log := p.log2(v.keep)
	index := appendTo(p.t, log, v.entry)
	v.entry.V, v.entry.Time = 1, "2026-03-01T08:00:00.000Z"
	return p.liar.ask(s, func(seen int64) *atriumpb.Work {
		w := &atriumpb.Work{Kind: "charter", Entry: v.entry.Encode()}
		prove(p.t, w, log, log.Size(), seen, index)
		if v.sign != nil {
			w.Checkpoint = v.sign(log.Size())
		}
		if v.change != nil {
			v.change(w)
		}
		return w
	})
}

// resign makes the countersignatures fit a charter of other terms, as if all had signed.
func (p *passage) resign(v *shown) {
	v.signed = federation.Countersignatures{V: 1, Charter: v.charter.Digest()}
	for _, m := range v.charter.Members {
		i := slices.IndexFunc(p.sites, func(s *site) bool { return s.id == m.ID })
		v.signed.Signatures = append(v.signed.Signatures, envelope.CountersignTerms(p.sites[i].identity, v.charter, m.ID))
	}
}

// closings replaces the closing statements of a charter.
func (v *shown) closings(blobs ...[]byte) {
	v.blobs, v.charter.Closings = blobs, nil
	for _, b := range blobs {
		v.charter.Closings = append(v.charter.Closings, federation.Sum(b))
	}
	v.signed.Charter = v.charter.Digest()
}

// TestLyingAboutTheEpoch plays every lie about a charter that follows another.
func TestLyingAboutTheEpoch(t *testing.T) {
	p := newPassage(t)
	s := p.sites[0]
	for _, other := range p.sites[:3] {
		p.consents = append(p.consents, p.vote(other, p.terms))
	}
	s.quiet = true // it waits for the charter
	if o := p.askJoin(s, p.train(2)); len(o.messages) != 0 {
		t.Errorf("a custodian that closed the epoch sent %d messages", len(o.messages))
	}
	s.quiet = false
	statement := func(i int, change func(*federation.Closing)) []byte {
		c := federation.Closing{V: 1, Charter: p.charter.Digest(), Custodian: p.sites[i].id, Answered: []federation.Answered{}}
		change(&c)
		return federation.Encode(envelope.SignClosing(p.sites[i].identity, p.charter.Federation, c))
	}
	for _, a := range []struct {
		name   string
		change func(*shown)
		want   string
	}{
		{"one statement short", func(v *shown) { v.closings(v.blobs[:2]...) }, "2 custodians closed epoch 1: 3 must"},
		{"one statement twice", func(v *shown) { v.closings(v.blobs[0], v.blobs[1], v.blobs[1]) }, "closed twice"},
		{"a statement of another epoch", func(v *shown) {
			v.closings(v.blobs[0], v.blobs[1], statement(2, func(c *federation.Closing) { c.Charter = federation.Sum(nil) }))
		}, "it closes charter"},
		{"a statement of another federation", func(v *shown) {
			c := federation.Closing{V: 1, Charter: p.charter.Digest(), Custodian: p.sites[2].id, Answered: []federation.Answered{}}
			v.closings(v.blobs[0], v.blobs[1], federation.Encode(envelope.SignClosing(p.sites[2].identity, "oncology", c)))
		}, "signature does not verify"},
		{"a statement in another's name", func(v *shown) {
			c := federation.Closing{V: 1, Charter: p.charter.Digest(), Custodian: p.sites[2].id, Answered: []federation.Answered{}}
			v.closings(v.blobs[0], v.blobs[1], federation.Encode(envelope.SignClosing(p.sites[1].identity, p.charter.Federation, c)))
		}, "signature does not verify"},
		{"a statement that is not the one named", func(v *shown) {
			v.charter.Closings[0] = federation.Sum([]byte("x"))
			v.signed.Charter = v.charter.Digest()
		}, "no such object"},
		{"terms that nobody here approved", func(v *shown) {
			v.charter.MinCohort = 3
			v.charter.MaxHostile = 1
			v.charter.Threshold = 2
			p.resign(v)
		}, "max hostile"},
		{"a custodian exchanged", func(v *shown) { slices.Reverse(v.charter.Custodians); p.resign(v) }, "was not approved here"},
		{"an epoch skipped", func(v *shown) { v.charter.Epoch = 3; p.resign(v) }, "was not approved here"},
		{"a countersignature missing", func(v *shown) { v.signed.Signatures = v.signed.Signatures[:2] }, "countersignatures of charter"},
		{"a countersignature of another hospital", func(v *shown) { v.signed.Signatures[0].Signature = v.signed.Signatures[1].Signature }, "signature does not verify"},
		{"another kind of entry", func(v *shown) {
			v.change = func(w *atriumpb.Work) {
				w.Entry = round.Entry{V: 1, Kind: round.Genesis, Time: "2026-03-01T08:00:00.000Z", Blob: p.charter.Digest()}.Encode()
			}
		}, "begins no epoch"},
		{"a checkpoint by the old key", func(v *shown) {
			v.sign = func(size int64) []byte {
				log, err := roundlog.Open(p.t.Context(), p.store.Clone(), p.key, nil)
				must(p.t, err)
				appendTo(p.t, log, v.entry)
				note, err := log.CheckpointAt(p.t.Context(), size)
				must(p.t, err)
				return note
			}
		}, "signature does not verify"},
		{"an entry that is not in the log", func(v *shown) { v.change = func(w *atriumpb.Work) { w.EntryIndex-- } }, "do not fit together"},
		{"a log that forgot what was seen", func(v *shown) { v.keep = 0 }, "the coordinator shows an older log than before, or another"},
	} {
		p.run(t, a.name, func(t *testing.T) { p.ask(s, a.change).refuses(t, a.want) })
	}
	p.takesUp(t, s)
}

// takesUp: the true charter is taken up, once; afterwards nothing of epoch 1 is done.
func (p *passage) takesUp(t *testing.T, s *site) {
	old := p.train(3)
	o := p.ask(s, nil) // it goes over, and refuses the same task when it is shown again
	o.refuses(t, "epoch 2 after epoch 2")
	p.askJoin(s, old).refuses(t, "of epoch 1: pinned is "+p.assemble().Charter.Digest().Short())
	s.stop()
	file := filepath.Join(s.cfg.State, "charter-2.json")
	kept, err := os.ReadFile(file)
	must(t, err)
	if federation.Sum(kept) != p.assemble().Charter.Digest() {
		t.Errorf("%s is not the charter", file)
	}
	if _, err := client.OpenBallot(s.cfg.State, s.cfg.Charter, s.identity, p.terms); !errors.Is(err, client.ErrBallot) || !strings.Contains(err.Error(), "epoch 2, which is over or in force") {
		t.Errorf("the same terms again: %v", err)
	}
	must(t, os.Remove(file))
	if _, err := client.Open(s.cfg); err == nil || !strings.Contains(err.Error(), "epoch") {
		t.Errorf("without the charter of its epoch the daemon starts: %v", err)
	}
	must(t, os.WriteFile(file, kept, 0o600))
	p.start(s)
	t.Cleanup(s.stop)
	p.askJoin(s, old).refuses(t, "of epoch 1: pinned is ")
}

// A hospital where nobody approved goes nowhere, and says what to do.
func TestCharterThatWasNotApproved(t *testing.T) {
	p := newPassage(t)
	for _, other := range p.sites[1:3] {
		p.consents = append(p.consents, p.vote(other, p.terms))
	}
	s := p.sites[0]
	s.stop()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(s.cfg.State))) // where a person approves, and the daemon does not run
	ballot, err := client.OpenBallot(dir, s.cfg.Charter, s.identity, p.terms)
	must(t, err)
	if words := strings.Join(ballot.Words(), "\n"); !strings.Contains(words, "removes  "+string(p.sites[3].id)) || !strings.Contains(words, "what the old key signs from now on is worth nothing") ||
		!strings.Contains(words, "closes epoch 1 for good") {
		t.Errorf("words:\n%s", words)
	}
	consent, err := ballot.Approve()
	must(t, err)
	must(t, ballot.Close())
	p.consents = append(p.consents, consent)
	p.start(s)
	t.Cleanup(s.stop)
	p.ask(s, nil).refuses(t, "the next charter was not approved here: atrium hospital charter approve FILE")
	p.askJoin(s, p.train(2)).sends(t, "join") // and goes on in epoch 1
}
