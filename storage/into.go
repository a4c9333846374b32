package storage

import (
	"context"
	"crypto/sha256"
	"fmt"
)

// IntoReader is what a driver MAY offer besides Bucket: Get of a whole object into
// memory that the caller has. It returns the object's size, or [ErrTooLarge] when dst is
// smaller; errors and durability are those of Get.
type IntoReader interface {
	GetInto(ctx context.Context, name string, dst []byte) (int, error)
}

// GetVerifiedInto is [GetVerified] into dst, whose length is the limit: nothing is
// allocated where the driver is an [IntoReader].
func GetVerifiedInto(ctx context.Context, b Bucket, name string, digest [32]byte, dst []byte) ([]byte, error) {
	r, ok := b.(IntoReader)
	if !ok {
		return GetVerified(ctx, b, name, digest, int64(len(dst)))
	}
	n, err := r.GetInto(ctx, name, dst)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(dst[:n]) != digest {
		return nil, fmt.Errorf("%s: %w", name, ErrDigest)
	}
	return dst[:n], nil
}
