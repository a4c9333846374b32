package minio

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	s3 "github.com/minio/minio-go/v7"

	"atrium/storage"
)

// Objects of the probe. They stay, so that it needs no right to delete them.
const (
	probeCreated = "blob/probe-created" // a permanent object
	probeSwapped = "probe-swapped"      // a pointer
	probeSlot    = "log/probe"          // never there: whether it may be deleted is asked
	probeRetired = "rounds/probe"       // the same, and it must be
)

// IsProbe reports whether an object is one that Probe leaves behind.
func IsProbe(name string) bool { return name == probeCreated || name == probeSwapped }

// Probe shows that the store holds what a federation relies on: that an object is created
// once, also under another's eyes; that a swap of stale bytes is refused and of several at
// once one succeeds; that deletions neither free a slot of the log nor stay without effect.
// It returns warnings about what is not as it should be but may be meant so.
//
// Errors: [ErrGuarantee] names what the store lacks; [ErrDenied] and the like when it
// cannot be asked.
func (b *Bucket) Probe(ctx context.Context) (warnings []string, err error) {
	if err := b.usable(); err != nil {
		return nil, err
	}
	for _, check := range []func(context.Context) error{b.probeVersions, b.probeCreate, b.probeSwap, b.probeRetire} {
		if err := check(ctx); err != nil {
			return nil, b.explain(err)
		}
	}
	warning, err := b.probeSlot(ctx)
	if err != nil {
		return nil, b.explain(err)
	}
	if warning != "" {
		warnings = append(warnings, warning)
	}
	return warnings, nil
}

func (b *Bucket) explain(err error) error {
	if errors.Is(err, ErrGuarantee) {
		return fmt.Errorf("%s: %w; tested servers: %s", b, err, Tested)
	}
	return fmt.Errorf("probe %s: %w", b, err)
}

func lacks(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrGuarantee, fmt.Sprintf(format, args...))
}

// probeVersions: only permanent objects may have versions.
func (b *Bucket) probeVersions(ctx context.Context) error {
	status, err := b.versioning(ctx, b.config.Pointers)
	if err != nil || status == "" {
		return err
	}
	if b.config.Pointers == b.config.Bucket {
		return lacks("bucket %s is versioned, so that what is swapped or deleted would stay in it for ever: name a second bucket without versions for it (s3.pointers), or use one without versions", b.config.Bucket)
	}
	return lacks("bucket %s is versioned: what is swapped or deleted needs one without versions (s3.pointers)", b.config.Pointers)
}

// probePut is one unrepeated, conditional put. It reports whether the store refused it.
func (b *Bucket) probePut(ctx context.Context, name string, data []byte, etag string) (refused bool, err error) {
	err = b.put(ctx, name, data, etag)
	if errors.Is(err, errPrecondition) {
		return true, nil
	}
	return false, err
}

// probeCreate: an object that is there is not created again.
func (b *Bucket) probeCreate(ctx context.Context) error {
	for range 2 {
		refused, err := b.probePut(ctx, probeCreated, []byte("created"), "")
		if err != nil || refused {
			return err
		}
	}
	return lacks("it created an object twice (PUT with If-None-Match: *)")
}

// probeSwap: a swap needs the current ETag, and of several swaps at once one succeeds.
func (b *Bucket) probeSwap(ctx context.Context) error {
	stale, err := b.probeState(ctx)
	if err != nil {
		return err
	}
	refused, err := b.probePut(ctx, probeSwapped, []byte(rand.Text()), stale)
	if err != nil {
		return err
	}
	current, err := b.probeState(ctx)
	if err != nil {
		return err
	}
	if current == stale {
		return lacks("it refused to swap an object that was as expected (PUT with If-Match: <ETag>)")
	}
	// Where another probe came in between, the ETag is stale all the same.
	if refused, err = b.probePut(ctx, probeSwapped, []byte(rand.Text()), stale); err != nil {
		return err
	}
	if !refused {
		return lacks("it swapped an object that was not as expected (PUT with a stale If-Match)")
	}
	return b.probeRace(ctx)
}

// probeState is the ETag of the pointer, which is created if need be.
func (b *Bucket) probeState(ctx context.Context) (etag string, err error) {
	if _, err := b.probePut(ctx, probeSwapped, []byte(rand.Text()), ""); err != nil {
		return "", err
	}
	_, etag, err = b.fetch(ctx, probeSwapped, 0, -1, makeAtMost)
	return etag, err
}

// probeRace: of several swaps of one state at most one succeeds. None may, when another
// coordinator probes.
func (b *Bucket) probeRace(ctx context.Context) error {
	state, err := b.probeState(ctx)
	if err != nil {
		return err
	}
	var won atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		group.Go(func() {
			refused, err := b.probePut(ctx, probeSwapped, bytes.Repeat([]byte(rand.Text()), 100), state)
			if errs[i] = err; err == nil && !refused {
				won.Add(1)
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if n := won.Load(); n > 1 {
		return lacks("%d swaps of one state succeeded", n)
	}
	return nil
}

// probeRetire: ciphertexts and envelopes can be deleted when their time has come.
func (b *Bucket) probeRetire(ctx context.Context) error {
	err := b.Delete(ctx, probeRetired)
	if errors.Is(err, ErrDenied) {
		return fmt.Errorf("%w: what a round leaves must be deleted some day: see s3-retire.json, s3.retire_credentials", err)
	}
	return err
}

// probeSlot asks whether the Log credential may delete a batch. On a versioned bucket the
// slot could then be written again, which nothing later would show.
func (b *Bucket) probeSlot(ctx context.Context) (warning string, err error) {
	_, err = b.try(ctx, b.log, 0, func(ctx context.Context, c *s3.Core, _ *call) error {
		return c.RemoveObject(ctx, b.config.Bucket, b.key(probeSlot), s3.RemoveObjectOptions{})
	})
	switch {
	case errors.Is(err, ErrDenied):
		return "", nil
	case err != nil && !errors.Is(err, storage.ErrNotFound):
		return "", err
	case b.versioned:
		return "", lacks("these credentials may delete batches of the log, and over a deleted one on the versioned bucket %s another can be written: give a credential that may not (s3-log.json, s3.log_credentials)", b.config.Bucket)
	}
	return "the S3 credentials of the log may delete batches of it: s3-log.json is a policy without that", nil
}
