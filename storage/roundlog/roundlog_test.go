package roundlog

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/storagetest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

// testKey is the same key in every run.
func testKey(t testing.TB, name string) *Key {
	t.Helper()
	k, err := GenerateKey(name, strings.NewReader(strings.Repeat(name, 32)[:32]))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// entries returns n entries numbered from first, of various lengths.
func entries(first, n int) [][]byte {
	var es [][]byte
	for i := first; i < first+n; i++ {
		es = append(es, fmt.Appendf(nil, `{"kind":"test","n":%d,"pad":"%s"}`, i, strings.Repeat("x", i%50)))
	}
	return es
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// build makes a log of batches of these sizes, published after each.
func build(t testing.TB, bucket storage.Bucket, key *Key, sizes ...int) *Log {
	t.Helper()
	l := must[*Log](t)(Create(t.Context(), bucket, key))
	for _, n := range sizes {
		must[int64](t)(l.Append(t.Context(), 1, noon, entries(int(l.Size()), n)))
		if _, _, _, err := l.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// verify reads everything in the bucket as an auditor does and returns the entries.
func verify(ctx context.Context, bucket storage.Bucket, verifier string) ([][]byte, error) {
	var all [][]byte
	tree, err := Read(ctx, bucket, verifier, func(b Batch) error {
		if int64(len(all)) != b.Size {
			return fmt.Errorf("batch shown out of order")
		}
		all = append(all, b.Entries...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	c, _, err := ReadCheckpoint(ctx, bucket, verifier)
	if err != nil {
		return nil, err
	}
	if err := tree.CheckCheckpoint(c); err != nil {
		return nil, err
	}
	return all, VerifyTiles(ctx, bucket, c.Size, tree)
}

func checkAll(t testing.TB, bucket storage.Bucket, verifier string, want [][]byte) {
	t.Helper()
	got := must[[][]byte](t)(verify(t.Context(), bucket, verifier))
	if !bytes.Equal(bytes.Join(got, []byte{0}), bytes.Join(want, []byte{0})) {
		t.Fatalf("the log holds %d entries, want other %d", len(got), len(want))
	}
}

func BenchmarkOpen(b *testing.B) {
	key, bucket := testKey(b, "bench"), storagetest.NewMemory()
	build(b, bucket, key, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000)
	for b.Loop() {
		if _, err := Open(b.Context(), bucket, key, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenSmallBatches(b *testing.B) {
	key, bucket := testKey(b, "bench"), storagetest.NewMemory()
	l := must[*Log](b)(Create(b.Context(), bucket, key))
	for i := range 10_000 {
		must[int64](b)(l.Append(b.Context(), 1, noon, entries(i, 1)))
	}
	for b.Loop() {
		if _, err := Open(b.Context(), bucket, key, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendPublish is one entry made durable and public in a directory.
func BenchmarkAppendPublish(b *testing.B) {
	bucket := must[*local.Bucket](b)(local.Create(b.TempDir()))
	defer bucket.Close()
	l := must[*Log](b)(Create(b.Context(), bucket, testKey(b, "bench")))
	for i := 0; b.Loop(); i++ {
		must[int64](b)(l.Append(b.Context(), 1, noon, entries(i, 1)))
		if _, _, _, err := l.Publish(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
