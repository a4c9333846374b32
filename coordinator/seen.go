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
	same := false
	err = c.onLoop(ctx, func() {
		have = c.log.Size()
		root, err := c.log.Tree().RootAt(min(p.SeenSize, have))
		same = err == nil && p.SeenSize <= have && (!proven || root == seen.Root)
		if proven && !same && c.claim == nil {
			c.claim = &claim{id, seen}
		}
	})
	if err != nil || same {
		return err
	}
	return fmt.Errorf("%w: %d entries, this one has %d", ErrAhead, p.SeenSize, have)
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
	if err := c.log.Tree().CheckCheckpoint(claim.Checkpoint); err != nil {
		return fmt.Errorf("stop leading: hospital %s keeps a checkpoint that this log's key signed: %w: "+
			"this store is an older copy or a fork, restore the newest one", claim.hospital, err)
	}
	return nil
}
