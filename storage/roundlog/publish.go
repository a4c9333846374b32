package roundlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"atrium/storage"
)

// tileHeight gives tiles of storage.TileWidth hashes.
const tileHeight = 8

// Publish makes everything that is committed readable as static files and returns the
// checkpoint that now stands in the bucket. It writes the tiles and entry bundles that
// changed since the last checkpoint, then the checkpoint, which only ever grows. After
// an error it is repeated; nothing is lost.
//
// Each call with new entries writes one partial tile and one partial bundle (up to 255
// entries) that stay, so a caller publishes when somebody is waiting, not after every
// batch.
//
// Errors: [ErrBehind] when the published checkpoint is beyond this Log: catch up first;
// [ErrFork] when its root is another or it has shrunk; storage.ErrDifferent when a tile
// is there with other bytes.
func (l *Log) Publish(ctx context.Context) (checkpoint []byte, size int64, root Hash, err error) {
	size, root = l.Size(), l.Root()
	next, err := l.key.signCheckpoint(Checkpoint{Origin: l.key.name, Size: size, Root: root})
	if err != nil {
		return nil, 0, Hash{}, err
	}
	for range maxAttempts {
		if l.isPublished(size) {
			return bytes.Clone(l.checkpoint), size, root, nil
		}
		if err := l.writeTiles(ctx); err != nil {
			return nil, 0, Hash{}, err
		}
		err = l.bucket.CompareAndSwap(ctx, storage.Checkpoint, l.checkpoint, next)
		if err == nil {
			l.adopt(next, size)
			continue
		}
		if !errors.Is(err, storage.ErrConflict) {
			return nil, 0, Hash{}, err
		}
		if err := l.follow(ctx); err != nil {
			return nil, 0, Hash{}, err
		}
	}
	if l.isPublished(size) {
		return bytes.Clone(l.checkpoint), size, root, nil
	}
	return nil, 0, Hash{}, err
}

func (l *Log) isPublished(size int64) bool { return l.published == size && l.checkpoint != nil }

// follow takes up the checkpoint that stands in the bucket instead of the known one. One
// that is gone follows from the batches, and the next Publish puts it back.
func (l *Log) follow(ctx context.Context) error {
	c, data, err := UnverifiedCheckpoint(ctx, l.bucket)
	if errors.Is(err, ErrNoLog) && l.next > 0 {
		l.checkpoint = nil
		return nil
	}
	if err != nil {
		return err
	}
	if err := l.verifyCheckpoint(data); err != nil {
		return err
	}
	if c.Size < l.published {
		return fmt.Errorf("%s: %w: size %d after %d", storage.Checkpoint, ErrFork, c.Size, l.published)
	}
	l.adopt(data, c.Size)
	return nil
}

// adopt notes the published checkpoint and lets go of entries in full bundles.
func (l *Log) adopt(checkpoint []byte, size int64) {
	l.checkpoint, l.published = checkpoint, size
	start := size - size%storage.TileWidth
	l.tail = append([][]byte(nil), l.tail[start-l.tailStart:]...)
	l.tailStart = start
}

// writeTiles writes what the tree has and the published one has not.
func (l *Log) writeTiles(ctx context.Context) error {
	for _, t := range tlog.NewTiles(tileHeight, l.published, l.Size()) {
		if t.L == 0 {
			start := t.N*storage.TileWidth - l.tailStart
			bundle := encodeBundle(l.tail[start : start+int64(t.W)])
			if err := storage.PutOnce(ctx, l.bucket, storage.EntryBundle(t.N, t.W), bundle); err != nil {
				return err
			}
		}
		data, err := tlog.ReadTileData(t, hashes{ctx, l})
		if err != nil {
			return err
		}
		if err := storage.PutOnce(ctx, l.bucket, storage.Tile(t.L, t.N, t.W), data); err != nil {
			return err
		}
	}
	return nil
}

// restoreTiles puts back hash tiles of the published checkpoint that are missing and that
// a checkpoint of an older size did not have.
func (l *Log) restoreTiles(ctx context.Context, older int64) error {
	for _, t := range tlog.NewTiles(tileHeight, older, l.published) {
		data, err := tlog.ReadTileData(t, hashes{ctx, l})
		if err != nil {
			return err
		}
		if err := l.restore(ctx, storage.Tile(t.L, t.N, t.W), data); err != nil {
			return err
		}
	}
	return nil
}

// restore writes an object if it is missing.
func (l *Log) restore(ctx context.Context, name string, data []byte) error {
	_, err := l.bucket.Stat(ctx, name)
	if errors.Is(err, storage.ErrNotFound) {
		return storage.PutOnce(ctx, l.bucket, name, data)
	}
	return err
}
