package coordinator

import (
	"context"
	"errors"
	"slices"
	"time"

	"atrium/storage"
)

// trouble is an error of the storage itself: it did not answer, or had no room. It may
// pass, and whoever repeats the same call does no harm.
type trouble struct{ error }

func (t trouble) Unwrap() error { return t.error }

// passing reports whether an error is one that waiting may mend.
func passing(err error) bool {
	var t trouble
	return errors.As(err, &t)
}

// reporting is a Bucket whose own troubles can be told from what it says about objects.
type reporting struct{ storage.Bucket }

// reportingInto is reporting for a driver that reads into memory that is there.
type reportingInto struct {
	reporting
	into storage.IntoReader
}

var _ storage.IntoReader = reportingInto{}

func newReporting(b storage.Bucket) storage.Bucket {
	if into, ok := b.(storage.IntoReader); ok {
		return reportingInto{reporting{b}, into}
	}
	return reporting{b}
}

// GetInto implements storage.IntoReader.
func (r reportingInto) GetInto(ctx context.Context, name string, dst []byte) (int, error) {
	n, err := r.into.GetInto(ctx, name, dst)
	return n, troubled(ctx, err)
}

// lasting are the answers of a Bucket that asking again does not change.
var lasting = []error{storage.ErrBroken, storage.ErrNotFound, storage.ErrExists, storage.ErrConflict, storage.ErrRange,
	storage.ErrName, storage.ErrTooLarge}

func troubled(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || slices.ContainsFunc(lasting, func(e error) bool { return errors.Is(err, e) }) {
		return err
	}
	return trouble{err}
}

// Get implements storage.Bucket.
func (r reporting) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	data, err := r.Bucket.Get(ctx, name, offset, length)
	return data, troubled(ctx, err)
}

// PutIfAbsent implements storage.Bucket.
func (r reporting) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	return troubled(ctx, r.Bucket.PutIfAbsent(ctx, name, data))
}

// CompareAndSwap implements storage.Bucket.
func (r reporting) CompareAndSwap(ctx context.Context, name string, old, new []byte) error {
	return troubled(ctx, r.Bucket.CompareAndSwap(ctx, name, old, new))
}

// List implements storage.Bucket.
func (r reporting) List(ctx context.Context, prefix string) ([]storage.ObjectInfo, error) {
	infos, err := r.Bucket.List(ctx, prefix)
	return infos, troubled(ctx, err)
}

// Stat implements storage.Bucket.
func (r reporting) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	info, err := r.Bucket.Stat(ctx, name)
	return info, troubled(ctx, err)
}

// Delete implements storage.Bucket.
func (r reporting) Delete(ctx context.Context, name string) error {
	return troubled(ctx, r.Bucket.Delete(ctx, name))
}

// insist repeats what must be done until it is, or fails for good. While the storage
// does not answer, the requests in list and those that come are told so: none is
// decided before what was begun is known.
func (c *Coordinator) insist(ctx context.Context, list []request, do func() error) error {
	for failures := 0; ; failures++ {
		err := do()
		if err == nil && failures > 0 {
			c.cfg.Logger.Info("storage answers again", "attempts", failures+1)
		}
		if !passing(err) {
			return err
		}
		if failures == 0 {
			c.cfg.Logger.Error("storage", "error", err, "advice", adviceOn(err))
			answer(list, ErrUnavailable)
		}
		if err := c.refuse(ctx, troubleDelay, ErrUnavailable); err != nil {
			return err
		}
	}
}

// refuse answers every event for a while; what reads the log only is done. It returns
// early, with its error, when ctx ends.
func (c *Coordinator) refuse(ctx context.Context, wait time.Duration, why error) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case r := <-c.requests:
			if r.do != nil {
				r.do()
				r.answer(nil)
			}
			r.answer(why)
		case <-c.presence.changed:
		case id := <-c.results:
			delete(c.running, id)
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// adviceOn says what the operator can do; this coordinator waits and then goes on by itself.
func adviceOn(err error) string {
	if text := storage.Advice(err); text != "" {
		return text + "; this coordinator then goes on by itself"
	}
	return "this coordinator goes on by itself when the storage answers"
}
