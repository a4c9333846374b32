package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// stateDue returns the state entry that the next batch begins with, before e. Every
// stateEvery-th batch has one, so that a start finds the newest without reading what is
// between; but one that begins with a lead.
func (c *Coordinator) stateDue(v View, e round.Entry, w round.When) (round.Entry, bool) {
	if n := c.log.Next(); n == 0 || n%stateEvery != 0 || e.Kind == round.Lead {
		return round.Entry{}, false
	}
	stated, blob := round.StateEntry(v.Memo, w)
	if len(blob) > round.MaxMemoBytes {
		c.cfg.Logger.Warn("state is too large to be kept: starts take longer", "bytes", len(blob))
		return round.Entry{}, false
	}
	return stated, true
}

// keepState makes durable what a state entry promises, before it is committed: the state
// before it, and a checkpoint of the entries before it with their tiles.
func (c *Coordinator) keepState(ctx context.Context, e round.Entry) error {
	if e.Kind != round.Stated {
		return nil
	}
	if err := c.publishCheckpoint(ctx); err != nil {
		return err
	}
	_, err := storage.PutBlob(ctx, c.cfg.Bucket, c.current.Memo.Encode())
	return err
}

// recover opens the log from the newest state that is whole, or else from its beginning.
// A state is taken only by the word of the log's key: the batch after it names its digest.
// One that is missing, damaged or of another program is said aloud and costs time, never
// the federation.
func (c *Coordinator) recover(ctx context.Context) error {
	line, err := opening.Line(ctx, c.cfg.Bucket, c.cfg.Charter)
	if err != nil {
		return err
	}
	number, err := roundlog.NewestMultiple(ctx, c.cfg.Bucket, stateEvery)
	if err != nil {
		return err
	}
	for ; number > 0; number -= stateEvery {
		at, memo, err := c.stateBefore(ctx, number, line)
		if err == nil {
			err = c.replay(ctx, at, memo)
		}
		switch {
		case err == nil:
			return checkEpoch(c.current.State, c.cfg.Charter)
		case errors.Is(err, errNoState):
		case errors.Is(err, errState), errors.Is(err, roundlog.ErrPosition):
			c.cfg.Logger.Warn("state cannot be used: an older one is, and the log since is replayed", "batch", number, "error", err)
		default:
			return err
		}
	}
	if err := c.replay(ctx, roundlog.Position{}, round.Memo{State: round.State{Charter: line[0]}}); err != nil {
		return err
	}
	return checkEpoch(c.current.State, c.cfg.Charter)
}

// Why a batch gives no state to go on from.
var (
	errNoState = errors.New("the batch begins with no state")
	errState   = errors.New("the state before it is not whole")
)

// stateBefore reads the state that a batch begins with. The log's key signs for it: that
// of the charter in force, which is in the line of the one that this coordinator pins.
func (c *Coordinator) stateBefore(ctx context.Context, number int64, line []federation.Charter) (at roundlog.Position, memo round.Memo, err error) {
	b, err := roundlog.ReadBatch(ctx, c.cfg.Bucket, number, func(b roundlog.Batch) (string, error) {
		e, err := round.DecodeEntry(b.Entries[0])
		if err != nil || e.Kind != round.Stated {
			return "", errNoState
		}
		memo, err = c.readState(ctx, e.Blob)
		switch {
		case passing(err) || ctx.Err() != nil:
			return "", err
		case err != nil:
			return "", fmt.Errorf("%w: %w", errState, err)
		case memo.Size != b.Size || !slices.ContainsFunc(line, func(l federation.Charter) bool { return l.Digest() == memo.State.Charter.Digest() }):
			return "", fmt.Errorf("%w: %d entries under charter %s", errState, memo.Size, memo.State.Charter.Digest().Short())
		}
		return memo.State.Charter.LogKey, nil
	})
	return b.Before(memo.State.Epoch), memo, err
}

func (c *Coordinator) readState(ctx context.Context, digest federation.Digest) (round.Memo, error) {
	raw, err := storage.GetBlob(ctx, c.cfg.Bucket, digest, round.MaxMemoBytes)
	if err != nil {
		return round.Memo{}, err
	}
	memo, err := round.DecodeMemo(raw)
	if err != nil {
		return memo, fmt.Errorf("%s: %w", storage.Blob(digest), err)
	}
	return memo, nil
}

// replay opens the log at a position and applies what comes after it.
func (c *Coordinator) replay(ctx context.Context, at roundlog.Position, memo round.Memo) (err error) {
	c.current, c.charters = View{Memo: memo}, opening.NewCharters(ctx, c.cfg.Bucket, memo.State.Charter)
	c.log, err = roundlog.OpenFrom(ctx, c.cfg.Bucket, c.cfg.Key, at, func(b roundlog.Batch) error {
		if b.Number > at.Batch {
			if err := c.restoreState(ctx, b); err != nil {
				return err
			}
		}
		return c.take(b)
	}, c.charters.Option())
	return err
}

// restoreState puts the state that a batch begins with back if it is missing or damaged
// and the replay gives it.
func (c *Coordinator) restoreState(ctx context.Context, b roundlog.Batch) error {
	e, err := round.DecodeEntry(b.Entries[0])
	if err != nil || e.Kind != round.Stated {
		return err
	}
	name, blob := storage.Blob(e.Blob), c.current.Memo.Encode()
	if federation.Sum(blob) != e.Blob {
		return nil // the entry is refused when it is applied
	}
	err = storage.PutOnce(ctx, c.cfg.Bucket, name, blob)
	if !errors.Is(err, storage.ErrDifferent) {
		return err
	}
	damaged, err := storage.GetAtMost(ctx, c.cfg.Bucket, name, storage.MaxObjectBytes-1)
	if err != nil {
		return err
	}
	c.cfg.Logger.Warn("damaged state is written anew", "object", name)
	return c.cfg.Bucket.CompareAndSwap(ctx, name, damaged, blob)
}
