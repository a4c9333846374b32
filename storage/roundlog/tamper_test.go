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

// TestTampering damages one object in each way; the audit must name it.
func TestTampering(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	build(t, bucket, key, 3, 300, 10, 20)
	if _, err := verify(ctx, bucket, key.Verifier()); err != nil {
		t.Fatal(err)
	}
	for _, info := range must[[]storage.ObjectInfo](t)(bucket.List(ctx, "")) {
		data := must[[]byte](t)(bucket.Get(ctx, info.Name, 0, -1))
		middle := bytes.Clone(data)
		middle[len(data)/2] ^= 1
		last := bytes.Clone(data)
		last[len(data)-1] ^= 1
		for what, bad := range map[string][]byte{
			"changed": middle, "end changed": last, "shortened": data[:len(data)-1], "lengthened": append(bytes.Clone(data), '\n'), "emptied": {},
		} {
			damaged := bucket.Clone()
			damaged.Set(info.Name, bad)
			_, err := verify(ctx, damaged, key.Verifier())
			if err == nil || !strings.HasPrefix(err.Error(), info.Name+": ") {
				t.Errorf("%s %s: %v", info.Name, what, err)
			}
		}
	}
}

func TestMissing(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	build(t, bucket, key, 3, 300, 10, 20)
	for name, c := range map[string]struct {
		named string
		err   error
	}{
		"log/000000000000":      {"log/000000000000", ErrHole},
		"log/000000000002":      {"log/000000000002", ErrHole},
		"log/000000000003":      {"checkpoint", ErrBehind}, // the end is missing
		"checkpoint":            {"", ErrNoLog},
		"tile/0/000":            {"tile/0/000", storage.ErrNotFound},
		"tile/0/001.p/77":       {"tile/0/001.p/77", storage.ErrNotFound},
		"tile/1/000.p/1":        {"tile/1/000.p/1", storage.ErrNotFound},
		"tile/entries/000":      {"tile/entries/000", storage.ErrNotFound},
		"tile/entries/001.p/77": {"tile/entries/001.p/77", storage.ErrNotFound},
	} {
		damaged := bucket.Clone()
		if _, err := damaged.Stat(ctx, name); err != nil {
			t.Fatal(err)
		}
		damaged.Set(name, nil)
		if _, err := verify(ctx, damaged, key.Verifier()); !errors.Is(err, c.err) || !strings.HasPrefix(err.Error(), c.named) {
			t.Errorf("%s missing: %v", name, err)
		}
		if errors.Is(c.err, storage.ErrNotFound) || errors.Is(c.err, ErrNoLog) {
			continue // Open restores it: for the checkpoint see TestLostCheckpoint
		}
		if _, err := Open(ctx, damaged, key, nil); !errors.Is(err, c.err) {
			t.Errorf("open with %s missing: %v", name, err)
		}
	}
}

func TestStrayTiles(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	build(t, bucket, key, 300)
	for _, name := range []string{"tile/0/x000/001", "tile/64/000", "tile/data/000", "tile/entries", "tile/00/000", "tile/0/000.p/256", "tile/8/0/000",
		"tile/entries/" + strings.Repeat("x999/", 20) + "999", "tile/0/1"} {
		damaged := bucket.Clone()
		damaged.Set(name, []byte("x"))
		if _, err := verify(ctx, damaged, key.Verifier()); !errors.Is(err, ErrTile) || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("stray %s: %v", name, err)
		}
	}
	for _, name := range []string{"tile/0/002.p/3", "tile/0/001.p/45", "tile/9/000.p/1", "tile/entries/001", "tile/63/x999/x999/999"} {
		bucket.Set(name, []byte("of later batches"))
		if _, err := verify(ctx, bucket, key.Verifier()); err != nil {
			t.Errorf("later %s: %v", name, err)
		}
	}
	bucket.Set("tile/0/000.p/7", []byte("wrong")) // of an older checkpoint
	if _, err := verify(ctx, bucket, key.Verifier()); !errors.Is(err, ErrTile) {
		t.Errorf("wrong older tile: %v", err)
	}
	tree := must[*Tree](t)(Read(ctx, bucket, key.Verifier(), nil))
	if err := VerifyTiles(ctx, bucket, 301, tree); !errors.Is(err, ErrProof) {
		t.Errorf("tiles beyond the tree: %v", err)
	}
}

// TestSignedButWrong: batches that the log's key signed and that do not continue the log.
func TestSignedButWrong(t *testing.T) {
	ctx, key := t.Context(), testKey(t, "heart")
	for what, c := range map[string]struct {
		change func(*Batch)
		err    error
	}{
		"nothing": {func(*Batch) {}, nil},
		"number":  {func(b *Batch) { b.Number++ }, ErrBatch},
		"size":    {func(b *Batch) { b.Size++ }, ErrBatch},
		"root":    {func(b *Batch) { b.Root[0] ^= 1 }, ErrBatch},
		"skipped": {func(b *Batch) { b.Epoch = 3 }, ErrEpoch},
		"fallen":  {func(b *Batch) { b.Epoch = 0 }, ErrEpoch},
		"origin":  {func(b *Batch) { b.Origin = "liver" }, ErrBatch},
	} {
		bucket := storagetest.NewMemory()
		l := build(t, bucket, key, 5)
		b := Batch{Origin: "heart", Number: 1, Size: 5, Root: l.Root(), Epoch: 1, Time: noon, Entries: entries(5, 1)}
		c.change(&b)
		b.Signature = must[[]byte](t)(key.Sign(b.message()))
		bucket.Set(storage.Batch(1), b.Encode())
		_, err := Read(ctx, bucket, key.Verifier(), nil)
		if !errors.Is(err, c.err) || err != nil && !strings.HasPrefix(err.Error(), "log/000000000001: ") {
			t.Errorf("%s: %v, want %v", what, err, c.err)
		}
		if _, again := l.CatchUp(ctx); !errors.Is(again, c.err) {
			t.Errorf("catch up with %s: %v, want %v", what, again, c.err)
		}
		if _, again := Open(ctx, bucket, key, nil); !errors.Is(again, c.err) {
			t.Errorf("open with %s: %v, want %v", what, again, c.err)
		}
	}
}

// late shows a batch only from the second look on, as if it was written in between.
type late struct {
	storage.Bucket
	looks int
}

func (b *late) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if b.looks++; name == storage.Batch(1) && b.looks < 4 {
		return nil, storage.ErrNotFound
	}
	return b.Bucket.Get(ctx, name, offset, length)
}

func TestBatchesWrittenMeanwhile(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	l := build(t, bucket, key, 5)
	must[int64](t)(l.Append(ctx, 1, noon, entries(5, 1)))
	must[int64](t)(l.Append(ctx, 1, noon, entries(6, 1)))
	again := must[*Log](t)(Open(ctx, &late{Bucket: bucket}, key, nil))
	if again.Size() != 5 {
		t.Fatalf("opened at size %d", again.Size())
	}
	if batches := must[[]Batch](t)(again.CatchUp(ctx)); len(batches) != 2 || again.Size() != 7 {
		t.Errorf("caught up with %d batches", len(batches))
	}
}
