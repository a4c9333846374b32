package roundlog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/storage"
	"atrium/storage/storagetest"
)

// positions returns the position before each batch, and the tree over all.
func positions(t testing.TB, bucket storage.Bucket, key *Key) ([]Position, *Tree) {
	t.Helper()
	var list []Position
	epoch := uint64(0)
	tree := must[*Tree](t)(Read(t.Context(), bucket, key.Verifier(), func(b Batch) error {
		list = append(list, b.Before(epoch))
		epoch = b.Epoch
		return nil
	}))
	return list, tree
}

// TestOpenFromEveryPosition: a log opened anywhere is the log: same root, same proofs from
// every size to every other, same signed checkpoints, and it goes on in the same way.
func TestOpenFromEveryPosition(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	build(t, bucket, key, 1, 2, 253, 1, 255, 1, 87, 300, 1)
	list, tree := positions(t, bucket, key)
	size := tree.Size()
	for _, at := range list {
		shown := at.Size
		b := bucket.Clone()
		l := must[*Log](t)(OpenFrom(ctx, b, key, at, func(b Batch) error {
			if b.Size != shown {
				t.Errorf("from %d: batch at %d, want %d", at.Size, b.Size, shown)
			}
			shown += int64(len(b.Entries))
			return nil
		}))
		if l.Size() != size || shown != size || l.Root() != tree.Root() || l.Epoch() != 1 {
			t.Fatalf("from %d: size %d, shown %d, epoch %d", at.Size, l.Size(), shown, l.Epoch())
		}
		if held := len(l.tree.known) + len(l.tree.edge); int64(held) > 2*(size-at.Size)+64 {
			t.Errorf("from %d of %d: %d hashes are held", at.Size, size, held)
		}
		for older := int64(0); older <= size; older += 1 + older%61 {
			want := must[ConsistencyProof](t)(tree.ProveConsistency(older, size))
			if got := must[ConsistencyProof](t)(l.ProveConsistency(ctx, older, size)); !slices.Equal(got, want) {
				t.Fatalf("from %d: other proof of %d", at.Size, older)
			}
			if got := must[Hash](t)(l.RootAt(ctx, older)); got != must[Hash](t)(tree.RootAt(older)) {
				t.Fatalf("from %d: other root at %d", at.Size, older)
			}
			if older < size {
				want := must[InclusionProof](t)(tree.Prove(older, size))
				if got := must[InclusionProof](t)(l.Prove(ctx, older, size)); !slices.Equal(got, want) {
					t.Fatalf("from %d: other path of %d", at.Size, older)
				}
			}
		}
		must[int64](t)(l.Append(ctx, 1, noon, entries(int(size), 200)))
		if _, _, _, err := l.Publish(ctx); err != nil {
			t.Fatalf("from %d: %v", at.Size, err)
		}
		checkAll(t, b, key.Verifier(), entries(0, int(size)+200))
	}
}

