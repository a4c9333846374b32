package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"atrium/storage"
)

// Sentinels of a [Faulty] Bucket.
var (
	ErrInjected = errors.New("injected fault")                      // the chosen write
	ErrDead     = fmt.Errorf("process died: %w", storage.ErrBroken) // every call after it, when Dies
)

// Fault is what happens to one write (PutIfAbsent, CompareAndSwap or Delete).
type Fault struct {
	At     int  // which write, counted from 1; 0 is none
	Stored bool // the write takes effect although it reports a failure
	Dies   bool // every later call fails and changes nothing
}

// String names the fault for a subtest.
func (f Fault) String() string {
	s := fmt.Sprintf("write-%d-not-stored", f.At)
	if f.Stored {
		s = fmt.Sprintf("write-%d-stored-but-reported-failed", f.At)
	}
	if f.Dies {
		s += "-then-died"
	}
	return s
}

// Faults lists every fault of every one of n writes.
func Faults(n int) []Fault {
	var all []Fault
	for at := 1; at <= n; at++ {
		for _, stored := range []bool{false, true} {
			for _, dies := range []bool{false, true} {
				all = append(all, Fault{At: at, Stored: stored, Dies: dies})
			}
		}
	}
	return all
}

// Faulty passes calls on to a Bucket, but for one write.
type Faulty struct {
	bucket storage.Bucket
	fault  Fault

	mu     sync.Mutex
	writes []string // owned by mu: names written to, in order
	dead   bool     // owned by mu
	died   chan struct{}
}

var _ storage.Bucket = (*Faulty)(nil)

// NewFaulty wraps b with one fault.
func NewFaulty(b storage.Bucket, f Fault) *Faulty {
	return &Faulty{bucket: b, fault: f, died: make(chan struct{})}
}

// Writes returns the names that were written to so far, in order, the failed one included.
func (f *Faulty) Writes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.writes...)
}

// Died is closed when the fault has killed the process, or Kill has.
func (f *Faulty) Died() <-chan struct{} { return f.died }

// Kill makes every later call fail: a process that ended writes no more.
func (f *Faulty) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.die()
}

// die needs mu.
func (f *Faulty) die() {
	if !f.dead {
		f.dead = true
		close(f.died)
	}
}

func (f *Faulty) alive() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return ErrDead
	}
	return nil
}

// Write counts a write and performs it as the fault has it. The Bucket's own go through
// here; a test calls it for what a process writes elsewhere, in the order of all.
func (f *Faulty) Write(name string, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return ErrDead
	}
	f.writes = append(f.writes, name)
	if len(f.writes) != f.fault.At {
		return do()
	}
	if f.fault.Dies {
		defer f.die()
	}
	if f.fault.Stored {
		if err := do(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %w", name, ErrInjected)
}

// Get implements storage.Bucket.
func (f *Faulty) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := f.alive(); err != nil {
		return nil, err
	}
	return f.bucket.Get(ctx, name, offset, length)
}

// PutIfAbsent implements storage.Bucket.
func (f *Faulty) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	return f.Write(name, func() error { return f.bucket.PutIfAbsent(ctx, name, data) })
}

// CompareAndSwap implements storage.Bucket.
func (f *Faulty) CompareAndSwap(ctx context.Context, name string, old, new []byte) error {
	return f.Write(name, func() error { return f.bucket.CompareAndSwap(ctx, name, old, new) })
}

// List implements storage.Bucket.
func (f *Faulty) List(ctx context.Context, prefix string) ([]storage.ObjectInfo, error) {
	if err := f.alive(); err != nil {
		return nil, err
	}
	return f.bucket.List(ctx, prefix)
}

// Stat implements storage.Bucket.
func (f *Faulty) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	if err := f.alive(); err != nil {
		return storage.ObjectInfo{}, err
	}
	return f.bucket.Stat(ctx, name)
}

// Delete implements storage.Bucket.
func (f *Faulty) Delete(ctx context.Context, name string) error {
	return f.Write(name, func() error { return f.bucket.Delete(ctx, name) })
}
