package minio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	s3 "github.com/minio/minio-go/v7"

	"atrium/storage"
)

// Get implements storage.Bucket.
func (b *Bucket) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if err := b.begin(ctx, name); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, fmt.Errorf("%s: %w: %d", name, storage.ErrRange, offset)
	}
	if length == 0 {
		return b.getNothing(ctx, name, offset)
	}
	data, _, err := b.fetch(ctx, name, offset, length, makeAtMost)
	if errors.Is(err, storage.ErrRange) { // S3 counts a range from the end on as beyond it
		return b.getNothing(ctx, name, offset)
	}
	return data, err
}

func makeAtMost(size int64) ([]byte, error) {
	if size > storage.MaxObjectBytes {
		return nil, fmt.Errorf("%w: %d bytes", storage.ErrTooLarge, size)
	}
	return make([]byte, size), nil
}

// getNothing answers a Get of no bytes at offset.
func (b *Bucket) getNothing(ctx context.Context, name string, offset int64) ([]byte, error) {
	info, err := b.Stat(ctx, name)
	if err == nil && offset > info.Size {
		err = fmt.Errorf("%s: %w: %d of %d bytes", name, storage.ErrRange, offset, info.Size)
	}
	if err != nil {
		return nil, err
	}
	return []byte{}, nil
}

// GetInto implements storage.IntoReader.
func (b *Bucket) GetInto(ctx context.Context, name string, dst []byte) (int, error) {
	if err := b.begin(ctx, name); err != nil {
		return 0, err
	}
	data, _, err := b.fetch(ctx, name, 0, -1, func(size int64) ([]byte, error) {
		if size > int64(len(dst)) {
			return nil, fmt.Errorf("%w: %d bytes", storage.ErrTooLarge, size)
		}
		return dst[:size], nil
	})
	return len(data), err
}

// fetch reads a part of an object, all from offset on for a negative length, into memory
// of room's making, and returns the object's ETag.
func (b *Bucket) fetch(ctx context.Context, name string, offset, length int64, room func(size int64) ([]byte, error)) (data []byte, etag string, err error) {
	a, bucket, key := b.place(name)
	options := s3.GetObjectOptions{}
	if length > 0 {
		length = min(length, storage.MaxObjectBytes+1)
		options.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	} else if offset > 0 {
		options.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	var refused error
	_, err = b.try(ctx, a, 0, func(ctx context.Context, c *s3.Core, call *call) error {
		body, info, _, err := c.GetObject(ctx, bucket, key, options)
		if err != nil {
			return err
		}
		defer body.Close()
		if info.Size < 0 {
			return errors.New("answer without a length")
		}
		if data, refused = room(info.Size); refused != nil {
			return nil
		}
		etag = info.ETag
		call.comes(info.Size)
		_, err = io.ReadFull(body, data)
		return err
	})
	if err = errors.Join(err, refused); err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return data, etag, nil
}

// Stat implements storage.Bucket.
func (b *Bucket) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	info, err := b.head(ctx, name)
	if err != nil {
		return storage.ObjectInfo{}, err
	}
	return storage.ObjectInfo{Name: name, Size: info.Size}, nil
}

// head asks about an object. The answer to HEAD has no text, so that only GET tells a
// missing object from a missing bucket.
func (b *Bucket) head(ctx context.Context, name string) (info s3.ObjectInfo, err error) {
	if err := b.begin(ctx, name); err != nil {
		return info, err
	}
	a, bucket, key := b.place(name)
	for range 3 { // it may appear between HEAD and GET
		_, err = b.try(ctx, a, 0, func(ctx context.Context, c *s3.Core, _ *call) (err error) {
			info, err = c.StatObject(ctx, bucket, key, s3.StatObjectOptions{})
			return err
		})
		if !errors.Is(err, storage.ErrNotFound) {
			break
		}
		_, _, get := b.fetch(ctx, name, 0, 1, makeAtMost)
		if get != nil && !errors.Is(get, storage.ErrRange) {
			return info, get
		}
		err = errors.New("HEAD says that there is no object, GET reads it")
	}
	if err != nil {
		return info, fmt.Errorf("%s: %w", name, err)
	}
	return info, nil
}

// List implements storage.Bucket. Objects whose names are none of ours are passed over.
func (b *Bucket) List(ctx context.Context, prefix string) ([]storage.ObjectInfo, error) {
	if err := storage.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	if err := errors.Join(b.usable(), ctx.Err()); err != nil {
		return nil, err
	}
	infos, err := b.listBucket(ctx, b.config.Bucket, prefix)
	if err == nil && b.config.Pointers != b.config.Bucket {
		var more []storage.ObjectInfo
		more, err = b.listBucket(ctx, b.config.Pointers, prefix)
		infos = append(infos, more...)
	}
	if err != nil {
		return nil, fmt.Errorf("list %q of %s: %w", prefix, b, err)
	}
	byName := func(a, b storage.ObjectInfo) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(infos, byName)
	return slices.CompactFunc(infos, func(a, b storage.ObjectInfo) bool { return a.Name == b.Name }), nil
}

// listBucket lists what belongs into one of the buckets. A listing that breaks off goes
// on behind the last object.
func (b *Bucket) listBucket(ctx context.Context, bucket, prefix string) (infos []storage.ObjectInfo, err error) {
	two := b.config.Pointers != b.config.Bucket
	options := s3.ListObjectsOptions{Recursive: true, MaxKeys: b.page, Prefix: prefix}
	if b.config.Prefix != "" {
		options.Prefix = b.config.Prefix + "/" + prefix
	}
	for came := true; came; {
		came = false
		_, err = b.try(ctx, b.data, 0, func(ctx context.Context, c *s3.Core, call *call) error {
			for o := range c.ListObjectsIter(ctx, bucket, options) {
				if o.Err != nil {
					return o.Err
				}
				call.comes(0)
				came, options.StartAfter = true, o.Key
				name := strings.TrimPrefix(o.Key, b.key("")) // with the slash
				if storage.CheckName(name) == nil && (!two || storage.Permanent(name) == (bucket == b.config.Bucket)) {
					infos = append(infos, storage.ObjectInfo{Name: name, Size: o.Size})
				}
			}
			return nil
		})
		if err == nil || ctx.Err() != nil {
			return infos, err
		}
	}
	return infos, err
}