// TestOpenFromWithoutTiles: what is missing or damaged of the published entries before a
// position is an error at once, or when a proof asks for it; never another root.
func TestOpenFromWithoutTiles(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	build(t, bucket, key, 300, 300, 20)
	list, tree := positions(t, bucket, key)
	at := list[2] // at 600
	for _, info := range must[[]storage.ObjectInfo](t)(bucket.List(ctx, storage.TileFolder)) {
		data := must[[]byte](t)(bucket.Get(ctx, info.Name, 0, -1))
		flipped := slices.Clone(data)
		flipped[len(data)/2] ^= 1
		for what, change := range map[string][]byte{"removed": nil, "damaged": flipped, "short": data[:len(data)-1]} {
			b := bucket.Clone()
			b.Set(info.Name, change)
			l, err := OpenFrom(ctx, b, key, at, nil)
			if err != nil {
				if !errors.Is(err, ErrPosition) || !strings.HasPrefix(err.Error(), "log/000000000002: ") {
					t.Errorf("%s %s: %v", info.Name, what, err)
				}
				continue
			}
			if l.Root() != tree.Root() {
				t.Errorf("%s %s: opened with another root", info.Name, what)
			}
			for _, older := range []int64{1, 255, 299, 300, 513} {
				got, err := l.ProveConsistency(ctx, older, 620)
				if err == nil && !slices.Equal(got, must[ConsistencyProof](t)(tree.ProveConsistency(older, 620))) {
					t.Errorf("%s %s: wrong proof of %d", info.Name, what, older)
				}
			}
		}
	}
	needed := []string{"tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88"}
	for _, name := range needed {
		b := bucket.Clone()
		b.Set(name, nil)
		if _, err := OpenFrom(ctx, b, key, at, nil); !errors.Is(err, ErrPosition) || !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	older := must[*Log](t)(Open(ctx, bucket, key, nil))
	b := bucket.Clone()
	b.Set(storage.Checkpoint, must[[]byte](t)(older.CheckpointAt(ctx, 300)))
	if _, err := OpenFrom(ctx, b, key, at, nil); !errors.Is(err, ErrPosition) {
		t.Errorf("with a checkpoint from before: %v", err)
	}
	at.Root[0] ^= 1
	if _, err := OpenFrom(ctx, bucket, key, at, nil); !errors.Is(err, ErrPosition) {
		t.Errorf("from another root: %v", err)
	}
}

// TestOpenFromAfterPartialTiles: partial tiles and bundles may go once full ones are there.
func TestOpenFromAfterPartialTiles(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	build(t, bucket, key, 300, 300, 200)
	list, tree := positions(t, bucket, key)
	for _, info := range must[[]storage.ObjectInfo](t)(bucket.List(ctx, storage.TileFolder)) {
		if strings.Contains(info.Name, "002.p/88") {
			bucket.Set(info.Name, nil)
		}
	}
	l := must[*Log](t)(OpenFrom(ctx, bucket, key, list[2], nil))
	if got := must[ConsistencyProof](t)(l.ProveConsistency(ctx, 590, 800)); !slices.Equal(got, must[ConsistencyProof](t)(tree.ProveConsistency(590, 800))) {
		t.Error("wrong proof")
	}
}

func TestOpenLooksForHolesNearTheEnd(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	l := must[*Log](t)(Create(ctx, bucket, key))
	for i := range 100 {
		must[int64](t)(l.Append(ctx, 1, noon, entries(i, 1)))
	}
	for _, hole := range []int64{0, 1, 50, 97, 98} {
		b := bucket.Clone()
		b.Set(storage.Batch(hole), nil)
		if _, err := Open(ctx, b, key, nil); !errors.Is(err, ErrHole) || !strings.HasPrefix(err.Error(), storage.Batch(hole)) {
			t.Errorf("batch %d is missing: %v", hole, err)
		}
	}
	for n := int64(10); n < 100-nearest; n++ { // too long to be seen by its edge
		bucket.Set(storage.Batch(n), nil)
	}
	if _, err := Open(ctx, bucket, key, nil); !errors.Is(err, ErrHole) {
		t.Errorf("a long hole: %v", err)
	}
}

func TestNewestMultiple(t *testing.T) {
	bucket := storagetest.NewMemory()
	for n := range int64(40) {
		want := max(n-1, 0) / 5 * 5
		if got := must[int64](t)(NewestMultiple(t.Context(), bucket, 5)); got != want {
			t.Errorf("of %d batches the newest multiple of 5 is %d, want %d", n, got, want)
		}
		bucket.Set(storage.Batch(n), []byte("batch"))
	}
}

func TestReadBatch(t *testing.T) {
	ctx, bucket, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
	build(t, bucket, key, 3, 4)
	by := func(k *Key) Successor { return func(Batch) (string, error) { return k.Verifier(), nil } }
	b := must[Batch](t)(ReadBatch(ctx, bucket, 1, by(key)))
	if diff := cmp.Diff(entries(3, 4), b.Entries); diff != "" {
		t.Error(diff)
	}
	if _, err := ReadBatch(ctx, bucket, 2, by(key)); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("beyond the log: %v", err)
	}
	if _, err := ReadBatch(ctx, bucket, 1, by(testKey(t, "liver"))); !errors.Is(err, ErrBatch) {
		t.Errorf("by another key: %v", err)
	}
	first := must[[]byte](t)(bucket.Get(ctx, storage.Batch(0), 0, -1))
	bucket.Set(storage.Batch(1), first)
	if _, err := ReadBatch(ctx, bucket, 1, by(key)); !errors.Is(err, ErrBatch) {
		t.Errorf("another batch under its name: %v", err)
	}
}

// BenchmarkOpenFrom opens a log of 100,000 entries, a few a batch, at its last 500.
func BenchmarkOpenFrom(b *testing.B) {
	key, bucket := testKey(b, "bench"), storagetest.NewMemory()
	l := must[*Log](b)(Create(b.Context(), bucket, key))
	for l.Size() < 100_000 {
		must[int64](b)(l.Append(b.Context(), 1, noon, entries(int(l.Size()), 50)))
	}
	if _, _, _, err := l.Publish(b.Context()); err != nil {
		b.Fatal(err)
	}
	list, _ := positions(b, bucket, key)
	must[int64](b)(l.Append(b.Context(), 1, noon, entries(int(l.Size()), 50)))
	at := Position{Batch: int64(len(list)), Size: 100_000, Root: must[Hash](b)(l.RootAt(b.Context(), 100_000)), Epoch: 1}
	for what, from := range map[string]Position{"end": at, "beginning": {}} {
		b.Run(fmt.Sprintf("from=%s", what), func(b *testing.B) {
			for b.Loop() {
				must[*Log](b)(OpenFrom(b.Context(), bucket, key, from, nil))
			}
		})
	}
}
