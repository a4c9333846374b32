package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"atrium/storage"
)

// race runs do in several goroutines at once and returns how many succeeded; the others
// must fail with loser.
func race(t *testing.T, loser error, do func(i int) error) int {
	t.Helper()
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			switch err := do(i); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, loser):
				t.Errorf("racer %d: %v, want %v", i, err, loser)
			}
		})
	}
	wg.Wait()
	return int(won.Load())
}

func testRacePut(t *testing.T, b storage.Bucket) {
	for n := range 10 {
		name := fmt.Sprintf("deep/%d/folder/object", n)
		if won := race(t, storage.ErrExists, func(i int) error {
			return b.PutIfAbsent(t.Context(), name, fmt.Append(nil, i))
		}); won != 1 {
			t.Fatalf("put-if-absent of %s succeeded %d times", name, won)
		}
	}
}

func testRaceSwap(t *testing.T, b storage.Bucket) {
	old := []byte(nil)
	for n := range 10 {
		if won := race(t, storage.ErrConflict, func(i int) error {
			return b.CompareAndSwap(t.Context(), "lease", old, fmt.Appendf(nil, "%d by %d", n, i))
		}); won != 1 {
			t.Fatalf("swap %d succeeded %d times", n, won)
		}
		old, _ = b.Get(t.Context(), "lease", 0, -1)
	}
}

// testRaceRead reads an object while it is swapped between two sizes: it must always be
// one of them, whole.
func testRaceRead(t *testing.T, b storage.Bucket) {
	versions := [][]byte{bytes.Repeat([]byte("a"), 1000), bytes.Repeat([]byte("b"), 300_000)}
	want(t, b.CompareAndSwap(t.Context(), "p", nil, versions[0]), nil, "create")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := b.Get(t.Context(), "p", 0, -1)
				if err != nil || !bytes.Equal(got, versions[0]) && !bytes.Equal(got, versions[1]) {
					t.Errorf("read a torn object of %d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	for n := range 20 {
		err := b.CompareAndSwap(t.Context(), "p", versions[n%2], versions[(n+1)%2])
		if err != nil {
			t.Errorf("swap %d: %v", n, err)
			break
		}
	}
	close(stop)
	wg.Wait()
}
