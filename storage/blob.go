package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Sentinels of objects whose bytes are fixed by their name.
var (
	ErrDigest    = errors.New("digest does not match")
	ErrDifferent = errors.New("object holds other bytes")
)

// PutBlob stores data under its SHA-256 and returns that digest. It returns nil once
// the blob is durable, whoever stored it; a blob that is there is read back and
// compared, and refused with [ErrDifferent] when damaged.
func PutBlob(ctx context.Context, b Bucket, data []byte) ([32]byte, error) {
	digest := sha256.Sum256(data)
	return digest, PutOnce(ctx, b, Blob(digest), data)
}

// GetBlob returns the blob with this SHA-256, of at most limit bytes. [ErrNotFound],
// [ErrTooLarge]; [ErrDigest] when the stored bytes are not the ones named.
func GetBlob(ctx context.Context, b Bucket, digest [32]byte, limit int64) ([]byte, error) {
	return GetVerified(ctx, b, Blob(digest), digest, limit)
}

// PutOnce makes name hold exactly data: it stores it, or compares what is there and
// refuses other bytes with [ErrDifferent]. Repeating it is harmless, so it is the answer
// to an unknown outcome.
func PutOnce(ctx context.Context, b Bucket, name string, data []byte) error {
	err := b.PutIfAbsent(ctx, name, data)
	if !errors.Is(err, ErrExists) {
		return err
	}
	there, err := b.Get(ctx, name, 0, int64(len(data))+1)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, data) {
		return fmt.Errorf("%s: %w", name, ErrDifferent)
	}
	return nil
}

// GetVerified returns the whole object, of at most limit bytes, if its SHA-256 is
// digest; errors as for [GetBlob].
func GetVerified(ctx context.Context, b Bucket, name string, digest [32]byte, limit int64) ([]byte, error) {
	data, err := GetAtMost(ctx, b, name, limit)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(data) != digest {
		return nil, fmt.Errorf("%s: %w", name, ErrDigest)
	}
	return data, nil
}

// GetAtMost returns the whole object, or [ErrTooLarge] if it has more than limit bytes.
func GetAtMost(ctx context.Context, b Bucket, name string, limit int64) ([]byte, error) {
	data, err := b.Get(ctx, name, 0, limit+1)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: %w: over %d bytes", name, ErrTooLarge, limit)
	}
	return data, nil
}
