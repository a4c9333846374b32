package roundlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/storagetest"
)

func TestCreateAndOpen(t *testing.T) {
	ctx, key, bucket := t.Context(), testKey(t, "heart"), storagetest.NewMemory()
	if _, err := Open(ctx, bucket, key, nil); !errors.Is(err, ErrNoLog) {
		t.Errorf("open nothing: %v", err)
	}
	for range 2 { // the second as after an unknown outcome
		must[*Log](t)(Create(ctx, bucket, key))
	}
	if _, err := Create(ctx, bucket, testKey(t, "liver")); !errors.Is(err, ErrLogExists) {
		t.Errorf("create over another log: %v", err)
	}
	l := must[*Log](t)(Open(ctx, bucket, key, nil))
	if first := must[int64](t)(l.Append(ctx, 1, noon, entries(0, 3))); first != 0 {
		t.Errorf("first entry has index %d", first)
	}
	if first := must[int64](t)(l.Append(ctx, 1, noon, entries(3, 2))); first != 3 {
		t.Errorf("fourth entry has index %d", first)
	}
	if _, err := Create(ctx, bucket, key); !errors.Is(err, ErrLogExists) {
		t.Errorf("create over a log with batches: %v", err)
	}
	var shown [][]byte
	again := must[*Log](t)(Open(ctx, bucket, key, func(b Batch) error { shown = append(shown, b.Entries...); return nil }))
	if diff := cmp.Diff(entries(0, 5), shown); diff != "" {
		t.Error(diff)
	}
	if again.Size() != 5 || again.Root() != l.Root() || again.Root() != naiveRoot(entries(0, 5)) || again.Epoch() != 1 || again.Published() != 0 {
		t.Errorf("opened at size %d, epoch %d, published %d", again.Size(), again.Epoch(), again.Published())
	}
	stop := errors.New("stop")
	if _, err := Open(ctx, bucket, key, func(Batch) error { return stop }); !errors.Is(err, stop) || !strings.HasPrefix(err.Error(), "log/000000000000: ") {
		t.Errorf("the caller's error: %v", err)
	}
	if _, err := Open(ctx, bucket, testKey(t, "liver"), nil); !errors.Is(err, ErrSignature) || !strings.HasPrefix(err.Error(), "checkpoint: ") {
		t.Errorf("open with another key: %v", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	ctx, bucket := t.Context(), storagetest.NewMemory()
	l := build(t, bucket, testKey(t, "heart"), 1)
	for what, c := range map[string]struct {
		epoch   uint64
		entries [][]byte
		err     error
	}{
		"falling epoch": {0, entries(1, 1), ErrEpoch}, "skipping epoch": {3, entries(1, 1), ErrEpoch}, "last epoch": {1<<64 - 1, entries(1, 1), ErrEpoch},
		"nothing": {1, nil, ErrEntry}, "long entry": {1, [][]byte{make([]byte, MaxEntryBytes+1)}, ErrEntry},
	} {
		if _, err := l.Append(ctx, c.epoch, noon, c.entries); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := l.Append(ctx, 1, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), entries(1, 1)); err == nil {
		t.Error("the year 10000 is accepted")
	}
	if l.Size() != 1 {
		t.Errorf("refusals left size %d", l.Size())
	}
	must[int64](t)(l.Append(ctx, 2, noon, entries(1, 1)))
	if _, err := l.Append(ctx, 1, noon, entries(1, 1)); !errors.Is(err, ErrEpoch) {
		t.Errorf("old leader: %v", err)
	}
}

func TestAppendKeepsNoSlice(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	l := build(t, bucket, key)
	es := entries(0, 3)
	must[int64](t)(l.Append(ctx, 1, noon, es))
	es[1][0] = '!'
	if _, _, _, err := l.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	checkAll(t, bucket, key.Verifier(), entries(0, 3))
}

func TestPublish(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	l := build(t, bucket, key)
	for _, n := range []int{1, 2, 253, 1, 255, 1, 900, 1} { // over and at every edge of tiles
		must[int64](t)(l.Append(ctx, 1, noon, entries(int(l.Size()), n)))
		data, size, root, err := l.Publish(ctx)
		if err != nil || size != l.Size() || root != l.Root() || l.Published() != size {
			t.Fatalf("publish: %d, %v", size, err)
		}
		c := must[Checkpoint](t)(ParseCheckpoint(data, key.Verifier()))
		if diff := cmp.Diff(Checkpoint{Origin: "heart", Size: size, Root: root}, c); diff != "" {
			t.Fatal(diff)
		}
		checkAll(t, bucket, key.Verifier(), entries(0, int(size)))
		if len(l.tail) >= storage.TileWidth {
			t.Errorf("%d published entries are held", len(l.tail))
		}
	}
	faulty := storagetest.NewFaulty(bucket, storagetest.Fault{})
	l = must[*Log](t)(Open(ctx, faulty, key, nil))
	if data, size, _, err := l.Publish(ctx); err != nil || size != 1414 || len(data) == 0 || len(faulty.Writes()) != 0 {
		t.Errorf("publishing nothing new: size %d, %v, wrote %v", size, err, faulty.Writes())
	}
	must[int64](t)(l.Append(ctx, 1, noon, entries(1414, 1)))
	if _, _, _, err := l.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	want := []string{"log/000000000008", "tile/entries/005.p/135", "tile/0/005.p/135", "checkpoint"}
	if diff := cmp.Diff(want, faulty.Writes()); diff != "" {
		t.Errorf("writes of one more entry:\n%s", diff)
	}
	checkAll(t, bucket, key.Verifier(), entries(0, 1415))
}

func TestOpenRestoresTiles(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	build(t, bucket, key, 600)
	tiles := must[[]storage.ObjectInfo](t)(bucket.List(ctx, storage.TileFolder))
	if len(tiles) != 7 {
		t.Fatalf("600 entries have tiles %v", tiles)
	}
	damaged := bucket.Clone()
	for _, info := range tiles {
		damaged.Set(info.Name, nil)
	}
	l := must[*Log](t)(Open(ctx, damaged, key, nil))
	for _, info := range tiles {
		want := must[[]byte](t)(bucket.Get(ctx, info.Name, 0, -1))
		got, err := damaged.Get(ctx, info.Name, 0, -1)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is not restored: %v", info.Name, err)
		}
	}
	must[int64](t)(l.Append(ctx, 1, noon, entries(600, 200)))
	if _, _, _, err := l.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	checkAll(t, damaged, key.Verifier(), entries(0, 800))
}

// TestLostCheckpoint: a checkpoint that is gone follows from the batches and is put back.
func TestLostCheckpoint(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	l := build(t, bucket, key, 600)
	lose := func() {
		t.Helper()
		if err := bucket.Delete(ctx, storage.Checkpoint); err != nil {
			t.Fatal(err)
		}
	}
	for _, more := range []int{5, 0} {
		if more > 0 {
			must[int64](t)(l.Append(ctx, 1, noon, entries(600, more)))
		}
		lose()
		if err := errors.Join(l.Follow(ctx), l.CheckHead(ctx)); err != nil {
			t.Fatal(err)
		}
		if _, size, _, err := l.Publish(ctx); err != nil || size != 605 {
			t.Fatalf("publish: size %d, %v", size, err)
		}
		checkAll(t, bucket, key.Verifier(), entries(0, 605))
	}
	lose()
	l = must[*Log](t)(Open(ctx, bucket, key, nil))
	must[int64](t)(l.Append(ctx, 1, noon, entries(605, 300)))
	if _, _, _, err := l.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	checkAll(t, bucket, key.Verifier(), entries(0, 905))

	empty := storagetest.NewMemory()
	if _, err := Create(ctx, empty, key); err != nil {
		t.Fatal(err)
	}
	if err := empty.Delete(ctx, storage.Checkpoint); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, empty, key, nil); !errors.Is(err, ErrNoLog) {
		t.Errorf("open without checkpoint and batches: %v", err)
	}
}

