package coordinator_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atrium/client/audit"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/roundlog"
)

// passage is a new federation of four whose hospitals consented to another log key.
type passage struct {
	t          *testing.T
	bucket     *local.Bucket
	old, young *roundlog.Key
	before     federation.Charter
	terms      federation.Charter
	keys       map[federation.HospitalID]ed25519.PrivateKey
}

func newPassage(t *testing.T) passage {
	t.Helper()
	c, bucket, hospitals := fresh(t, plans.Cardiology())
	p := passage{t: t, bucket: bucket, before: c.Charter(), keys: map[federation.HospitalID]ed25519.PrivateKey{}}
	for _, h := range hospitals {
		key, err := setup.LoadIdentity(filepath.Join(h.Folder, "identity.key"))
		p.must(err)
		p.keys[h.ID] = key
	}
	var err error
	p.old, err = setup.LoadLogKey(filepath.Join(hospitals[0].Folder, "..", "..", "coordinator", "log.key"))
	p.must(err)
	p.young, err = roundlog.GenerateKey(p.old.Name(), rand.Reader)
	p.must(err)
	p.terms, err = p.before.Next(federation.Change{LogKey: p.young.Verifier()})
	p.must(err)
	return p
}

func (p passage) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// assembled has the consents of all and the closing statements of n custodians.
func (p passage) assembled(n int) envelope.Assembled {
	p.t.Helper()
	a := envelope.Assembled{Charter: p.terms, Countersignatures: federation.Countersignatures{V: 1}}
	for _, m := range p.terms.Members {
		a.Countersignatures.Signatures = append(a.Countersignatures.Signatures, envelope.CountersignTerms(p.keys[m.ID], p.terms, m.ID))
	}
	for _, id := range p.before.Custodians[:n] {
		signed := envelope.SignClosing(p.keys[id], p.before.Federation, p.closing(id))
		a.Charter.Closings = append(a.Charter.Closings, signed.Digest())
		a.Statements = append(a.Statements, federation.Encode(signed))
	}
	a.Countersignatures.Charter = a.Charter.Digest()
	return a
}

// closing is a statement that names nothing.
func (p passage) closing(id federation.HospitalID) federation.Closing {
	return federation.Closing{V: 1, Charter: p.before.Digest(), Custodian: id, Answered: []federation.Answered{}, Before: []federation.Answered{},
		Random: federation.Sum([]byte("random bytes of " + id))}
}

func (p passage) config(key *roundlog.Key, c federation.Charter) coordinator.Config {
	return coordinator.Config{Bucket: p.bucket, Key: key, Charter: c}
}

func TestInstall(t *testing.T) {
	p := newPassage(t)
	a := p.assembled(3)
	done, err := coordinator.Install(t.Context(), p.config(p.young, p.before), a)
	p.must(err)
	if done.Index != 2 || done.Charter.Digest() != a.Charter.Digest() {
		t.Errorf("installed %+v", done)
	}
	again, err := coordinator.Install(t.Context(), p.config(p.young, p.before), p.assembled(4)) // other statements, the same terms
	p.must(err)
	if again.Index != 2 || again.Charter.Digest() != a.Charter.Digest() || again.Countersignatures.Charter != a.Charter.Digest() {
		t.Errorf("installed again %+v", again)
	}
	c, err := coordinator.Open(t.Context(), p.config(p.young, a.Charter))
	p.must(err)
	if got := c.Status(); got.Epoch != 2 || got.Charter != a.Charter.Digest() {
		t.Errorf("status %+v", got)
	}
	if _, err := coordinator.Open(t.Context(), p.config(p.old, p.before)); !errors.Is(err, coordinator.ErrEpoch) || !strings.Contains(err.Error(), "the log is at epoch 2") {
		t.Errorf("open with the old charter: %v", err)
	}
	for name, pinned := range map[string]federation.Digest{"none": {}, "old": p.before.Digest(), "new": a.Charter.Digest()} {
		if i, err := coordinator.Inspect(t.Context(), p.bucket, pinned); err != nil || i.Epoch != 2 {
			t.Errorf("inspect with charter %s: epoch %d, %v", name, i.Epoch, err)
		}
		if r, err := audit.Verify(t.Context(), p.bucket, audit.Options{Charter: pinned}); err != nil || r.Epoch != 2 || r.LogKey != p.young.Verifier() {
			t.Errorf("verify with charter %s: %+v, %v", name, r, err)
		}
	}
	if _, err := coordinator.Inspect(t.Context(), p.bucket, federation.Sum(nil)); !errors.Is(err, coordinator.ErrCharter) {
		t.Errorf("inspect with a charter of another line: %v", err)
	}
	if _, err := audit.Verify(t.Context(), p.bucket, audit.Options{Charter: federation.Sum(nil)}); !errors.Is(err, audit.ErrPin) {
		t.Errorf("verify with a charter of another line: %v", err)
	}
}

