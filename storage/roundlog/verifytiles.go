package roundlog

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"atrium/storage"
)

// VerifyTiles compares every tile and entry bundle with what the tree gives: those that
// a checkpoint of that size needs, which must exist, and whatever else is listed. The
// first that is wrong, in order of names, is named: [ErrTile], or storage.ErrNotFound.
// Objects beyond the tree are passed over: they belong to batches committed after the
// tree was read. [ErrProof] when size exceeds the tree.
func VerifyTiles(ctx context.Context, bucket storage.Bucket, size int64, tree *Tree) error {
	if size < 0 || size > tree.size {
		return fmt.Errorf("%w: tiles at size %d of %d", ErrProof, size, tree.size)
	}
	names := make(map[string]bool)
	for _, t := range tlog.NewTiles(tileHeight, 0, size) {
		names[storage.Tile(t.L, t.N, t.W)] = true
		if t.L == 0 {
			names[storage.EntryBundle(t.N, t.W)] = true
		}
	}
	listed, err := bucket.List(ctx, storage.TileFolder)
	if err != nil {
		return err
	}
	for _, info := range listed {
		names[info.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := verifyTile(ctx, bucket, name, tree); err != nil {
			return err
		}
	}
	return nil
}

func verifyTile(ctx context.Context, bucket storage.Bucket, name string, tree *Tree) error {
	t, err := parseTile(name)
	if err != nil {
		return err
	}
	level := max(t.L, 0)
	hashes := tree.size >> (level * tileHeight) // complete at that level
	if t.N > hashes>>tileHeight || t.N<<tileHeight+int64(t.W) > hashes {
		return nil
	}
	if t.L < 0 {
		return verifyBundle(ctx, bucket, name, t, tree)
	}
	want, err := tlog.ReadTileData(t, tree)
	if err != nil {
		return err
	}
	got, err := bucket.Get(ctx, name, 0, int64(len(want))+1)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %w", name, ErrTile)
	}
	return nil
}

// verifyBundle compares leaf hashes: a bundle has one encoding, so equal entries are
// equal bytes.
func verifyBundle(ctx context.Context, bucket storage.Bucket, name string, t tlog.Tile, tree *Tree) error {
	data, err := storage.GetAtMost(ctx, bucket, name, int64(t.W)*(2+MaxEntryBytes))
	if err != nil {
		return err
	}
	entries, err := DecodeBundle(data)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", name, ErrTile, err)
	}
	if len(entries) != t.W {
		return fmt.Errorf("%s: %w: %d entries", name, ErrTile, len(entries))
	}
	for i, e := range entries {
		leaf, err := tree.Leaf(t.N<<tileHeight + int64(i))
		if err != nil {
			return err
		}
		if LeafHash(e) != leaf {
			return fmt.Errorf("%s: %w: entry %d", name, ErrTile, t.N<<tileHeight+int64(i))
		}
	}
	return nil
}

// parseTile is the inverse of storage.Tile and storage.EntryBundle, the latter as level -1.
func parseTile(name string) (tlog.Tile, error) {
	rest, ok := strings.CutPrefix(name, storage.TileFolder)
	if bundle, is := strings.CutPrefix(rest, "entries/"); is {
		rest = "data/" + bundle
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	if !ok || err != nil || t.L > 63 || t.N < 0 {
		return tlog.Tile{}, fmt.Errorf("%s: %w: not a tile's name", name, ErrTile)
	}
	again := storage.EntryBundle(t.N, t.W)
	if t.L >= 0 {
		again = storage.Tile(t.L, t.N, t.W)
	}
	if again != name {
		return tlog.Tile{}, fmt.Errorf("%s: %w: not a tile's name", name, ErrTile)
	}
	return t, nil
}
