package storagetest

import (
	"context"
	"time"

	"atrium/storage"
)

// Slow is a Bucket every call of which takes Delay longer.
type Slow struct {
	Bucket storage.Bucket
	Delay  time.Duration
}

var _ storage.Bucket = Slow{}

func (s Slow) wait(ctx context.Context) error {
	timer := time.NewTimer(s.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get implements storage.Bucket.
func (s Slow) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.Bucket.Get(ctx, name, offset, length)
}

// PutIfAbsent implements storage.Bucket.
func (s Slow) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Bucket.PutIfAbsent(ctx, name, data)
}

// CompareAndSwap implements storage.Bucket.
func (s Slow) CompareAndSwap(ctx context.Context, name string, old, new []byte) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Bucket.CompareAndSwap(ctx, name, old, new)
}

// List implements storage.Bucket.
func (s Slow) List(ctx context.Context, prefix string) ([]storage.ObjectInfo, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.Bucket.List(ctx, prefix)
}

// Stat implements storage.Bucket.
func (s Slow) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	if err := s.wait(ctx); err != nil {
		return storage.ObjectInfo{}, err
	}
	return s.Bucket.Stat(ctx, name)
}

// Delete implements storage.Bucket.
func (s Slow) Delete(ctx context.Context, name string) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Bucket.Delete(ctx, name)
}
