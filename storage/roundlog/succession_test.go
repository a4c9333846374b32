package roundlog

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"atrium/storage"
	"atrium/storage/storagetest"
)

// rekeyed is a log whose second key takes over with the entry "next", after four entries.
type rekeyed struct {
	bucket     *storagetest.Memory
	old, young *Key
}

// named is a key of the log called heart.
func named(t testing.TB, seed string) *Key {
	t.Helper()
	k, err := GenerateKey("heart", strings.NewReader(strings.Repeat(seed, 32)[:32]))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (r rekeyed) successor(b Batch) (string, error) {
	if bytes.Equal(b.Entries[0], []byte("next")) {
		return r.young.Verifier(), nil
	}
	return "", nil
}

func (r rekeyed) option() Option { return WithSuccession(r.old.Verifier(), r.successor) }

func (r rekeyed) open(t testing.TB, key *Key) (*Log, error) {
	return Open(t.Context(), r.bucket, key, nil, r.option())
}

// takeOver begins the reign of the young key, without publishing.
func (r rekeyed) takeOver(t testing.TB) *Log {
	t.Helper()
	l := must[*Log](t)(r.open(t, r.young))
	must[int64](t)(l.Append(t.Context(), 2, noon, [][]byte{[]byte("next"), []byte("more")}))
	return l
}

func newRekeyed(t testing.TB) rekeyed {
	r := rekeyed{storagetest.NewMemory(), named(t, "old"), named(t, "young")}
	build(t, r.bucket, r.old, 3, 1)
	return r
}

// audit reads everything as an auditor does.
func (r rekeyed) audit(ctx context.Context) error {
	_, data, err := UnverifiedCheckpoint(ctx, r.bucket)
	if err != nil {
		return err
	}
	tree, err := Read(ctx, r.bucket, r.old.Verifier(), nil, r.option())
	if err != nil {
		return err
	}
	c, err := tree.VerifyCheckpoint(data)
	if err != nil {
		return err
	}
	return VerifyTiles(ctx, r.bucket, c.Size, tree)
}

func TestSuccession(t *testing.T) {
	r := newRekeyed(t)
	l := r.takeOver(t)
	if err := r.audit(t.Context()); err != nil { // the checkpoint is still the old key's
		t.Errorf("before the young key published: %v", err)
	}
	if _, _, _, err := l.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	must[int64](t)(l.Append(t.Context(), 2, noon, entries(6, 2)))
	if err := r.audit(t.Context()); err != nil {
		t.Error(err)
	}
	again := must[*Log](t)(r.open(t, r.young))
	must[int64](t)(again.Append(t.Context(), 2, noon, entries(8, 1)))
	if _, _, _, err := again.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.audit(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := l.CatchUp(t.Context()); err != nil || l.Size() != 9 {
		t.Errorf("the first writer catches up to size %d: %v", l.Size(), err)
	}
	if _, err := Read(t.Context(), r.bucket, r.old.Verifier(), nil); !errors.Is(err, ErrSignature) {
		t.Errorf("a reader that knows only the old key: %v", err)
	}
}

// A writer of the old key that did not see the new one loses the slot, then finds out.
func TestOldWriterAfterSuccession(t *testing.T) {
	r := newRekeyed(t)
	old := must[*Log](t)(r.open(t, r.old))
	r.takeOver(t)
	if _, err := old.Append(t.Context(), 1, noon, entries(4, 1)); !errors.Is(err, ErrSlotTaken) {
		t.Errorf("append to the taken slot: %v", err)
	}
	if got, err := old.CatchUp(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("catch up: %d batches, %v", len(got), err)
	}
	if _, err := old.Append(t.Context(), 2, noon, entries(6, 1)); !errors.Is(err, ErrKey) {
		t.Errorf("append by the old key: %v", err)
	}
}

func TestSuccessionRefusals(t *testing.T) {
	fx := newRekeyed(t)
	stranger := named(t, "stranger")
	for name, c := range map[string]struct {
		key   *Key
		first string
		want  error
	}{
		"the new key without its entry": {fx.young, "other", ErrKey},
		"the old key for its entry":     {fx.old, "next", ErrKey},
		"a third key":                   {stranger, "next", ErrKey},
	} {
		l := must[*Log](t)(fx.open(t, c.key))
		if _, err := l.Append(t.Context(), 2, noon, [][]byte{[]byte(c.first)}); !errors.Is(err, c.want) {
			t.Errorf("append by %s: %v", name, err)
		}
	}
	fx.takeOver(t)
	forge := func(key *Key, change func(*Batch)) []byte { // of the batch that follows
		l := must[*Log](t)(fx.open(t, fx.young))
		b := Batch{Origin: "heart", Number: l.next, Size: l.Size(), Root: l.Root(), Epoch: 2, Time: noon, Entries: entries(6, 1)}
		change(&b)
		b.Signature = must[[]byte](t)(key.Sign(b.message()))
		return b.Encode()
	}
	for name, data := range map[string][]byte{
		"a batch of the old key":                     forge(fx.old, func(*Batch) {}),
		"a batch of a stranger":                      forge(stranger, func(*Batch) {}),
		"another beginning, by the old key":          forge(fx.old, func(b *Batch) { b.Entries[0] = []byte("next") }),
		"the beginning in the middle, by a stranger": forge(stranger, func(b *Batch) { b.Entries = append(b.Entries, []byte("next")) }),
	} {
		damaged := rekeyed{fx.bucket.Clone(), fx.old, fx.young}
		damaged.bucket.Set(storage.Batch(3), data)
		if err := damaged.audit(t.Context()); !errors.Is(err, ErrSignature) || !strings.HasPrefix(err.Error(), storage.Batch(3)+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := must[*Log](t)(fx.open(t, fx.young))
	for name, key := range map[string]*Key{"the old key": fx.old, "a stranger": stranger} {
		damaged := rekeyed{fx.bucket.Clone(), fx.old, fx.young}
		damaged.bucket.Set(storage.Checkpoint, must[[]byte](t)(key.signCheckpoint(Checkpoint{Origin: "heart", Size: 6, Root: l.Root()})))
		if err := damaged.audit(t.Context()); !errors.Is(err, ErrSignature) {
			t.Errorf("a checkpoint of the new reign by %s: %v", name, err)
		}
	}
	fx.bucket.Set(storage.Checkpoint, must[[]byte](t)(fx.young.signCheckpoint(Checkpoint{Origin: "heart", Size: 6, Root: Hash{1}})))
	if err := fx.audit(t.Context()); !errors.Is(err, ErrFork) {
		t.Errorf("another root: %v", err)
	}
}

// The origin of a log stays.
func TestSuccessorOfAnotherLog(t *testing.T) {
	r := newRekeyed(t)
	r.young = testKey(t, "lung")
	l := must[*Log](t)(r.open(t, r.old))
	if _, err := l.Append(t.Context(), 2, noon, [][]byte{[]byte("next")}); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), `log "lung" after one of log "heart"`) {
		t.Errorf("got %v", err)
	}
}

// What the next key rests on may be missing: that is not the end of the log.
func TestSuccessorThatFindsNothing(t *testing.T) {
	r := newRekeyed(t)
	r.takeOver(t)
	missing := WithSuccession(r.old.Verifier(), func(b Batch) (string, error) {
		if b.Number == 2 {
			return "", storage.ErrNotFound
		}
		return "", nil
	})
	if _, err := Read(t.Context(), r.bucket, r.old.Verifier(), nil, missing); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	if _, err := Open(t.Context(), r.bucket, r.young, nil, missing); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("open: %v", err)
	}
}
