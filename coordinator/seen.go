package coordinator

import (
	"context"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/storage/roundlog"
)

// claim is a checkpoint that this log's key signed and a hospital keeps, and that this
// coordinator's log does not have.
type claim struct {
	hospital federation.HospitalID
	roundlog.Checkpoint
}

// checkSeen compares what a hospital says that it saw with the log. A number alone is
// that hospital's trouble: [ErrAhead]. A signed checkpoint that the log does not have
// proves that this store lost its end or was forked: then the coordinator stops.
func (c *Coordinator) checkSeen(ctx context.Context, v *View, id federation.HospitalID, p Poll) error {
	seen, err := roundlog.ParseCheckpoint(p.Checkpoint, c.cfg.Key.Verifier())
	proven := err == nil && seen.Size == p.SeenSize
	if !proven && p.SeenSize <= v.Head.Size {
		return nil // the proofs say whether it fits
	}
	var have int64
	var differs, failed error
	err = c.onLoop(ctx, func() {
		have = c.log.Size()
		differs, failed = c.compare(ctx, seen, proven)
		if differs != nil && c.claim == nil {
			c.claim = &claim{id, seen}
		}
	})
	if err != nil {
		return err
	}
	switch {
	case failed != nil:
		return failed
	case differs != nil || p.SeenSize > have:
		return fmt.Errorf("%w: %d entries, this one has %d", ErrAhead, p.SeenSize, have)
	}
	return nil
}

// compare says in differs how a proven checkpoint is not one of this log.
func (c *Coordinator) compare(ctx context.Context, seen roundlog.Checkpoint, proven bool) (differs, err error) {
	have := c.log.Size()
	switch {
	case !proven:
		return nil, nil
	case seen.Size > have:
		return fmt.Errorf("%w: size %d, the log has %d", roundlog.ErrBehind, seen.Size, have), nil
	}
	root, err := c.log.RootAt(ctx, seen.Size)
	if err == nil && root != seen.Root {
		differs = fmt.Errorf("%w: %s at size %d, the log has %s", roundlog.ErrFork, seen.Root, seen.Size, root)
	}
	return differs, err
}

// examine settles a claim: another coordinator may have gone on, or nobody may lead on
// this store.
func (c *Coordinator) examine(ctx context.Context) error {
	claim := c.claim
	if claim == nil {
		return nil
	}
	c.claim = nil
	if err := c.catchUp(ctx, nil); err != nil {
		return err
	}
	if err := c.stillLeads(); err != nil {
		return err
	}
	var differs error
	err := c.insist(ctx, nil, func() (err error) {
		differs, err = c.compare(ctx, claim.Checkpoint, true)
		return err
	})
	if err == nil && differs != nil {
		return fmt.Errorf("stop leading: hospital %s keeps a checkpoint that this log's key signed: %w: "+
			"this store is an older copy or a fork, restore the newest one", claim.hospital, differs)
	}
	return err
}
