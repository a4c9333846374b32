package roundlog

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"atrium/storage"
)

// hashes reads every hash of the log: those since the position at which it was opened
// from memory, those before from tiles.
type hashes struct {
	ctx context.Context
	log *Log
}

// ReadHashes implements tlog.HashReader.
func (h hashes) ReadHashes(indexes []int64) ([]Hash, error) {
	out := make([]Hash, len(indexes))
	var missing []int64
	for i, x := range indexes {
		hash, ok := h.log.tree.stored(x)
		if !ok {
			missing = append(missing, x)
		}
		out[i] = hash
	}
	if len(missing) == 0 {
		return out, nil
	}
	older, err := h.log.older(h.ctx).ReadHashes(missing)
	if err != nil {
		return nil, err
	}
	for i, x := range indexes {
		if _, ok := h.log.tree.stored(x); !ok {
			out[i], older = older[0], older[1:]
		}
	}
	return out, nil
}

// older reads hashes of the tree at the position from its tiles and checks them by its
// root.
func (l *Log) older(ctx context.Context) tlog.HashReader {
	return tlog.TileHashReader(l.start, tiles{ctx, l})
}

// tiles reads tiles for tlog, which verifies them and hands them back to be kept.
type tiles struct {
	ctx context.Context
	log *Log
}

// Height implements tlog.TileReader.
func (t tiles) Height() int { return tileHeight }

// ReadTiles implements tlog.TileReader.
func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(list))
	for i, tile := range list {
		data, ok := t.log.verified[tile]
		if !ok {
			var err error
			if data, err = readTile(t.ctx, t.log.bucket, tile); err != nil {
				return nil, err
			}
		}
		out[i] = data
	}
	return out, nil
}

// readTile reads a tile, a partial one from the full one where that has replaced it.
func readTile(ctx context.Context, bucket storage.Bucket, tile tlog.Tile) ([]byte, error) {
	name, want := storage.Tile(tile.L, tile.N, tile.W), tile.W*tlog.HashSize
	data, err := bucket.Get(ctx, name, 0, int64(want)+1)
	if errors.Is(err, storage.ErrNotFound) && tile.W < storage.TileWidth {
		name = storage.Tile(tile.L, tile.N, storage.TileWidth)
		data, err = bucket.Get(ctx, name, 0, int64(want))
	}
	if err != nil {
		return nil, err
	}
	if len(data) != want {
		return nil, fmt.Errorf("%s: %w: %d bytes, not %d", name, ErrTile, len(data), want)
	}
	return data, nil
}

// SaveTiles implements tlog.TileReader.
func (t tiles) SaveTiles(list []tlog.Tile, data [][]byte) {
	if len(t.log.verified)+len(list) > maxTiles {
		clear(t.log.verified)
	}
	for i, tile := range list {
		t.log.verified[tile] = data[i]
	}
}

// Prove proves that entry index is in the tree of the first size entries. [ErrProof]
// unless 0 <= index < size <= Size; else the Bucket's errors, and what tlog says of tiles
// that do not give the root.
func (l *Log) Prove(ctx context.Context, index, size int64) (InclusionProof, error) {
	return prove(hashes{ctx, l}, l.Size(), index, size)
}

// ProveConsistency proves that the tree of the first older entries is a prefix of that
// of the first newer ones. [ErrProof] unless 0 <= older <= newer <= Size; else errors as
// for Prove.
func (l *Log) ProveConsistency(ctx context.Context, older, newer int64) (ConsistencyProof, error) {
	return proveConsistency(hashes{ctx, l}, l.Size(), older, newer)
}

// RootAt is the root over the first size entries. [ErrProof] when there are fewer; else
// errors as for Prove.
func (l *Log) RootAt(ctx context.Context, size int64) (Hash, error) {
	return rootAt(hashes{ctx, l}, l.Size(), size)
}

// CheckpointAt signs the checkpoint of an earlier size; the same size gives the same
// bytes, whether it was published or not. Errors are those of RootAt.
func (l *Log) CheckpointAt(ctx context.Context, size int64) ([]byte, error) {
	root, err := l.RootAt(ctx, size)
	if err != nil {
		return nil, err
	}
	return l.key.signCheckpoint(Checkpoint{Origin: l.key.name, Size: size, Root: root})
}
