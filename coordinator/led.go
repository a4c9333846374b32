package coordinator

import (
	"bytes"
	"context"
	"time"

	"atrium/storage"
)

// Led reports whether somebody leads the log in b: whether the lease is renewed while it
// looks, for as long as the lease lasts at most. It returns the lease as last seen.
func Led(ctx context.Context, b storage.Bucket) (Lease, bool, error) {
	l := newLease(Config{Bucket: b})
	if err := l.look(ctx); err != nil {
		return Lease{}, false, err
	}
	first := l.there
	ticker := time.NewTicker(ledInterval)
	defer ticker.Stop()
	for end := time.Now().Add(l.value.life()); l.value.V != 0 && !l.value.Released && time.Now().Before(end); {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return l.value, false, ctx.Err()
		}
		if err := l.look(ctx); err != nil {
			return l.value, false, err
		}
		if !bytes.Equal(first, l.there) {
			return l.value, !l.value.Released, nil
		}
	}
	return l.value, false, nil
}

const ledInterval = 200 * time.Millisecond
