package audit

import (
	"context"
	"errors"

	"atrium/storage"
	"atrium/storage/roundlog"
)

// Verify checks every object that the log of a federation names: batches, entries and
// the states that they lead to, charter, plans, headers, all signed messages,
// cosignatures, manifests, S, share sums, results, ciphertexts, snapshots and cards,
// then the published checkpoint with its tiles.
//
// The error is a *[Problem] for the first object that is wrong, anything else when an
// object could not be read, and [roundlog.ErrNoLog] for a store without a log. A
// ciphertext that is gone is counted where the log says that its round expired, and is an
// error elsewhere. Objects that the log does not name,
// such as messages that came too late to matter, are not looked at.
func Verify(ctx context.Context, b storage.Bucket, opts Options) (Report, error) {
	h, err := begin(ctx, b, opts)
	if err != nil {
		return Report{}, err
	}
	// Before the log, which may grow meanwhile: then it covers the checkpoint.
	checkpoint, note, err := roundlog.UnverifiedCheckpoint(ctx, b)
	if errors.Is(err, storage.ErrNotFound) { // not "no log": there are batches
		return Report{}, wrong(storage.Checkpoint, "", storage.ErrNotFound)
	}
	if err != nil {
		return Report{}, logFault(storage.Checkpoint, err)
	}
	h.total = checkpoint.Size
	c := newChecker(h, true)
	tree, err := h.walk(ctx, func(s step) error { return c.check(ctx, s) })
	if err != nil {
		return Report{}, err
	}
	if err := c.compareHeads(tree); err != nil {
		return Report{}, err
	}
	if err := c.checkGone(); err != nil {
		return Report{}, err
	}
	if _, err := tree.VerifyCheckpoint(note); err != nil {
		return Report{}, logFault(storage.Checkpoint, err)
	}
	if err := roundlog.VerifyTiles(ctx, b, checkpoint.Size, tree); err != nil {
		return Report{}, logFault(objectOf(err), err)
	}
	return c.summary(tree, checkpoint.Size), nil
}
