package roundlog

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"atrium/storage"
)

// Successor says by which verifier key a batch must be signed when it begins another
// key's reign, and "" when it does not. The batch's signature was not checked: whoever
// answers has other reasons to trust the key, and an error stops the reader. The new key
// must have the name of the old one, because the log's origin stays.
type Successor func(Batch) (verifier string, err error)

// Option changes how a log is read or opened.
type Option func(*chain) error

// WithSuccession lets other keys follow the log's first one.
func WithSuccession(first string, next Successor) Option {
	return func(c *chain) error {
		v, err := newVerifier(first)
		c.verifier, c.successor = v, next
		return err
	}
}

// reign is a key and how many entries the log had before it.
type reign struct {
	from     int64
	verifier note.Verifier
}

// signer returns the key by which b must be signed.
func (c *chain) signer(b Batch) (note.Verifier, error) {
	if c.successor == nil {
		return c.verifier, nil
	}
	text, err := c.successor(b)
	if err != nil || text == "" {
		return c.verifier, err
	}
	v, err := newVerifier(text)
	if err == nil && v.Name() != c.verifier.Name() {
		err = fmt.Errorf("%w: key of log %q after one of log %q", ErrKey, v.Name(), c.verifier.Name())
	}
	return v, err
}

// succeed makes the signer of a batch that comes next the log's key.
func (c *chain) succeed(v note.Verifier) {
	if v == c.verifier || sameKey(v, c.verifier) {
		return
	}
	if len(c.reigns) == 0 {
		c.reigns = []reign{{-1, c.verifier}}
	}
	c.reigns = append(c.reigns, reign{c.tree.Size(), v})
	c.verifier = v
}

func sameKey(a, b note.Verifier) bool { return a.Name() == b.Name() && a.KeyHash() == b.KeyHash() }

// keyAt is the key that signs the checkpoint of a size: that of its last entry.
func keyAt(reigns []reign, last note.Verifier, size int64) note.Verifier {
	for i := len(reigns) - 1; i >= 0; i-- {
		if reigns[i].from < size {
			return reigns[i].verifier
		}
	}
	return last
}

// verifyCheckpoint is [Tree.VerifyCheckpoint] for the tree of a chain.
func (c *chain) verifyCheckpoint(data []byte) error {
	tree := c.tree
	tree.reigns, tree.verifier = c.reigns, c.verifier
	_, err := tree.VerifyCheckpoint(data)
	return err
}

// VerifyCheckpoint verifies a checkpoint by the key that signed the entries which it
// covers, and that it is a prefix of the tree, which [Read] returned. Errors:
// [ErrEncoding], [ErrSignature], [ErrBehind], [ErrFork].
func (t *Tree) VerifyCheckpoint(data []byte) (Checkpoint, error) {
	c, err := unverifiedCheckpoint(data)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Size > t.size { // nobody knows by which key
		return c, t.CheckCheckpoint(c)
	}
	if c, err = parseCheckpoint(data, keyAt(t.reigns, t.verifier, c.Size)); err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", storage.Checkpoint, err)
	}
	return c, t.CheckCheckpoint(c)
}

// UnverifiedCheckpoint reads the published checkpoint without checking its signature:
// whoever reads a log whose keys follow one another has the batches tell by which key it
// is signed, and then calls [Tree.VerifyCheckpoint]. [ErrEncoding], [ErrNoLog].
func UnverifiedCheckpoint(ctx context.Context, bucket storage.Bucket) (Checkpoint, []byte, error) {
	data, err := storage.GetAtMost(ctx, bucket, storage.Checkpoint, MaxCheckpointBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return Checkpoint{}, nil, fmt.Errorf("%w: %w", ErrNoLog, err)
	}
	if err != nil {
		return Checkpoint{}, nil, err
	}
	c, err := unverifiedCheckpoint(data)
	return c, data, err
}

func unverifiedCheckpoint(data []byte) (Checkpoint, error) {
	body, err := checkpointBody(data)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", storage.Checkpoint, err)
	}
	return parseText(string(body))
}

// VerifierName is the log that a verifier key belongs to. [ErrKey].
func VerifierName(verifier string) (string, error) {
	v, err := newVerifier(verifier)
	if err != nil {
		return "", err
	}
	return v.Name(), nil
}
