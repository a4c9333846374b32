package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"atrium/coordinator/round"
	"atrium/storage/roundlog"
)

// commit decides the requests in order on a tentative state, appends all entries as
// one batch, and only then moves the state and answers. When the slot is another's, what
// is there is applied and the requests are decided again, if this coordinator still
// leads; else it returns errSteppedDown.
func (c *Coordinator) commit(ctx context.Context, list []request) error {
	for {
		w, _ := c.when()
		tentative, entries, answers := c.decide(list, w)
		if len(entries) == 0 {
			for i, r := range list {
				r.answer(answers[i])
			}
			return nil
		}
		first := c.log.Size()
		err := c.append(ctx, list, w.Now, tentative.State.Epoch, entries)
		if err == nil {
			tentative.Checkpoint, tentative.Head = c.current.Checkpoint, c.current.Head
			c.current = tentative
			c.report(entries)
			return c.finish(ctx, list, answers, entries, first)
		}
		if errors.Is(err, roundlog.ErrSlotTaken) {
			err = c.catchUp(ctx, list)
		}
		if err == nil {
			err = c.stillLeads()
		}
		if err == nil {
			err = c.insist(ctx, list, func() error { return c.load(ctx) })
		}
		if err != nil {
			return c.turnAway(list, fmt.Errorf("commit %d entries: %w", len(entries), err))
		}
	}
}

// append puts entries into the next slot until it is known whose that is, after the state
// that they name, if any.
func (c *Coordinator) append(ctx context.Context, list []request, now time.Time, epoch uint64, entries []round.Entry) error {
	err := c.insist(ctx, list, func() error { return c.keepState(ctx, entries[0]) })
	if errors.Is(err, roundlog.ErrBehind) { // another published more
		return fmt.Errorf("%w: %w", roundlog.ErrSlotTaken, err)
	}
	if err != nil {
		return err
	}
	raw := make([][]byte, len(entries))
	for i, e := range entries {
		raw[i] = e.Encode()
	}
	_, err = c.log.Append(ctx, epoch, now, raw)
	if passing(err) {
		err = c.insist(ctx, list, func() error { return c.log.Settle(ctx) })
	}
	return err
}

// finish does what committed entries bring with them, shows the new state and answers.
func (c *Coordinator) finish(ctx context.Context, list []request, answers []error, entries []round.Entry, first int64) error {
	err := c.insist(ctx, list, func() error { return c.settle(ctx, entries, first) })
	beyond := errors.Is(err, roundlog.ErrBehind) // another published more: it leads
	if err != nil && !beyond {
		return c.turnAway(list, fmt.Errorf("after entry %d: %w", first, err))
	}
	c.publish(c.current)
	for i, r := range list {
		r.answer(answers[i])
	}
	if beyond {
		return errSteppedDown
	}
	return nil
}

// catchUp applies what others wrote since.
func (c *Coordinator) catchUp(ctx context.Context, list []request) error {
	return c.insist(ctx, list, func() error { return c.tail(ctx) })
}

// tail applies the batches that are there, by the path of recovery.
func (c *Coordinator) tail(ctx context.Context) error {
	batches, err := c.log.CatchUp(ctx)
	for _, b := range batches {
		if err := c.take(b); err != nil {
			return err
		}
	}
	return err
}

func (c *Coordinator) stillLeads() error {
	if now := c.current.State.Epoch; now != c.epoch {
		c.cfg.Logger.Warn("another coordinator leads, this one stands by", "term", c.epoch, "now", now)
		return errSteppedDown
	}
	return nil
}

// turnAway answers those who are not answered yet by what ended this leadership.
func (c *Coordinator) turnAway(list []request, err error) error {
	if errors.Is(err, errSteppedDown) {
		answer(list, &NotLeader{})
	} else {
		answer(list, ErrStopped)
	}
	return err
}
