package roundlog

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"atrium/storage"
)

// Log is a log opened for writing. It belongs to one goroutine. In memory it holds the
// tree from the position at which it was opened, some tiles of what is before, and the
// entries since the last full bundle of the published checkpoint.
type Log struct {
	bucket storage.Bucket
	key    *Key
	random io.Reader // nonces
	chain

	start    tlog.Tree            // where it was opened
	verified map[tlog.Tile][]byte // tiles of that tree

	doubt *Batch // a batch that may or may not be stored at number next

	checkpoint []byte   // the published one, as stored; nil when it is gone
	published  int64    // its size, or 0
	tail       [][]byte // entries from tailStart on
	tailStart  int64    // a multiple of storage.TileWidth, at most published
}

// Create makes bucket hold an empty log: it publishes a checkpoint of size 0. Repeating
// it with the same key while the log is empty is harmless. [ErrLogExists] otherwise.
func Create(ctx context.Context, bucket storage.Bucket, key *Key) (*Log, error) {
	l, err := newLog(bucket, key)
	if err != nil {
		return nil, err
	}
	_, err = bucket.Stat(ctx, storage.Batch(0))
	if err == nil {
		return nil, fmt.Errorf("create log %s: %w: it has batches", key.name, ErrLogExists)
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	l.checkpoint, err = key.signCheckpoint(Checkpoint{Origin: key.name, Root: l.tree.Root()})
	if err != nil {
		return nil, err
	}
	err = bucket.CompareAndSwap(ctx, storage.Checkpoint, nil, l.checkpoint)
	if err == nil {
		return l, nil
	}
	if !errors.Is(err, storage.ErrConflict) {
		return nil, err
	}
	there, err := storage.GetAtMost(ctx, bucket, storage.Checkpoint, MaxCheckpointBytes)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(there, l.checkpoint) {
		return nil, fmt.Errorf("create log %s: %w", key.name, ErrLogExists)
	}
	return l, nil
}

// Open reads and verifies the whole log as [Read] does, showing each batch to fn (which
// may be nil), and puts tiles and entry bundles of the published checkpoint that are
// missing back. Errors: those of Read; [ErrNoLog]; [ErrBehind] and [ErrFork] when the
// checkpoint is not a prefix of the batches, so that nobody writes on a log that lost
// its end. A checkpoint that is gone is taken as one of size 0, which Publish replaces:
// a store may lose what is written over (see storage/minio), and batches never are.
func Open(ctx context.Context, bucket storage.Bucket, key *Key, fn func(Batch) error, options ...Option) (*Log, error) {
	return OpenFrom(ctx, bucket, key, Position{}, fn, options...)
}

func newLog(bucket storage.Bucket, key *Key) (*Log, error) {
	v, err := newVerifier(key.verifier)
	if err != nil {
		return nil, err
	}
	return &Log{bucket: bucket, key: key, random: rand.Reader, verified: map[tlog.Tile][]byte{}, chain: chain{verifier: v}}, nil
}

// Append commits entries as the next batch and returns the index of the first. The
// commit is one put; when it returns nil they are in the log for ever.
//
// [ErrSlotTaken]: another writer's batch is there, nothing was appended: call CatchUp and
// decide again. [ErrInDoubt]: the bucket did not answer, the batch may be stored: only
// CatchUp helps, and returns the batch if it was. [ErrEntry], [ErrEpoch]: refused, nothing
// was written; an epoch is that of the last batch or the next one, starting from 0.
func (l *Log) Append(ctx context.Context, epoch uint64, now time.Time, entries [][]byte) (first int64, err error) {
	if l.doubt != nil {
		return 0, fmt.Errorf("%s: %w", l.doubt.object(), ErrInDoubt)
	}
	if err := errors.Join(checkEntries(entries), l.checkEpoch(epoch)); err != nil {
		return 0, fmt.Errorf("append %s: %w", storage.Batch(l.next), err)
	}
	b := Batch{Origin: l.key.name, Number: l.next, Size: l.tree.Size(), Root: l.tree.Root(), Epoch: epoch, Time: now.UTC()}
	if y := b.Time.Year(); y < 1970 || y > 9999 {
		return 0, fmt.Errorf("append %s at year %d: time out of bounds", b.object(), y)
	}
	if _, err := io.ReadFull(l.random, b.Nonce[:]); err != nil {
		return 0, fmt.Errorf("append %s: draw nonce: %w", b.object(), err)
	}
	for _, e := range entries {
		b.Entries = append(b.Entries, bytes.Clone(e))
	}
	b.Signature, err = l.key.Sign(b.message())
	if err != nil {
		return 0, err
	}
	if err := l.maySign(b); err != nil {
		return 0, fmt.Errorf("append %s: %w", b.object(), err)
	}
	if err := l.commit(ctx, b); err != nil {
		return 0, err
	}
	return b.Size, nil
}

// maySign refuses a batch that readers would refuse: the log's key is another one, and
// the batch does not begin the reign of this one.
func (l *Log) maySign(b Batch) error {
	v, err := l.signer(b)
	if err == nil && !l.key.is(v) {
		err = fmt.Errorf("%w: it must be signed by %08x", ErrKey, v.KeyHash())
	}
	return err
}

// commit stores b, repeating the same bytes at the same number while the outcome is
// unknown, and applies it if it is there.
func (l *Log) commit(ctx context.Context, b Batch) error {
	name, data := b.object(), b.Encode()
	var err error
	for range maxAttempts {
		err = l.bucket.PutIfAbsent(ctx, name, data)
		if errors.Is(err, storage.ErrExists) {
			err = l.compare(ctx, name, data)
		}
		switch {
		case err == nil:
			l.doubt = nil
			return l.take(ctx, b)
		case errors.Is(err, ErrSlotTaken):
			l.doubt = nil
			return fmt.Errorf("%s: %w", name, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	l.doubt = &b
	return fmt.Errorf("%s: %w: %w", name, ErrInDoubt, err)
}

// compare returns nil if name holds exactly data, ErrSlotTaken if it holds anything else.
func (l *Log) compare(ctx context.Context, name string, data []byte) error {
	there, err := l.bucket.Get(ctx, name, 0, int64(len(data))+1)
	if err == nil && !bytes.Equal(there, data) {
		return ErrSlotTaken
	}
	return err
}

// CatchUp reads the batches that appeared since, after settling the one in doubt, and
// returns them in order, its own among them. With an error it still returns those that
// it took up, which the caller must apply. Errors: those of [Read] but ErrHole;
// [ErrInDoubt].
func (l *Log) CatchUp(ctx context.Context) ([]Batch, error) {
	var taken []Batch
	if own := l.doubt; own != nil {
		switch err := l.commit(ctx, *own); {
		case err == nil:
			taken = append(taken, *own)
		case !errors.Is(err, ErrSlotTaken):
			return nil, err
		}
	}
	for {
		b, err := l.readNext(ctx, l.bucket)
		if errors.Is(err, errAbsent) {
			return taken, nil
		}
		if err != nil {
			return taken, err
		}
		taken = append(taken, b)
		if err := l.take(ctx, b); err != nil {
			return taken, err
		}
	}
}

// take applies a batch that is in the bucket.
func (l *Log) take(ctx context.Context, b Batch) error {
	v, err := l.signer(b)
	if err != nil {
		return err
	}
	l.succeed(v)
	l.apply(b)
	return l.keep(ctx, b)
}

// keep holds entries until they are published in full bundles. Entries that the
// checkpoint covers already are held for one bundle at a time, to put it back if missing.
func (l *Log) keep(ctx context.Context, b Batch) error {
	for i, e := range b.Entries {
		l.tail = append(l.tail, e)
		end := b.Size + int64(i) + 1
		full := end%storage.TileWidth == 0
		if end > l.published || !full && end != l.published {
			continue
		}
		n := (end - 1) / storage.TileWidth
		width := int(end - n*storage.TileWidth)
		if err := l.restore(ctx, storage.EntryBundle(n, width), encodeBundle(l.tail)); err != nil {
			return err
		}
		if full {
			l.tail, l.tailStart = nil, end
		}
	}
	return nil
}

// Size is the number of committed entries, Root their root.
func (l *Log) Size() int64 { return l.tree.Size() }

// Root is the root over all committed entries.
func (l *Log) Root() Hash { return l.tree.Root() }

// Epoch is the epoch of the last batch, 0 before the first.
func (l *Log) Epoch() uint64 { return l.epoch }

// Next is the number of the batch that comes next.
func (l *Log) Next() int64 { return l.next }

// Published is the size of the published checkpoint, as far as this Log knows.
func (l *Log) Published() int64 { return l.published }
