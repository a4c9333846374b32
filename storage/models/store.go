package models

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"atrium/coordinator/federation"
	"atrium/storage"
)

// Put stores a snapshot's canonical bytes under their digest and returns it once they
// are durable. Bytes that Decode refuses are not stored. Repeating it is harmless, and
// the answer to an error whose outcome is unknown.
func Put(ctx context.Context, b storage.Bucket, snapshot []byte) (federation.Digest, error) {
	if _, err := Decode(snapshot); err != nil {
		return federation.Digest{}, fmt.Errorf("put snapshot: %w", err)
	}
	digest := federation.Sum(snapshot)
	if err := storage.PutOnce(ctx, b, storage.ModelSegment(digest), snapshot); err != nil {
		return federation.Digest{}, fmt.Errorf("put snapshot %s: %w", digest.Short(), err)
	}
	return digest, nil
}

// Store encodes a snapshot once and stores it as Put does; it is refused with an error
// where Encode would panic.
func Store(ctx context.Context, b storage.Bucket, s Snapshot) (federation.Digest, error) {
	if err := s.Validate(); err != nil {
		return federation.Digest{}, fmt.Errorf("store snapshot: %w", err)
	}
	data := encode(s)
	digest := federation.Sum(data)
	if err := storage.PutOnce(ctx, b, storage.ModelSegment(digest), data); err != nil {
		return federation.Digest{}, fmt.Errorf("store snapshot %s: %w", digest.Short(), err)
	}
	return digest, nil
}

// Get returns the snapshot with that digest: storage.ErrNotFound when there is none,
// storage.ErrDigest when what is stored is something else, ErrSnapshot when it is no
// snapshot. It reads piece by piece and holds nothing but the result.
func Get(ctx context.Context, b storage.Bucket, digest federation.Digest) (Snapshot, error) {
	object := &object{ctx: ctx, bucket: b, name: storage.ModelSegment(digest)}
	hash := sha256.New()
	s, err := DecodeFrom(io.TeeReader(object, hash))
	if object.err == nil && errors.Is(err, ErrSnapshot) { // which is it: damaged, or no snapshot?
		_, object.err = io.Copy(hash, object)
	}
	switch {
	case object.err != nil:
		err = object.err
	case federation.Digest(hash.Sum(nil)) != digest:
		err = fmt.Errorf("%s: %w", object.name, storage.ErrDigest)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("get snapshot %s: %w", digest.Short(), err)
	}
	return s, nil
}

// GetHead returns metadata, names and shapes of a stored snapshot, without values: what
// it says is not checked against the digest.
func GetHead(ctx context.Context, b storage.Bucket, digest federation.Digest) (Snapshot, error) {
	object := &object{ctx: ctx, bucket: b, name: storage.ModelSegment(digest)}
	s, _, _, err := readHeader(object, MaxSnapshotBytes)
	if object.err != nil {
		err = object.err
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("get head of snapshot %s: %w", digest.Short(), err)
	}
	return s, nil
}

// object reads a stored object from its beginning to its end.
type object struct {
	ctx    context.Context
	bucket storage.Bucket
	name   string
	offset int64
	rest   []byte // read and not yet handed out
	err    error  // of the bucket
}

// Read implements io.Reader.
func (o *object) Read(p []byte) (int, error) {
	if len(o.rest) == 0 && o.err == nil {
		if o.offset > MaxSnapshotBytes {
			o.err = fmt.Errorf("%s: %w: over %d bytes", o.name, storage.ErrTooLarge, MaxSnapshotBytes)
		} else {
			o.rest, o.err = o.bucket.Get(o.ctx, o.name, o.offset, readBytes)
		}
		o.offset += int64(len(o.rest))
	}
	if o.err != nil {
		return 0, o.err
	}
	if len(o.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}
