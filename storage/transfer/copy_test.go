package transfer

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// federation is a store with some of everything.
type federation struct {
	*storagetest.Memory
	log *roundlog.Log
}

func newFederation(t *testing.T, entries int) federation {
	t.Helper()
	f := federation{Memory: storagetest.NewMemory()}
	key, err := roundlog.GenerateKey("atrium/f", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if f.log, err = roundlog.Create(t.Context(), f, key); err != nil {
		t.Fatal(err)
	}
	segment, err := storage.UpdateSegment([32]byte{1}, "h-a", [32]byte{2}, 0)
	if err != nil {
		t.Fatal(err)
	}
	envelopes, err := storage.Envelopes([32]byte{3}, "h-a")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{segment, envelopes, storage.Card(1), "channels/general", storage.Lease, "skipped"} {
		f.Set(name, []byte("object "+name))
	}
	f.add(t, entries)
	return f
}

// add appends entries with a blob each and publishes them.
func (f federation) add(t *testing.T, entries int) {
	t.Helper()
	for range entries {
		digest, err := storage.PutBlob(t.Context(), f, []byte(rand.Text()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.log.Append(t.Context(), 0, time.Now(), [][]byte{fmt.Appendf(nil, "%x", digest)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, _, err := f.log.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, b storage.Bucket) map[string]string {
	t.Helper()
	infos, err := b.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, i := range infos {
		data, err := b.Get(t.Context(), i.Name, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		all[i.Name] = string(data)
	}
	return all
}

// wanted is what a copy of f holds: all but the lease and what is skipped.
func wanted(t *testing.T, f federation) map[string]string {
	all := contents(t, f)
	delete(all, storage.Lease)
	delete(all, "skipped")
	return all
}

func skip(name string) bool { return name == "skipped" }

func copied(t *testing.T, from, to storage.Bucket) (Result, error) {
	t.Helper()
	return Copy(t.Context(), from, to, skip, func(Progress) {})
}

func TestCopyThereAndBack(t *testing.T) {
	f := newFederation(t, 5)
	there, err := local.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	var last Progress
	r, err := Copy(t.Context(), f, there, skip, func(p Progress) { last = p })
	if err != nil || r.Batches != 5 || r.LogSize != 5 || r.Written != r.Objects || last.Objects != last.OfObjects || last.Bytes != last.OfBytes || last.Objects != r.Objects {
		t.Errorf("%+v, %v; progress ended at %+v", r, err, last)
	}
	back := storagetest.NewMemory()
	if _, err := copied(t, there, back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted(t, f), contents(t, back)); diff != "" {
		t.Error(diff)
	}
	if r, err = copied(t, f, back); err != nil || r.Written != 0 || r.Objects == 0 {
		t.Errorf("again: %+v, %v", r, err)
	}
	f.add(t, 3)
	f.Set("channels/general", []byte("moved"))
	if r, err = copied(t, f, back); err != nil || r.LogSize != 8 {
		t.Errorf("what came since: %+v, %v", r, err)
	}
	if diff := cmp.Diff(wanted(t, f), contents(t, back)); diff != "" {
		t.Error(diff)
	}
}

// TestCopyResumes: after a fault of any write the target is no log, or the older one, and
// the next run completes it.
func TestCopyResumes(t *testing.T) {
	f := newFederation(t, 2)
	want := wanted(t, f)
	for _, fault := range storagetest.Faults(len(want)) {
		to := storagetest.NewMemory()
		if _, err := copied(t, f, storagetest.NewFaulty(to, fault)); !errors.Is(err, storagetest.ErrInjected) && !errors.Is(err, storagetest.ErrDead) {
			t.Fatalf("%s: %v", fault, err)
		}
		if _, _, err := roundlog.UnverifiedCheckpoint(t.Context(), to); !errors.Is(err, roundlog.ErrNoLog) && fault.At < len(want) {
			t.Errorf("%s: half a copy has a checkpoint: %v", fault, err)
		}
		if _, err := copied(t, f, to); err != nil {
			t.Errorf("%s: resume: %v", fault, err)
		}
		if diff := cmp.Diff(want, contents(t, to)); diff != "" {
			t.Errorf("%s: %s", fault, diff)
		}
	}
}

func TestCopyRefuses(t *testing.T) {
	f := newFederation(t, 4)
	whole := storagetest.NewMemory()
	if _, err := copied(t, f, whole); err != nil {
		t.Fatal(err)
	}
	blob := ""
	for name := range contents(t, f) {
		if _, is := named(name); is {
			blob = name
		}
	}
	older := f.Clone()
	for n := range int64(2) {
		older.Set(storage.Batch(3-n), nil)
	}
	for name, c := range map[string]struct {
		from, to func() *storagetest.Memory
		want     error
	}{
		"another log":       {f.Clone, newFederation(t, 4).Clone, ErrOtherLog},
		"another empty log": {f.Clone, newFederation(t, 0).Clone, ErrOtherLog},
		"target ahead":      {func() *storagetest.Memory { return older }, whole.Clone, ErrAhead},
		"no log":            {storagetest.NewMemory, storagetest.NewMemory, roundlog.ErrNoLog},
		"hole":              {damage(f, storage.Batch(1), ""), storagetest.NewMemory, roundlog.ErrHole},
		"damaged source":    {damage(f, blob, "x"), storagetest.NewMemory, storage.ErrDigest},
		"damaged target":    {f.Clone, damage(federation{Memory: whole}, blob, "x"), storage.ErrDifferent},
		"damaged by a bit": {f.Clone, damage(federation{Memory: whole}, storage.Card(1), "object versions/000000000002"),
			storage.ErrDifferent},
	} {
		to := c.to()
		before := contents(t, to)
		if _, err := copied(t, c.from(), to); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if before[storage.Checkpoint] != contents(t, to)[storage.Checkpoint] {
			t.Errorf("%s: the checkpoint was touched", name)
		}
	}
}

// damage clones a store and changes one object, or removes it.
func damage(f federation, name, data string) func() *storagetest.Memory {
	return func() *storagetest.Memory {
		m := f.Clone()
		if data == "" {
			m.Set(name, nil)
		} else {
			m.Set(name, []byte(data))
		}
		return m
	}
}

// busy is a source to which something happens before an object is read for the first time.
type busy struct {
	storage.Bucket
	at   string
	then func()
}

func (b *busy) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if name == b.at && b.then != nil {
		b.then()
		b.then = nil
	}
	return b.Bucket.Get(ctx, name, offset, length)
}

// TestCopyBesideAWriter: what comes after the beginning is left to the next copy, and what
// a retirement takes away meanwhile is counted.
func TestCopyBesideAWriter(t *testing.T) {
	f := newFederation(t, 3)
	segment, err := storage.UpdateSegment([32]byte{1}, "h-a", [32]byte{2}, 0)
	if err != nil {
		t.Fatal(err)
	}
	to := storagetest.NewMemory()
	source := &busy{Bucket: f, at: segment, then: func() {
		f.add(t, 2)
		f.Set("channels/general", []byte("moved"))
		f.Set(segment, nil)
	}}
	r, err := copied(t, source, to)
	if err != nil || r.Batches != 3 || r.LogSize != 3 || r.Gone != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	got := contents(t, to)
	if got["channels/general"] != "object channels/general" || got[storage.Batch(2)] == "" || got[storage.Batch(3)] != "" {
		t.Errorf("the copy is not of the beginning: %v", got)
	}
	if !bytes.Contains([]byte(got[storage.Checkpoint]), []byte("\n3\n")) {
		t.Errorf("checkpoint: %s", got[storage.Checkpoint])
	}
}

// listed is a source to which something happens after its batches were listed.
type listed struct {
	storage.Bucket
	then func()
}

func (l listed) List(ctx context.Context, prefix string) ([]storage.ObjectInfo, error) {
	infos, err := l.Bucket.List(ctx, prefix)
	if prefix == storage.LogFolder {
		l.then()
	}
	return infos, err
}

// TestCopyHoldsNoLaterTile: a coordinator that goes on from the copy could not publish over it.
func TestCopyHoldsNoLaterTile(t *testing.T) {
	f, to := newFederation(t, 3), storagetest.NewMemory()
	before := contents(t, f)
	if r, err := copied(t, listed{f, func() { f.add(t, 2) }}, to); err != nil || r.Batches != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	tiles := 0
	for name := range contents(t, to) {
		if strings.HasPrefix(name, storage.TileFolder) {
			if tiles++; before[name] == "" {
				t.Errorf("%s came after the batches", name)
			}
		}
	}
	if tiles == 0 {
		t.Error("no tile was copied")
	}
}
