package roundlog

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"atrium/storage"
)

// chain is a verified prefix of a log: the state that every batch is checked against.
type chain struct {
	verifier note.Verifier
	tree     Tree
	next     int64  // number of the next batch
	epoch    uint64 // of the last batch

	successor Successor // nil: the key stays
	reigns    []reign   // of all keys so far; empty while there was one
}

// check says whether b may come next.
func (c *chain) check(b Batch) error {
	switch root := c.tree.Root(); {
	case b.Number != c.next:
		return fmt.Errorf("%s: %w: its number is %d", storage.Batch(c.next), ErrBatch, b.Number)
	case b.Size != c.tree.Size():
		return fmt.Errorf("%s: %w: it starts at size %d, not %d", b.object(), ErrBatch, b.Size, c.tree.Size())
	case b.Root != root:
		return fmt.Errorf("%s: %w: it starts at root %s, not %s", b.object(), ErrBatch, b.Root, root)
	}
	if err := c.checkEpoch(b.Epoch); err != nil {
		return fmt.Errorf("%s: %w", b.object(), err)
	}
	return nil
}

func (c *chain) checkEpoch(epoch uint64) error {
	if epoch < c.epoch || epoch-c.epoch > 1 {
		return fmt.Errorf("%w: %d after %d", ErrEpoch, epoch, c.epoch)
	}
	return nil
}

// apply takes up a checked batch.
func (c *chain) apply(b Batch) {
	for _, e := range b.Entries {
		c.tree.add(LeafHash(e))
	}
	c.next++
	c.epoch = b.Epoch
}

// errAbsent: there is no next batch. Nothing else that is not found ends a log.
var errAbsent = errors.New("absent")

// readNext reads and checks the next batch; errAbsent when there is none.
func (c *chain) readNext(ctx context.Context, bucket storage.Bucket) (Batch, error) {
	name := storage.Batch(c.next)
	data, err := storage.GetAtMost(ctx, bucket, name, MaxBatchBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return Batch{}, errAbsent
	}
	if err != nil {
		return Batch{}, err
	}
	b, err := decodeBatch(data)
	if err != nil {
		return Batch{}, fmt.Errorf("%s: %w", name, err)
	}
	signer, err := c.signer(b)
	if err == nil {
		err = b.verify(signer)
	}
	if err != nil {
		return Batch{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := c.check(b); err != nil {
		return b, err
	}
	c.succeed(signer)
	return b, nil
}

// replay reads batches in order until one is absent, applies each and shows it to fn.
func (c *chain) replay(ctx context.Context, bucket storage.Bucket, beyond search, fn func(Batch) error) error {
	for {
		b, err := c.readNext(ctx, bucket)
		if errors.Is(err, errAbsent) {
			return c.checkEnd(ctx, bucket, beyond)
		}
		if err != nil {
			return err
		}
		c.apply(b)
		if err := fn(b); err != nil {
			return fmt.Errorf("%s: %w", b.object(), err)
		}
	}
}

// search looks for a batch beyond the next and returns its name, or "".
type search func(ctx context.Context, bucket storage.Bucket, next int64) (string, error)

// anywhere lists all batches. A listing may miss objects, so it can show a hole but never
// the end of the log.
func anywhere(ctx context.Context, bucket storage.Bucket, next int64) (string, error) {
	infos, err := bucket.List(ctx, storage.LogFolder)
	if err != nil || len(infos) == 0 {
		return "", err
	}
	if last := infos[len(infos)-1].Name; last > storage.Batch(next) {
		return last, nil
	}
	return "", nil
}

// nearEnd asks for a number of batches that does not grow with the log: the next ones,
// then ever farther ones. Of a longer hole the published checkpoint tells, which is never
// far behind the last batch.
func nearEnd(ctx context.Context, bucket storage.Bucket, next int64) (string, error) {
	for step := int64(1); step <= farthest; {
		name := storage.Batch(next + step)
		if _, err := bucket.Stat(ctx, name); !errors.Is(err, storage.ErrNotFound) {
			return name, err
		}
		if step < nearest {
			step++
		} else {
			step *= 2
		}
	}
	return "", nil
}

// checkEnd returns ErrHole if a batch exists beyond the next, which is absent. The next
// one may have been written since it was found absent.
func (c *chain) checkEnd(ctx context.Context, bucket storage.Bucket, beyond search) error {
	last, err := beyond(ctx, bucket, c.next)
	if err != nil || last == "" {
		return err
	}
	name := storage.Batch(c.next)
	if _, err := bucket.Stat(ctx, name); !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%s: %w: %s exists", name, ErrHole, last)
}

// Read verifies the log of a verifier key from its batches alone: encoding, signature,
// order, size and root before each, epochs, holes. It shows each batch to fn (which may
// be nil) once verified, and returns the tree over all of them. Batches that are written
// while it reads may be missing. Errors begin with the object's name: [ErrEncoding],
// [ErrEntry], [ErrSignature], [ErrBatch], [ErrEpoch], [ErrHole], the Bucket's, and fn's.
func Read(ctx context.Context, bucket storage.Bucket, verifier string, fn func(Batch) error, options ...Option) (*Tree, error) {
	v, err := newVerifier(verifier)
	if err != nil {
		return nil, err
	}
	if fn == nil {
		fn = func(Batch) error { return nil }
	}
	c := chain{verifier: v}
	for _, o := range options {
		if err := o(&c); err != nil {
			return nil, err
		}
	}
	if err := c.replay(ctx, bucket, anywhere, fn); err != nil {
		return nil, err
	}
	c.tree.reigns, c.tree.verifier = c.reigns, c.verifier
	return &c.tree, nil
}

// ReadCheckpoint reads and verifies the published checkpoint and returns its bytes too.
// Errors are those of [ParseCheckpoint], behind the object's name; [ErrNoLog] when there
// is no checkpoint.
func ReadCheckpoint(ctx context.Context, bucket storage.Bucket, verifier string) (Checkpoint, []byte, error) {
	v, err := newVerifier(verifier)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	return readCheckpoint(ctx, bucket, v)
}

func readCheckpoint(ctx context.Context, bucket storage.Bucket, v note.Verifier) (Checkpoint, []byte, error) {
	data, err := storage.GetAtMost(ctx, bucket, storage.Checkpoint, MaxCheckpointBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return Checkpoint{}, nil, fmt.Errorf("%w: %w", ErrNoLog, err)
	}
	if err != nil {
		return Checkpoint{}, nil, err
	}
	c, err := parseCheckpoint(data, v)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("%s: %w", storage.Checkpoint, err)
	}
	return c, data, nil
}

// CheckCheckpoint is [Tree.CheckPrefix] for the published checkpoint, which errors name.
func (t *Tree) CheckCheckpoint(c Checkpoint) error {
	if err := t.CheckPrefix(c); err != nil {
		return fmt.Errorf("%s: %w", storage.Checkpoint, err)
	}
	return nil
}

// CheckPrefix checks that c is a prefix of the tree: [ErrBehind] when it is larger,
// [ErrFork] when its root is another.
func (t *Tree) CheckPrefix(c Checkpoint) error {
	if c.Size > t.size {
		return fmt.Errorf("%w: size %d, the log has %d", ErrBehind, c.Size, t.size)
	}
	root, err := t.RootAt(c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		return fmt.Errorf("%w: %s at size %d, the log has %s", ErrFork, c.Root, c.Size, root)
	}
	return nil
}