// TestTwoWriters interleaves two Logs by hand.
func TestTwoWriters(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	a := build(t, bucket, key, 2)
	b := must[*Log](t)(Open(ctx, bucket, key, nil))
	must[int64](t)(a.Append(ctx, 1, noon, entries(2, 1)))
	for range 2 {
		_, err := b.Append(ctx, 2, noon, entries(2, 1)) // even equal entries are another's
		if !errors.Is(err, ErrSlotTaken) || !strings.HasPrefix(err.Error(), "log/000000000001: ") || b.Size() != 2 {
			t.Fatalf("append to a taken slot: %v", err)
		}
	}
	must[int64](t)(a.Append(ctx, 1, noon, entries(3, 1)))
	checkpoint, _, _, err := a.Publish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := b.Publish(ctx); err != nil { // nothing new of its own
		t.Errorf("publish behind: %v", err)
	}
	taken := must[[]Batch](t)(b.CatchUp(ctx))
	if len(taken) != 2 || taken[0].Size != 2 || string(taken[1].Entries[0]) != string(entries(3, 1)[0]) {
		t.Fatalf("caught up with %v", taken)
	}
	got, size, _, err := b.Publish(ctx)
	if err != nil || size != 4 || string(got) != string(checkpoint) {
		t.Errorf("publish what is published: %d, %v", size, err)
	}
	must[int64](t)(b.Append(ctx, 2, noon, entries(4, 1)))
	if _, _, _, err := b.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Append(ctx, 1, noon, entries(4, 1)); !errors.Is(err, ErrSlotTaken) {
		t.Errorf("old leader before it caught up: %v", err)
	}
	must[[]Batch](t)(a.CatchUp(ctx))
	if _, err := a.Append(ctx, 1, noon, entries(5, 1)); !errors.Is(err, ErrEpoch) {
		t.Errorf("old leader: %v", err)
	}
	checkAll(t, bucket, key.Verifier(), entries(0, 5))
}

