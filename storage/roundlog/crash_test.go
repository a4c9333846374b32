package roundlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"atrium/storage"
	"atrium/storage/storagetest"
)

// steps are the entries of one batch each, published each: over the edge of a tile, and
// up to one.
var steps = []int{3, 260, 1, 248}

// run opens or creates the log and does the steps that are not done, as a caller that
// repeats what failed once.
func run(ctx context.Context, bucket storage.Bucket, key *Key) error {
	l, err := Open(ctx, bucket, key, nil)
	for tries := 0; errors.Is(err, ErrNoLog) || errors.Is(err, storagetest.ErrInjected) && tries < 2; tries++ {
		l, err = Create(ctx, bucket, key)
	}
	if err != nil {
		return err
	}
	end := 0
	for _, n := range steps {
		end += n
		if l.Size() < int64(end) {
			if err := appendOnce(ctx, l, entries(end-n, n)); err != nil {
				return err
			}
		}
		_, _, _, err := l.Publish(ctx)
		if errors.Is(err, storagetest.ErrInjected) {
			_, _, _, err = l.Publish(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func appendOnce(ctx context.Context, l *Log, es [][]byte) error {
	first := l.Size()
	_, err := l.Append(ctx, 1, noon, es)
	if errors.Is(err, ErrInDoubt) {
		if _, err = l.CatchUp(ctx); err == nil && l.Size() == first {
			_, err = l.Append(ctx, 1, noon, es)
		}
	}
	return err
}

func TestCrashMatrix(t *testing.T) {
	key, total := testKey(t, "heart"), 0
	for _, n := range steps {
		total += n
	}
	perfect := storagetest.NewFaulty(storagetest.NewMemory(), storagetest.Fault{})
	if err := run(t.Context(), perfect, key); err != nil {
		t.Fatal(err)
	}
	writes := perfect.Writes()
	if len(writes) != 21 {
		t.Fatalf("the script writes %d objects: %v", len(writes), writes)
	}
	for _, fault := range storagetest.Faults(len(writes)) {
		t.Run(fmt.Sprint(fault, " ", strings.ReplaceAll(writes[fault.At-1], "/", "-")), func(t *testing.T) {
			memory := storagetest.NewMemory()
			err := run(t.Context(), storagetest.NewFaulty(memory, fault), key)
			if fault.Dies {
				if !errors.Is(err, storagetest.ErrDead) && !errors.Is(err, storagetest.ErrInjected) {
					t.Fatalf("run until death: %v", err)
				}
				// Whatever stands at this instant is a valid log, if any.
				if _, err := verify(t.Context(), memory, key.Verifier()); err != nil && !errors.Is(err, ErrNoLog) {
					t.Fatalf("after death: %v", err)
				}
				err = run(t.Context(), memory, key)
			}
			if err != nil {
				t.Fatal(err)
			}
			checkAll(t, memory, key.Verifier(), entries(0, total))
		})
	}
}

// unsure is a Bucket whose puts fail while sick, after storing or not.
type unsure struct {
	storage.Bucket
	sick, stores bool
}

func (u *unsure) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	if !u.sick {
		return u.Bucket.PutIfAbsent(ctx, name, data)
	}
	if u.stores {
		u.Bucket.PutIfAbsent(ctx, name, data)
	}
	return errors.New("connection reset")
}

func TestDoubt(t *testing.T) {
	for _, c := range []struct {
		name   string
		stores bool
		rival  bool
		want   int // batches that CatchUp returns
		size   int64
	}{
		{"not-stored", false, false, 1, 3},
		{"stored", true, false, 1, 3},
		{"a-rival-took-the-slot", false, true, 1, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, memory, key := t.Context(), storagetest.NewMemory(), testKey(t, "heart")
			build(t, memory, key, 2)
			bucket := &unsure{Bucket: memory}
			l := must[*Log](t)(Open(ctx, bucket, key, nil))
			bucket.sick, bucket.stores = true, c.stores
			for range 2 {
				if _, err := l.Append(ctx, 1, noon, entries(2, 1)); !errors.Is(err, ErrInDoubt) || l.Size() != 2 {
					t.Fatalf("append while sick: %v", err)
				}
			}
			if batches, err := l.CatchUp(ctx); !errors.Is(err, ErrInDoubt) || len(batches) != 0 {
				t.Fatalf("catch up while sick: %d, %v", len(batches), err)
			}
			if c.rival {
				rival := must[*Log](t)(Open(ctx, memory, key, nil))
				must[int64](t)(rival.Append(ctx, 2, noon, entries(2, 2)))
			}
			bucket.sick = false
			if batches := must[[]Batch](t)(l.CatchUp(ctx)); len(batches) != c.want || l.Size() != c.size {
				t.Fatalf("caught up with %d batches to size %d", len(batches), l.Size())
			}
			must[int64](t)(l.Append(ctx, 2, noon, entries(int(c.size), 1)))
			if _, _, _, err := l.Publish(ctx); err != nil {
				t.Fatal(err)
			}
			checkAll(t, memory, key.Verifier(), entries(0, int(c.size)+1))
		})
	}
}
