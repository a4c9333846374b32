package roundlog

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"atrium/storage"
)

// Position is a place between two batches, as the later of them signs it. The zero
// Position is before the first batch.
type Position struct {
	Batch int64  // number of the batch that comes next
	Size  int64  // entries before it
	Root  Hash   // over them
	Epoch uint64 // of the batch before it
}

// Before is the position that a batch follows, where epoch is that of the batch before.
func (b Batch) Before(epoch uint64) Position {
	return Position{Batch: b.Number, Size: b.Size, Root: b.Root, Epoch: epoch}
}

// ErrPosition: the log cannot be opened from there, because what was published of the
// entries before is missing or damaged. It can be from an earlier position.
var ErrPosition = errors.New("log cannot be opened from there")

// OpenFrom is [Open] that begins at a position: what is before it is not replayed, but
// taken from the tiles that a checkpoint of its size needs, which must give its root.
// That whoever signed the batch after it had verified them is the caller's to trust; with
// a succession, its first key is the one that reigns there.
// Proofs reach back to the first entry all the same; they read tiles when asked for.
// [ErrPosition] when those tiles, the last entry bundle or a checkpoint of at least that
// size are missing or damaged; else errors are those of Open.
func OpenFrom(ctx context.Context, bucket storage.Bucket, key *Key, at Position, fn func(Batch) error, options ...Option) (*Log, error) {
	l, err := newLog(bucket, key)
	if err != nil {
		return nil, err
	}
	for _, o := range options {
		if err := o(&l.chain); err != nil {
			return nil, err
		}
	}
	c, data, err := UnverifiedCheckpoint(ctx, bucket)
	if errors.Is(err, ErrNoLog) && hasBatches(ctx, bucket) {
		c, data, err = Checkpoint{Origin: key.name}, nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c.Origin != key.name { // another log's, before any of its batches
		_, err := parseCheckpoint(data, l.verifier)
		return nil, fmt.Errorf("%s: %w", storage.Checkpoint, err)
	}
	l.checkpoint, l.published = data, c.Size
	if err := l.begin(ctx, at); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", storage.Batch(at.Batch), ErrPosition, err)
	}
	err = l.replay(ctx, bucket, nearEnd, func(b Batch) error {
		if err := l.keep(ctx, b); err != nil || fn == nil {
			return err
		}
		return fn(b)
	})
	if err != nil {
		return nil, err
	}
	if data != nil {
		err = l.verifyCheckpoint(data)
	}
	if err != nil {
		return nil, err
	}
	if err := l.restoreTiles(ctx, at.Size); err != nil {
		return nil, err
	}
	return l, nil
}

// hasBatches: there is a log, though its checkpoint may be lost.
func hasBatches(ctx context.Context, bucket storage.Bucket) bool {
	_, err := bucket.Stat(ctx, storage.Batch(0))
	return err == nil
}

// begin takes up a position: the edge of its tree and the entries of its last bundle.
func (l *Log) begin(ctx context.Context, at Position) error {
	l.next, l.epoch = at.Batch, at.Epoch
	if at.Size == 0 {
		return nil
	}
	if l.published < at.Size {
		return fmt.Errorf("%s: %w: size %d, before %d", storage.Checkpoint, ErrFork, l.published, at.Size)
	}
	l.start = tlog.Tree{N: at.Size, Hash: at.Root}
	indexes := edge(at.Size)
	bundle, width := at.Size/storage.TileWidth, at.Size%storage.TileWidth
	for i := range width {
		indexes = append(indexes, tlog.StoredHashIndex(0, bundle*storage.TileWidth+i))
	}
	hashes, err := l.older(ctx).ReadHashes(indexes)
	if err != nil {
		return err
	}
	l.tree = treeFrom(at.Size, hashes[:len(hashes)-int(width)])
	l.tailStart = at.Size - width
	if width == 0 {
		return nil
	}
	l.tail, err = readBundle(ctx, l.bucket, bundle, hashes[len(hashes)-int(width):])
	return err
}

// readBundle reads the entries with these leaf hashes from the bundle that ends there, or
// from the full one, which may have replaced it.
func readBundle(ctx context.Context, bucket storage.Bucket, n int64, leaves []Hash) ([][]byte, error) {
	name := storage.EntryBundle(n, len(leaves))
	data, err := storage.GetAtMost(ctx, bucket, name, maxBundle)
	if errors.Is(err, storage.ErrNotFound) {
		name = storage.EntryBundle(n, storage.TileWidth)
		data, err = storage.GetAtMost(ctx, bucket, name, maxBundle)
	}
	if err != nil {
		return nil, err
	}
	entries, err := DecodeBundle(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrTile, err)
	}
	if len(entries) < len(leaves) {
		return nil, fmt.Errorf("%s: %w: %d entries", name, ErrTile, len(entries))
	}
	for i, leaf := range leaves {
		if LeafHash(entries[i]) != leaf {
			return nil, fmt.Errorf("%s: %w: entry %d", name, ErrTile, n*storage.TileWidth+int64(i))
		}
	}
	return entries[:len(leaves):len(leaves)], nil
}

// NewestMultiple returns the largest multiple of every that is the number of a batch, in
// a few requests however long the log is. In a log with a hole it may be one before it.
func NewestMultiple(ctx context.Context, bucket storage.Bucket, every int64) (int64, error) {
	there := func(multiple int64) (bool, error) {
		_, err := bucket.Stat(ctx, storage.Batch(multiple*every))
		if errors.Is(err, storage.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	low, high := int64(0), int64(1) // low exists, or nothing does; high does not
	for {
		ok, err := there(high)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		low, high = high, 2*high
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		ok, err := there(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	return low * every, nil
}

// ReadBatch reads batch n and checks its number, and its signature by the verifier key
// that signer answers with, not that it continues the log. Errors are those of
// [VerifyBatch] and of signer, behind the object's name.
func ReadBatch(ctx context.Context, bucket storage.Bucket, n int64, signer Successor) (Batch, error) {
	name := storage.Batch(n)
	data, err := storage.GetAtMost(ctx, bucket, name, MaxBatchBytes)
	if err != nil {
		return Batch{}, err
	}
	b, err := decodeBatch(data)
	if err == nil && b.Number != n {
		err = fmt.Errorf("%w: its number is %d", ErrBatch, b.Number)
	}
	verifier := ""
	if err == nil {
		verifier, err = signer(b)
	}
	if err == nil {
		b, err = VerifyBatch(data, verifier)
	}
	if err != nil {
		return Batch{}, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}
