package models

import (
	"context"
	"fmt"

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

// Get returns the snapshot with that digest: storage.ErrNotFound when there is none,
// storage.ErrDigest when what is stored is something else, ErrSnapshot when it is no
// snapshot.
func Get(ctx context.Context, b storage.Bucket, digest federation.Digest) (Snapshot, error) {
	data, err := storage.GetVerified(ctx, b, storage.ModelSegment(digest), digest, MaxSnapshotBytes)
	if err != nil {
		return Snapshot{}, fmt.Errorf("get snapshot %s: %w", digest.Short(), err)
	}
	s, err := Decode(data)
	if err != nil {
		return Snapshot{}, fmt.Errorf("get snapshot %s: %w", digest.Short(), err)
	}
	return s, nil
}