// TestPublishConflict: the checkpoint moved on while this Log has new entries of its own.
func TestPublishConflict(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	a := build(t, bucket, key, 2)
	b := must[*Log](t)(Open(ctx, bucket, key, nil))
	must[int64](t)(a.Append(ctx, 1, noon, entries(2, 1)))
	must[[]Batch](t)(b.CatchUp(ctx))
	must[int64](t)(a.Append(ctx, 1, noon, entries(3, 1)))
	if _, _, _, err := a.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := b.Publish(ctx); !errors.Is(err, ErrBehind) {
		t.Errorf("publish a smaller checkpoint: %v", err)
	}
	must[[]Batch](t)(b.CatchUp(ctx))
	must[int64](t)(b.Append(ctx, 1, noon, entries(4, 300)))
	if _, size, _, err := b.Publish(ctx); err != nil || size != 304 { // over a's checkpoint
		t.Errorf("publish a larger one: %d, %v", size, err)
	}
	checkAll(t, bucket, key.Verifier(), entries(0, 304))

	bucket.Set(storage.Checkpoint, must[[]byte](t)(key.signCheckpoint(Checkpoint{Origin: "heart", Size: 3, Root: naiveRoot(entries(0, 3))})))
	must[int64](t)(b.Append(ctx, 1, noon, entries(304, 1)))
	if _, _, _, err := b.Publish(ctx); !errors.Is(err, ErrFork) {
		t.Errorf("publish over a checkpoint that shrank: %v", err)
	}
	forked := must[[]byte](t)(key.signCheckpoint(Checkpoint{Origin: "heart", Size: 305, Root: Hash{1}}))
	bucket.Set(storage.Checkpoint, forked)
	if _, _, _, err := b.Publish(ctx); !errors.Is(err, ErrFork) {
		t.Errorf("publish over a fork: %v", err)
	}
	if _, err := Open(ctx, bucket, key, nil); !errors.Is(err, ErrFork) {
		t.Errorf("open a fork: %v", err)
	}
}

// TestRace lets two writers append at once: every entry is there once, and no fork.
func TestRace(t *testing.T) {
	const writers, appends = 2, 30
	for name, open := range map[string]func() storage.Bucket{
		"memory": func() storage.Bucket { return storagetest.NewMemory() },
		"local":  func() storage.Bucket { return must[*local.Bucket](t)(local.Create(t.TempDir())) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, bucket, key := t.Context(), open(), testKey(t, "heart")
			must[*Log](t)(Create(ctx, bucket, key))
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					if err := appendAll(ctx, bucket, key, w, appends); err != nil {
						t.Errorf("writer %d: %v", w, err)
					}
				})
			}
			wg.Wait()
			seen := map[string]int{}
			for _, e := range must[[][]byte](t)(verify(ctx, bucket, key.Verifier())) {
				seen[string(e)]++
			}
			for w := range writers {
				for i := range appends {
					if n := seen[fmt.Sprint(w, "/", i)]; n != 1 {
						t.Errorf("entry %d of writer %d is there %d times", i, w, n)
					}
				}
			}
		})
	}
}

func appendAll(ctx context.Context, bucket storage.Bucket, key *Key, writer, n int) error {
	l, err := Open(ctx, bucket, key, nil)
	if err != nil {
		return err
	}
	for i := 0; i < n; {
		_, err := l.Append(ctx, 1, noon, [][]byte{fmt.Append(nil, writer, "/", i)})
		switch {
		case err == nil:
			i++
		case errors.Is(err, ErrSlotTaken):
			if _, err := l.CatchUp(ctx); err != nil {
				return err
			}
		default:
			return err
		}
		if _, _, _, err := l.Publish(ctx); err != nil && !errors.Is(err, ErrBehind) {
			return err
		}
	}
	_, err = l.CatchUp(ctx)
	return err
}