func TestInstallRefusals(t *testing.T) {
	p := newPassage(t)
	a := p.assembled(3)
	if _, err := coordinator.Install(t.Context(), p.config(p.old, p.before), a); err == nil || !strings.Contains(err.Error(), "is not that of the next charter") {
		t.Errorf("with the old key: %v", err)
	}
	if _, err := coordinator.Install(t.Context(), p.config(p.young, p.before), p.assembled(2)); !errors.Is(err, federation.ErrTransition) || !strings.Contains(err.Error(), "2 custodians closed epoch 1: 3 must") {
		t.Errorf("with two statements: %v", err)
	}
	other := a
	other.Countersignatures.Signatures = a.Countersignatures.Signatures[:3]
	if _, err := coordinator.Install(t.Context(), p.config(p.young, p.before), other); !errors.Is(err, envelope.ErrSignature) {
		t.Errorf("without a countersignature: %v", err)
	}
	if i, err := coordinator.Inspect(t.Context(), p.bucket, federation.Digest{}); err != nil || i.Epoch != 1 || i.Entries != 2 {
		t.Errorf("after the refusals: %+v, %v", i, err)
	}
	_, err := coordinator.Install(t.Context(), p.config(p.young, p.before), a)
	p.must(err)
	elsewhere, err := p.before.Next(federation.Change{LogKey: p.young.Verifier(), Retention: &federation.Retention{Rounds: 4}})
	p.must(err)
	p.terms = elsewhere
	if _, err := coordinator.Install(t.Context(), p.config(p.young, p.before), p.assembled(3)); !errors.Is(err, coordinator.ErrEpoch) {
		t.Errorf("other terms for the same epoch: %v", err)
	}
}

// A leader of the epoch before loses its slot to the charter and ends.
func TestLeaderOfTheEpochBefore(t *testing.T) {
	p := newPassage(t)
	c, err := coordinator.Open(t.Context(), p.config(p.old, p.before))
	p.must(err)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(t.Context()) }()
	for range time.Tick(10 * time.Millisecond) {
		if c.View().State.Round.Number == 1 {
			break
		}
	}
	_, err = coordinator.Install(t.Context(), p.config(p.young, p.before), p.assembled(3))
	p.must(err)
	c.Submit(t.Context(), round.DeclineVerified{Blob: federation.Sum(nil), Decline: federation.Decline{V: 1, Header: c.View().State.Round.Header,
		Hospital: p.before.Members[0].ID, Role: federation.RoleUpdate, Reason: "whatever commits"}})
	select {
	case err := <-ended:
		if !errors.Is(err, coordinator.ErrEpoch) || !strings.Contains(err.Error(), "start again with the charter of the log") {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
	if _, err := audit.Verify(t.Context(), p.bucket, audit.Options{}); err != nil {
		t.Error(err)
	}
}

// TestForgedEpoch: whoever has the new key, or the old one, and the store, but not what an
// epoch rests on, gets nobody to read on.
func TestForgedEpoch(t *testing.T) {
	for name, f := range map[string]struct {
		forge func(p passage, a *envelope.Assembled) // before it is stored
		entry func(p passage, e *round.Entry)
		old   bool // signed by the old key
		want  error
		audit error // where that is another
	}{
		"a statement short":         {forge: func(p passage, a *envelope.Assembled) { *a = p.assembled(2) }, want: federation.ErrTransition},
		"nobody signed":             {forge: func(_ passage, a *envelope.Assembled) { a.Countersignatures.Signatures = nil }, want: envelope.ErrSignature},
		"a statement is missing":    {forge: func(_ passage, a *envelope.Assembled) { a.Statements = a.Statements[1:] }, want: storage.ErrNotFound},
		"signed by the old key":     {old: true, want: roundlog.ErrSignature},
		"the leader's epoch stays":  {entry: func(_ passage, e *round.Entry) { e.Epoch = 0 }, want: round.ErrEntry, audit: roundlog.ErrEpoch},
		"a charter that is epoch 1": {entry: func(p passage, e *round.Entry) { e.Blob = p.before.Digest() }, want: round.ErrEntry},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPassage(t)
			a := p.assembled(3)
			if f.forge != nil {
				f.forge(p, &a)
			}
			e := round.Entry{V: 1, Kind: round.CharterSet, Time: "2026-03-01T08:00:00.000Z", Epoch: 1}
			for _, blob := range a.Statements {
				p.put(blob)
			}
			e.Blob, e.Attachment = p.put(federation.Encode(a.Charter)), p.put(federation.Encode(a.Countersignatures))
			if f.entry != nil {
				f.entry(p, &e)
			}
			key := p.young
			if f.old || e.Blob == p.before.Digest() {
				key = p.old
			}
			p.append(key, e)
			if _, err := coordinator.Inspect(t.Context(), p.bucket, federation.Digest{}); !errors.Is(err, f.want) {
				t.Errorf("inspect: %v", err)
			}
			_, err := audit.Verify(t.Context(), p.bucket, audit.Options{})
			want := f.want
			if f.audit != nil {
				want = f.audit
			}
			var problem *audit.Problem
			if !errors.Is(err, want) || !errors.As(err, &problem) {
				t.Errorf("verify: %v", err)
			}
			t.Log(err)
		})
	}
}

func (p passage) put(blob []byte) federation.Digest {
	p.t.Helper()
	d, err := storage.PutBlob(p.t.Context(), p.bucket, blob)
	p.must(err)
	return d
}

// append writes an entry as a forger: whoever signs it, it is taken as the next reign.
func (p passage) append(key *roundlog.Key, e round.Entry) {
	p.t.Helper()
	log, err := roundlog.Open(p.t.Context(), p.bucket, key, nil, roundlog.WithSuccession(p.old.Verifier(), func(b roundlog.Batch) (string, error) {
		if b.Number > 0 {
			return key.Verifier(), nil
		}
		return "", nil
	}))
	p.must(err)
	_, err = log.Append(p.t.Context(), e.Epoch, time.Unix(0, 0), [][]byte{e.Encode()})
	p.must(err)
}
