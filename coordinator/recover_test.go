package coordinator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"atrium/coordinator"
	"atrium/coordinator/coordinatortest"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// grown is a federation of four hospitals with a log of at least n entries, one a batch,
// in a store of the test's own.
func grown(t testing.TB, n int, stateEvery int64) (*coordinatortest.Federation, *storagetest.Memory) {
	t.Helper()
	type key struct {
		n     int
		every int64
	}
	f, ok := built[key{n, stateEvery}]
	if !ok {
		var err error
		if f, err = coordinatortest.New(t.Context(), storagetest.NewMemory(), 4); err == nil {
			err = f.Grow(t.Context(), n, stateEvery)
		}
		if err != nil {
			t.Fatal(err)
		}
		built[key{n, stateEvery}] = f
	}
	own := *f
	bucket := f.Bucket.(*storagetest.Memory).Clone()
	own.Bucket = bucket
	return &own, bucket
}

var built = map[any]*coordinatortest.Federation{} // no test here is parallel

// replayed is the memo that the whole log gives, and the state entries in it.
func replayed(t testing.TB, f *coordinatortest.Federation) (round.Memo, []round.Entry) {
	t.Helper()
	memo := round.Memo{State: round.State{Charter: f.Charter}}
	var states []round.Entry
	_, err := roundlog.Read(t.Context(), f.Bucket, f.Charter.LogKey, func(b roundlog.Batch) error {
		for _, raw := range b.Entries {
			e, err := round.DecodeEntry(raw)
			if err != nil {
				return err
			}
			if memo, err = memo.Apply(e); err != nil {
				return err
			}
			if e.Kind == round.Stated {
				states = append(states, e)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return memo, states
}

// counting counts what is read.
type counting struct {
	storage.Bucket
	batches, requests atomic.Int64
}

func (c *counting) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	c.requests.Add(1)
	if strings.HasPrefix(name, storage.LogFolder) {
		c.batches.Add(1)
	}
	return c.Bucket.Get(ctx, name, offset, length)
}

func (c *counting) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	c.requests.Add(1)
	return c.Bucket.Stat(ctx, name)
}

func (c *counting) List(ctx context.Context, prefix string) ([]storage.ObjectInfo, error) {
	c.requests.Add(1)
	infos, err := c.Bucket.List(ctx, prefix)
	c.requests.Add(int64(len(infos) / 1000))
	return infos, err
}

// opened opens a federation and returns its coordinator with what it logged and read.
func opened(t testing.TB, f *coordinatortest.Federation) (*coordinator.Coordinator, string, *counting) {
	t.Helper()
	var logged bytes.Buffer
	bucket := &counting{Bucket: f.Bucket}
	cfg := f.Config()
	cfg.Bucket, cfg.Logger = bucket, slog.New(slog.NewTextHandler(&logged, nil))
	c, err := coordinator.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, logged.String(), bucket
}

// checkSame: what a start found is what the whole log gives.
func checkSame(t testing.TB, c *coordinator.Coordinator, want round.Memo) {
	t.Helper()
	if got := c.View().Memo; !bytes.Equal(got.Encode(), want.Encode()) {
		t.Errorf("the state is another one:\n%s\nwant\n%s", got.Encode(), want.Encode())
	}
}

// TestStartDoesNotReadTheWholeLog: what a start reads does not grow with the log.
func TestStartDoesNotReadTheWholeLog(t *testing.T) {
	for _, n := range []int{900, 2_500, 4_500} {
		f, _ := grown(t, n, 1000)
		memo, states := replayed(t, f)
		if want := n / 1000; len(states) != want {
			t.Fatalf("%d entries have %d states, want %d", n, len(states), want)
		}
		c, logged, read := opened(t, f)
		checkSame(t, c, memo)
		if logged != "" {
			t.Errorf("%d entries: %s", n, logged)
		}
		if b, r := read.batches.Load(), read.requests.Load(); b > 1010 || r > 1200 {
			t.Errorf("%d entries: %d batches and %d requests", n, b, r)
		}
	}
}

// TestOldLog: a log of a program that wrote no states opens.
func TestOldLog(t *testing.T) {
	f, _ := grown(t, 2_100, 0)
	memo, states := replayed(t, f)
	c, logged, _ := opened(t, f)
	checkSame(t, c, memo)
	if len(states) != 0 || logged != "" {
		t.Errorf("%d states; logged %s", len(states), logged)
	}
}

// TestStateThatIsNotWhole: a state that is missing or damaged, or whose tiles are, is not
// trusted: the start says so, reads more, finds the same, and the store is whole again.
func TestStateThatIsNotWhole(t *testing.T) {
	f, bucket := grown(t, 2_500, 1000)
	memo, states := replayed(t, f)
	newest, older := storage.Blob(states[1].Blob), storage.Blob(states[0].Blob)
	whole, err := bucket.Get(t.Context(), newest, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	foreign := bytes.Replace(whole, []byte(`"epoch":1`), []byte(`"epoch":2`), 1)
	size := int64(0)
	if m, err := round.DecodeMemo(whole); err == nil {
		size = m.Size
	}
	tile, full := storage.Tile(0, size/256, int(size%256)), storage.Tile(0, size/256, 256)
	for _, damage := range []struct {
		what    string
		objects map[string][]byte
		batches int64 // read at most
		restore bool
	}{
		{"missing", map[string][]byte{newest: nil}, 2_000, true},
		{"cut short", map[string][]byte{newest: whole[:len(whole)/2]}, 2_000, true},
		{"empty", map[string][]byte{newest: {}}, 2_000, true},
		{"of another federation", map[string][]byte{newest: foreign}, 2_000, true},
		{"without its tile", map[string][]byte{tile: nil, full: nil}, 2_000, false},
		{"with a damaged tile", map[string][]byte{tile: make([]byte, 32*(size%256))}, 2_000, false},
		{"with another checkpoint", map[string][]byte{storage.Checkpoint: checkpointAt(t, f, 100)}, 3_000, false},
		{"missing as the one before", map[string][]byte{newest: nil, older: {}}, 3_000, true},
	} {
		t.Run(damage.what, func(t *testing.T) {
			b := bucket.Clone()
			for name, data := range damage.objects {
				b.Set(name, data)
			}
			g := *f
			g.Bucket = b
			c, logged, read := opened(t, &g)
			checkSame(t, c, memo)
			if !strings.Contains(logged, "level=WARN msg=\"state cannot be used") || !strings.Contains(logged, "batch=2000") {
				t.Errorf("it says %q", logged)
			}
			if got := read.batches.Load(); got < 1_400 || got > damage.batches {
				t.Errorf("%d batches were read", got)
			}
			if !damage.restore {
				return
			}
			for name := range damage.objects {
				if got, err := b.Get(t.Context(), name, 0, -1); err != nil || federation.Sum(got) != blobDigest(name) {
					t.Errorf("%s is not whole again: %v", name, err)
				}
			}
			c, logged, read = opened(t, &g)
			checkSame(t, c, memo)
			if logged != "" || read.batches.Load() > 1_010 {
				t.Errorf("the next start reads %d batches and says %q", read.batches.Load(), logged)
			}
		})
	}
}

func blobDigest(name string) federation.Digest {
	d, _ := federation.ParseDigest(name[len(name)-64:])
	return d
}

func checkpointAt(t *testing.T, f *coordinatortest.Federation, size int64) []byte {
	t.Helper()
	l, err := roundlog.Open(t.Context(), f.Bucket, f.Key, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.CheckpointAt(t.Context(), size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestStateThatLies: a state entry that the entries before it do not give stops whoever
// replays it, although the log's key signed it.
func TestStateThatLies(t *testing.T) {
	f, bucket := grown(t, 990, 0)
	memo, _ := replayed(t, f)
	memo.State.Epoch++
	stated, blob := round.StateEntry(memo, round.When{Now: coordinatortest.Start})
	if _, err := storage.PutBlob(t.Context(), bucket, blob); err != nil {
		t.Fatal(err)
	}
	l, err := roundlog.Open(t.Context(), bucket, f.Key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), l.Epoch(), coordinatortest.Start, [][]byte{stated.Encode()}); err != nil {
		t.Fatal(err)
	}
	if _, err := coordinator.Open(t.Context(), f.Config()); !errors.Is(err, round.ErrEntry) {
		t.Errorf("open: %v", err)
	}
	if _, err := coordinator.Inspect(t.Context(), bucket, federation.Digest{}); !errors.Is(err, round.ErrEntry) {
		t.Errorf("inspect: %v", err)
	}
}

// TestProofsAfterAStart: hospitals that saw any size of the log before get a proof from it,
// from a coordinator that did not read those entries.
func TestProofsAfterAStart(t *testing.T) {
	f, _ := grown(t, 2_500, 1000)
	var roots []roundlog.Hash
	whole, err := roundlog.Read(t.Context(), f.Bucket, f.Charter.LogKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	for size := range whole.Size() + 1 {
		root, err := whole.RootAt(size)
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, root)
	}
	cfg := f.Config()
	cfg.Now = func() time.Time { return coordinatortest.Start.Add(10_000 * time.Hour) }
	c, err := coordinator.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	running(t, c)
	awaitRound(t, c, func(r round.Round) bool { return r.Phase == round.Gathering })
	v := c.View()
	header, err := federation.DecodeHeader(v.Header)
	if err != nil {
		t.Fatal(err)
	}
	for seen := int64(1); seen <= whole.Size(); seen += 97 {
		w, ok, err := c.WorkFor(t.Context(), v, f.Charter.Members[0].ID, coordinator.Poll{SeenSize: seen})
		if err != nil || !ok || w.Kind != round.TaskJoin {
			t.Fatalf("who saw %d entries gets %s: %v", seen, w.Kind, err)
		}
		var proof roundlog.ConsistencyProof
		for _, h := range w.Consistency {
			proof = append(proof, roundlog.Hash(h))
		}
		if err := roundlog.CheckConsistency(proof, header.Checkpoint.Size, roundlog.Hash(header.Checkpoint.Root), seen, roots[seen]); err != nil {
			t.Fatalf("who saw %d entries: %v", seen, err)
		}
	}
}

// TestCoordinatorWritesStates: the batch whose number is due begins with the state before
// it, but not where a leader begins.
func TestCoordinatorWritesStates(t *testing.T) {
	for _, lead := range []int64{999, 1000} {
		f, _ := grown(t, int(lead)-8, 0)
		for {
			memo, _ := replayed(t, f)
			if memo.Size >= lead+1 { // the first batch has two entries
				break
			}
			fill(t, f, int(lead+1-memo.Size))
		}
		cfg := f.Config()
		cfg.Now = func() time.Time { return coordinatortest.Start.Add(10_000 * time.Hour) }
		c, err := coordinator.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		running(t, c)
		awaitRound(t, c, func(r round.Round) bool { return r.Phase == round.Gathering })
		b, err := roundlog.ReadBatch(t.Context(), f.Bucket, lead, func(roundlog.Batch) (string, error) { return f.Charter.LogKey, nil })
		if err != nil {
			t.Fatal(err)
		}
		if e, err := round.DecodeEntry(b.Entries[0]); err != nil || e.Kind != round.Lead || len(b.Entries) != 1 {
			t.Fatalf("batch %d begins with %s: %v", lead, e.Kind, err)
		}
		memo, states := replayed(t, f)
		if want := int(1000 - lead); len(states) != want {
			t.Errorf("led at batch %d: %d states, want %d", lead, len(states), want)
		}
		again, logged, _ := opened(t, f)
		checkSame(t, again, memo)
		if logged != "" {
			t.Error(logged)
		}
	}
}

// fill appends n leads, one a batch.
func fill(t *testing.T, f *coordinatortest.Federation, n int) {
	t.Helper()
	memo, _ := replayed(t, f)
	l, err := roundlog.Open(t.Context(), f.Bucket, f.Key, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		entries, err := round.Decide(memo.State, round.Led{}, round.When{Now: coordinatortest.Start})
		if err == nil {
			memo, err = memo.Apply(entries[0])
		}
		if err == nil {
			_, err = l.Append(t.Context(), memo.State.Epoch, coordinatortest.Start, [][]byte{entries[0].Encode()})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// peak samples how far the heap grows while f runs, in bytes.
func peak(f func()) uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	before, most := read(), atomic.Uint64{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			most.Store(max(most.Load(), read()))
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	<-done
	return max(most.Load(), before) - before
}

// TestStartMemory: the memory of a start does not grow with the log either.
func TestStartMemory(t *testing.T) {
	most := map[int]uint64{}
	for _, n := range []int{2_500, 4_500} {
		f, _ := grown(t, n, 1000)
		most[n] = peak(func() { opened(t, f) })
	}
	t.Logf("%d KiB and %d KiB", most[2_500]>>10, most[4_500]>>10)
	if most[4_500] > 2*most[2_500]+4<<20 || most[4_500] > 100<<20 {
		t.Errorf("a start takes %d MiB with 2,500 entries and %d MiB with 4,500", most[2_500]>>20, most[4_500]>>20)
	}
}

// BenchmarkOpen opens a log of 100,000 entries, one a batch: from its newest state, and
// from its beginning, as one without states.
func BenchmarkOpen(b *testing.B) {
	for _, every := range []int64{1000, 0} {
		f, _ := grown(b, 100_000-2-101, every)
		b.Run(fmt.Sprintf("states=%v", every > 0), func(b *testing.B) {
			most := uint64(0)
			for b.Loop() {
				most = max(most, peak(func() { opened(b, f) }))
			}
			b.ReportMetric(float64(most)/1e6, "peak-MB")
		})
	}
}
