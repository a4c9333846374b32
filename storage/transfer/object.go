package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"atrium/storage"
)

// copier carries objects and counts them.
type copier struct {
	from, to storage.Bucket
	show     func(Progress)

	mu       sync.Mutex
	result   Result   // owned by mu while goroutines run
	progress Progress // owned by mu
}

func newCopier(from, to storage.Bucket, infos []storage.ObjectInfo, show func(Progress)) *copier {
	c := &copier{from: from, to: to, show: show}
	for _, i := range infos {
		c.progress.OfObjects++
		c.progress.OfBytes += i.Size
	}
	return c
}

// one makes the target hold an object that is written once.
func (c *copier) one(ctx context.Context, info storage.ObjectInfo) error {
	data, err := c.from.Get(ctx, info.Name, 0, -1)
	if errors.Is(err, storage.ErrNotFound) && !storage.Permanent(info.Name) {
		c.count(info, func(r *Result) { r.Gone++ })
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %w", err)
	}
	if want, is := named(info.Name); is && sha256.Sum256(data) != want {
		return fmt.Errorf("source: %s: %w", info.Name, storage.ErrDigest)
	}
	written, err := c.put(ctx, info.Name, data)
	if err != nil {
		return fmt.Errorf("write %w", err)
	}
	c.count(info, func(r *Result) {
		r.Objects++
		r.Bytes += int64(len(data))
		if written {
			r.Written++
		}
	})
	return nil
}

// put stores data, or compares it with what is there: an object that is there already
// does not travel.
func (c *copier) put(ctx context.Context, name string, data []byte) (written bool, err error) {
	info, err := c.to.Stat(ctx, name)
	if errors.Is(err, storage.ErrNotFound) {
		return true, storage.PutOnce(ctx, c.to, name, data)
	}
	if err != nil {
		return false, err
	}
	if info.Size != int64(len(data)) {
		return false, fmt.Errorf("%s: %w", name, storage.ErrDifferent)
	}
	there, err := c.to.Get(ctx, name, 0, -1)
	if err == nil && !bytes.Equal(there, data) {
		err = fmt.Errorf("%s: %w", name, storage.ErrDifferent)
	}
	return false, err
}

func (c *copier) count(info storage.ObjectInfo, note func(*Result)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	note(&c.result)
	c.progress.Objects++
	c.progress.Bytes += info.Size
	c.progress.Folder, _, _ = strings.Cut(info.Name, "/")
	c.show(c.progress)
}

// named is the digest that a content-addressed object's name gives.
func named(name string) (digest [32]byte, is bool) {
	if !strings.HasPrefix(name, storage.BlobFolder) && !strings.HasPrefix(name, storage.ModelsFolder) {
		return digest, false
	}
	raw, err := hex.DecodeString(name[strings.LastIndex(name, "/")+1:])
	if err != nil || len(raw) != len(digest) {
		return digest, false
	}
	return [32]byte(raw), true
}
