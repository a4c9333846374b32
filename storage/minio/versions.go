package minio

import (
	"context"
	"fmt"

	s3 "github.com/minio/minio-go/v7"

	"atrium/storage"
)

// CheckVersions shows that nobody wrote or deleted a batch of the log a second time: on a
// versioned bucket every batch has one version and no delete marker. [ErrVersions] names
// one that has not. A bucket without versions cannot tell.
func (b *Bucket) CheckVersions(ctx context.Context) error {
	if err := b.usable(); err != nil || !b.versioned {
		return err
	}
	var found error
	_, err := b.try(ctx, b.log, 0, func(ctx context.Context, c *s3.Core, call *call) error {
		last := ""
		found = nil
		for o := range c.ListObjectsIter(ctx, b.config.Bucket, s3.ListObjectsOptions{Recursive: true, WithVersions: true, MaxKeys: b.page, Prefix: b.key(storage.LogFolder)}) {
			if o.Err != nil {
				return o.Err
			}
			call.comes(0)
			if o.Key == b.key(probeSlot) {
				continue
			}
			if o.Key == last || o.IsDeleteMarker {
				found = fmt.Errorf("%s: %w: it was overwritten or deleted", o.Key, ErrVersions)
				return nil
			}
			last = o.Key
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("versions of %s: %w", b, err)
	}
	return found
}
