package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"atrium/storage"
	"atrium/storage/roundlog"
)

// Sentinels of a copy.
var (
	ErrOtherLog = errors.New("target holds another log")
	ErrAhead    = errors.New("target is ahead of the source")
)

// Progress is how far a copy is.
type Progress struct {
	Objects, OfObjects int
	Bytes, OfBytes     int64
	Folder             string // that travels
}

// Result is what a copy did.
type Result struct {
	Objects int   `json:"objects"` // of the source
	Bytes   int64 `json:"bytes"`
	Written int   `json:"written"` // the others were there
	Gone    int   `json:"gone"`    // were deleted at the source meanwhile, as objects of past rounds are
	Batches int64 `json:"batches"`
	LogSize int64 `json:"log_size"` // of the checkpoint
}

// order of the folders; what is in none of them comes first.
var order = []string{storage.ModelsFolder, storage.BlobFolder, storage.RoundsFolder, storage.EnvelopesFolder, storage.VersionsFolder, storage.TileFolder}

// head is what is noted before anything travels.
type head struct {
	checkpoint []byte
	size       int64
	pointers   map[string][]byte
	tiles      map[string]bool // that were there before the batches were listed: of nothing later
	batches    []storage.ObjectInfo
}

// Copy makes to hold what from holds. skip names objects that are no part of a federation.
// Errors, behind the object's name: [roundlog.ErrNoLog], [roundlog.ErrHole] at the source;
// [ErrOtherLog], [ErrAhead], storage.ErrDifferent at the target; storage.ErrDigest for an
// object that is not what its name says.
func Copy(ctx context.Context, from, to storage.Bucket, skip func(name string) bool, progress func(Progress)) (Result, error) {
	h, err := note(ctx, from, skip)
	if err != nil {
		return Result{}, err
	}
	if err := checkTarget(ctx, from, to, h); err != nil {
		return Result{}, err
	}
	infos, err := from.List(ctx, "")
	if err != nil {
		return Result{}, err
	}
	infos = slices.DeleteFunc(infos, func(i storage.ObjectInfo) bool {
		return skip(i.Name) || isPointer(i.Name) || strings.HasPrefix(i.Name, storage.LogFolder) ||
			strings.HasPrefix(i.Name, storage.TileFolder) && !h.tiles[i.Name]
	})
	slices.SortStableFunc(infos, func(a, b storage.ObjectInfo) int { return rank(a.Name) - rank(b.Name) })
	c := newCopier(from, to, append(slices.Clone(infos), h.batches...), progress)
	if err := c.parallel(ctx, infos); err != nil {
		return c.result, err
	}
	for _, b := range h.batches {
		if err := c.one(ctx, b); err != nil {
			return c.result, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.pointers)) {
		if err := replace(ctx, to, name, h.pointers[name]); err != nil {
			return c.result, err
		}
	}
	c.result.Batches, c.result.LogSize = int64(len(h.batches)), h.size
	return c.result, replace(ctx, to, storage.Checkpoint, h.checkpoint)
}

// isPointer: it is swapped, so that it is read once, at the beginning.
func isPointer(name string) bool {
	return !storage.Permanent(name) && !strings.HasPrefix(name, storage.RoundsFolder) && !strings.HasPrefix(name, storage.EnvelopesFolder)
}

func rank(name string) int {
	return slices.IndexFunc(order, func(folder string) bool { return strings.HasPrefix(name, folder) })
}

// note reads the checkpoint, then the pointers and which tiles there are, then which batches.
func note(ctx context.Context, from storage.Bucket, skip func(string) bool) (head, error) {
	h := head{pointers: map[string][]byte{}, tiles: map[string]bool{}}
	c, data, err := roundlog.UnverifiedCheckpoint(ctx, from)
	if err != nil {
		return h, err
	}
	h.checkpoint, h.size = data, c.Size
	infos, err := from.List(ctx, "")
	if err != nil {
		return h, err
	}
	for _, i := range infos {
		h.tiles[i.Name] = true
		if !isPointer(i.Name) || skip(i.Name) || i.Name == storage.Checkpoint || i.Name == storage.Lease {
			continue
		}
		if h.pointers[i.Name], err = from.Get(ctx, i.Name, 0, -1); err != nil {
			return h, err
		}
	}
	if h.batches, err = from.List(ctx, storage.LogFolder); err != nil {
		return h, err
	}
	for n, b := range h.batches {
		if b.Name != storage.Batch(int64(n)) {
			return h, fmt.Errorf("%s: %w: %s exists", storage.Batch(int64(n)), roundlog.ErrHole, b.Name)
		}
	}
	return h, nil
}

// checkTarget refuses a target whose log is not the beginning of the source's. A batch
// holds the root before it, so that the last one in common vouches for those before.
func checkTarget(ctx context.Context, from, to storage.Bucket, h head) error {
	there, err := to.List(ctx, storage.LogFolder)
	if err != nil {
		return err
	}
	if n := min(len(there), len(h.batches)); n > 0 {
		err := errors.Join(sameBatch(ctx, from, to, 0), sameBatch(ctx, from, to, int64(n-1)))
		if err != nil {
			return err
		}
	}
	if len(there) > len(h.batches) {
		return fmt.Errorf("%w: %d batches, the source has %d", ErrAhead, len(there), len(h.batches))
	}
	c, data, err := roundlog.UnverifiedCheckpoint(ctx, to)
	switch {
	case errors.Is(err, roundlog.ErrNoLog), err == nil && bytes.Equal(data, h.checkpoint):
		return nil
	case err != nil:
		return err
	case len(there) == 0:
		return fmt.Errorf("%s: %w", storage.Checkpoint, ErrOtherLog)
	case c.Size > h.size:
		return fmt.Errorf("%w: checkpoint of size %d, the source's has %d", ErrAhead, c.Size, h.size)
	}
	return nil
}

// sameBatch compares one batch of both.
func sameBatch(ctx context.Context, from, to storage.Bucket, n int64) error {
	name := storage.Batch(n)
	own, err := from.Get(ctx, name, 0, -1)
	if err != nil {
		return err
	}
	other, err := to.Get(ctx, name, 0, -1)
	if err == nil && !bytes.Equal(own, other) {
		err = fmt.Errorf("%s: %w", name, ErrOtherLog)
	}
	return err
}

// parallel copies objects of a rank together, one rank after the other.
func (c *copier) parallel(ctx context.Context, infos []storage.ObjectInfo) error {
	for len(infos) > 0 {
		n := slices.IndexFunc(infos, func(i storage.ObjectInfo) bool { return rank(i.Name) != rank(infos[0].Name) })
		if n < 0 {
			n = len(infos)
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(workers)
		for _, info := range infos[:n] {
			if ctx.Err() != nil {
				break
			}
			g.Go(func() error { return c.one(ctx, info) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		infos = infos[n:]
	}
	return ctx.Err()
}

// replace makes a pointer of the target hold data.
func replace(ctx context.Context, to storage.Bucket, name string, data []byte) error {
	there, err := to.Get(ctx, name, 0, -1)
	if errors.Is(err, storage.ErrNotFound) {
		there, err = nil, nil
	} else if there == nil {
		there = []byte{}
	}
	if err != nil || there != nil && bytes.Equal(there, data) {
		return err
	}
	return to.CompareAndSwap(ctx, name, there, data)
}
