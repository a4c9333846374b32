package coordinator

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"atrium/coordinator/federation"
	"atrium/storage"
)

// Lease is the object by which coordinators of one log agree who leads. It is written by
// compare-and-swap, renewed while its holder lives, and taken over by who saw it
// unchanged for as long as it says, by its own monotonic clock: the clocks of two
// machines are never compared. It serves liveness only. That two leaders cannot both
// commit is the log's doing, so a lease is neither signed nor trusted.
type Lease struct {
	V            int      `json:"v"`      // 1
	Holder       string   `json:"holder"` // its Config.Name
	Instance     string   `json:"instance"`
	Addresses    []string `json:"addresses"`
	Epoch        uint64   `json:"epoch"`   // that it leads, or is about to
	Renewal      uint64   `json:"renewal"` // so that each write changes the bytes
	Milliseconds int64    `json:"milliseconds"`
	Released     bool     `json:"released"`
	Time         string   `json:"time"` // RFC 3339, UTC, by its clock; for display
}

// DecodeLease reads what a leader wrote; anything else is refused.
func DecodeLease(b []byte) (Lease, error) {
	l, err := federation.Decode[Lease](b, maxLeaseBytes)
	if err != nil {
		return Lease{}, err
	}
	if _, err := federation.ParseTime(l.Time); err != nil {
		return Lease{}, err
	}
	if life := l.life(); l.V != 1 || life < minLease || life > maxLease || l.Instance == "" || len(l.Instance) > maxLeaderName {
		return Lease{}, fmt.Errorf("%s: version %d, %v: out of bounds", storage.Lease, l.V, life)
	}
	return l, checkLeader(l.Holder, l.Addresses)
}

// readLease returns the lease that stands, or nil where there is none that can be read.
func readLease(ctx context.Context, b storage.Bucket) (*Lease, error) {
	data, err := storage.GetAtMost(ctx, b, storage.Lease, maxLeaseBytes)
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrTooLarge) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if l, err := DecodeLease(data); err == nil {
		return &l, nil
	}
	return nil, nil
}

func (l Lease) life() time.Duration { return time.Duration(l.Milliseconds) * time.Millisecond }

// checkLeader bounds what a leader says about itself.
func checkLeader(name string, addresses []string) error {
	if len(name) > maxLeaderName || len(addresses) > maxAddresses {
		return fmt.Errorf("coordinator name of %d bytes with %d addresses: at most %d and %d", len(name), len(addresses), maxLeaderName, maxAddresses)
	}
	for _, a := range addresses {
		if _, _, err := net.SplitHostPort(a); err != nil || len(a) > maxAddress {
			return fmt.Errorf("coordinator address %.80q: want host:port of at most %d bytes", a, maxAddress)
		}
	}
	return nil
}

// lease is what one coordinator knows of the Lease. It belongs to one goroutine at a time.
type lease struct {
	bucket    storage.Bucket
	holder    string
	instance  string // of this run
	addresses []string
	span      time.Duration

	looked  bool
	there   []byte    // the object's bytes; nil: absent
	value   Lease     // zero where there is none, or none that can be read
	seen    time.Time // when there was first seen
	written []byte    // what this run wrote last
	renewal uint64
}

func newLease(cfg Config) lease {
	return lease{bucket: cfg.Bucket, holder: cfg.Name, instance: rand.Text(), addresses: slices.Clone(cfg.Addresses), span: cfg.Lease}
}

// look reads the object. The time that counts is when the reading began: a change came
// no earlier.
func (l *lease) look(ctx context.Context) error {
	data, err := storage.GetAtMost(ctx, l.bucket, storage.Lease, maxLeaseBytes)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		data = nil
	case errors.Is(err, storage.ErrTooLarge): // nobody's lease: it is replaced when nobody changes it
		data, err = l.bucket.Get(ctx, storage.Lease, 0, -1)
		if err != nil {
			return err
		}
	case err != nil:
		return err
	}
	l.saw(data, time.Now())
	return nil
}

// saw notes the object's bytes.
func (l *lease) saw(data []byte, at time.Time) {
	if l.looked && bytes.Equal(data, l.there) && (data == nil) == (l.there == nil) {
		return
	}
	l.looked, l.there, l.seen = true, data, at
	var err error
	if l.value, err = DecodeLease(data); err != nil {
		l.value = Lease{}
	}
}

// remains is how long the lease that was seen last keeps others from leading.
func (l *lease) remains() time.Duration {
	switch {
	case l.there == nil, l.value.Released, l.value.Holder == l.holder && l.value.V != 0:
		return 0
	}
	life := l.span
	if l.value.V != 0 {
		life = l.value.life()
	}
	return life - time.Since(l.seen)
}

// leader returns the addresses of another one that leads; ok is false if nobody is known to.
func (l *lease) leader() (addresses []string, ok bool) {
	if l.value.V == 0 || l.value.Instance == l.instance || l.remains() <= 0 {
		return nil, false
	}
	return l.value.Addresses, true
}

// write makes the lease this run's own for another span, or gives it up. It returns false
// when another holds it. After an error the outcome is unknown and the next call finds out.
func (l *lease) write(ctx context.Context, epoch uint64, released bool) (bool, error) {
	for range maxLeaseWrites {
		l.renewal++
		next := federation.Encode(Lease{V: 1, Holder: l.holder, Instance: l.instance, Addresses: l.addresses, Epoch: epoch,
			Renewal: l.renewal, Milliseconds: l.span.Milliseconds(), Released: released, Time: federation.FormatTime(time.Now())})
		l.written = next
		err := l.bucket.CompareAndSwap(ctx, storage.Lease, l.there, next)
		if err == nil {
			l.saw(next, time.Now())
			return true, nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return false, err
		}
		if err := l.look(ctx); err != nil {
			return false, err
		}
		switch {
		case bytes.Equal(l.there, next): // it was reported failed
			return true, nil
		case l.there != nil && l.value.Instance != l.instance:
			return false, nil
		} // an earlier write of ours is there, or nothing: a store may lose what is written over
	}
	return false, nil
}

// keep renews the lease until ctx ends, and then hands it back. It closes lost when
// another took it; a storage that does not answer is no reason to stop leading: nobody
// else can commit either.
func (l *lease) keep(ctx context.Context, epoch uint64, lost chan<- struct{}, logger *slog.Logger) {
	away := false // said that the storage is
	ticker := time.NewTicker(l.span / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		trying, cancel := context.WithTimeout(ctx, l.span/2)
		held, err := l.write(trying, epoch, false)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			logger.Warn("lease not renewed", "error", err)
		case err == nil && !held:
			close(lost)
			return
		}
		away = err != nil
	}
}

// release gives the lease up if this run holds it, so that another may lead at once.
func (l *lease) release(ctx context.Context) {
	if l.value.Instance != l.instance || l.value.Released {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	_, _ = l.write(ctx, l.value.Epoch, true) // or it ends by itself
}
