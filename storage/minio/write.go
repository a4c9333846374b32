package minio

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	s3 "github.com/minio/minio-go/v7"

	"atrium/storage"
)

// markKey is the metadata of an object that tells one write from another.
const markKey = "Atrium-Write"

// PutIfAbsent implements storage.Bucket.
func (b *Bucket) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	if err := b.beginWrite(ctx, name, data); err != nil {
		return err
	}
	if b.versioned && strings.HasPrefix(name, storage.LogFolder) {
		// A deleted batch's slot looks free to put-if-absent.
		if _, err := b.head(ctx, name); errors.Is(err, ErrDeleted) {
			return err
		}
	}
	err := b.put(ctx, name, data, "")
	if errors.Is(err, errPrecondition) {
		err = storage.ErrExists
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// CompareAndSwap implements storage.Bucket: it compares the bytes and lets the store
// compare their ETag, so that an object which another one replaced by equal bytes in
// between counts as the same.
func (b *Bucket) CompareAndSwap(ctx context.Context, name string, old, new []byte) error {
	if err := b.beginWrite(ctx, name, new); err != nil {
		return err
	}
	etag := ""
	if old != nil {
		var there []byte
		var err error
		there, etag, err = b.fetch(ctx, name, 0, int64(len(old))+1, makeAtMost)
		if errors.Is(err, storage.ErrRange) { // an empty object has no first byte
			there, etag, err = b.fetch(ctx, name, 0, -1, makeAtMost)
		}
		switch {
		case errors.Is(err, storage.ErrNotFound), err == nil && !bytes.Equal(there, old):
			return fmt.Errorf("%s: %w", name, storage.ErrConflict)
		case err != nil:
			return err
		case etag == "":
			return fmt.Errorf("%s: %w: it gives no ETag", name, ErrGuarantee)
		}
	}
	err := b.put(ctx, name, new, etag)
	if errors.Is(err, errPrecondition) || old != nil && errors.Is(err, storage.ErrNotFound) {
		err = storage.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (b *Bucket) beginWrite(ctx context.Context, name string, data []byte) error {
	if err := b.begin(ctx, name); err != nil {
		return err
	}
	if len(data) > storage.MaxObjectBytes {
		return fmt.Errorf("%s: %w: %d bytes", name, storage.ErrTooLarge, len(data))
	}
	return nil
}

// put writes the object if its ETag is etag, or if there is none for an empty etag.
// errPrecondition when that does not hold, and this call is not the one that broke it.
func (b *Bucket) put(ctx context.Context, name string, data []byte, etag string) error {
	a, bucket, key := b.place(name)
	sum := sha256.Sum256(data)
	mark := rand.Text()
	options := s3.PutObjectOptions{DisableMultipart: true, DisableContentSha256: true, UserMetadata: map[string]string{markKey: mark}}
	if etag == "" {
		options.SetMatchETagExcept("*")
	} else {
		options.SetMatchETag(etag)
	}
	lost, err := b.try(ctx, a, int64(len(data)), func(ctx context.Context, c *s3.Core, _ *call) error {
		_, err := c.PutObject(ctx, bucket, key, bytes.NewReader(data), int64(len(data)), "", hex.EncodeToString(sum[:]), options)
		return err
	})
	if lost && errors.Is(err, errPrecondition) {
		return b.settle(ctx, name, mark)
	}
	return err
}

// settle finds out whether a write that was repeated and then refused is the one that
// stands there.
func (b *Bucket) settle(ctx context.Context, name, mark string) error {
	info, err := b.head(ctx, name)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return errPrecondition
	case err != nil:
		return fmt.Errorf("settle a repeated write: %w", err)
	case info.UserMetadata[markKey] == mark:
		return nil
	}
	return errPrecondition
}

// Delete implements storage.Bucket, with the Retire credential.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := b.begin(ctx, name); err != nil {
		return err
	}
	_, bucket, key := b.place(name)
	_, err := b.try(ctx, b.retire, 0, func(ctx context.Context, c *s3.Core, _ *call) error {
		return c.RemoveObject(ctx, bucket, key, s3.RemoveObjectOptions{})
	})
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}
