package coordinator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"atrium/coordinator/round"
	"atrium/storage/roundlog"
)

// errSteppedDown ends one leadership, not the coordinator.
var errSteppedDown = errors.New("stepped down")

// ErrNotLeader: another coordinator leads, or none does yet. The error is a *NotLeader.
var ErrNotLeader = errors.New("this coordinator does not lead")

// NotLeader refuses a request and says who may take it.
type NotLeader struct{ Leader []string } // addresses; none if nobody is known to lead

// Error implements error.
func (n *NotLeader) Error() string {
	if len(n.Leader) == 0 {
		return ErrNotLeader.Error()
	}
	return fmt.Sprintf("%v, %s does", ErrNotLeader, strings.Join(n.Leader, " or "))
}

// Is reports whether target is [ErrNotLeader].
func (n *NotLeader) Is(target error) bool { return target == ErrNotLeader }

// standBy follows the log until the lease is this coordinator's. A storage that does not
// answer is asked again.
func (c *Coordinator) standBy(ctx context.Context) error {
	leader, away := "", false // the one that was named, and whether the storage is
	for {
		wait, held, err := c.tryLease(ctx)
		switch {
		case held:
			return nil
		case err != nil && !passing(err):
			return fmt.Errorf("stand by: %w", err)
		case err != nil && !away:
			c.cfg.Logger.Error("storage", "error", err, "advice", adviceOn(err))
		case err == nil && away:
			c.cfg.Logger.Info("storage answers again")
		}
		away = err != nil
		v := c.current
		v.Leader, v.Led = c.lease.leader()
		if v.Led && c.lease.value.Instance != leader {
			leader = c.lease.value.Instance
			c.cfg.Logger.Info("standing by", "federation", c.cfg.Charter.Federation, "leader", c.lease.value.Holder,
				"addresses", strings.Join(v.Leader, ","), "log_size", c.log.Size())
		}
		c.publish(v)
		if err := c.refuse(ctx, wait, &NotLeader{v.Leader}); err != nil {
			return err
		}
	}
}

// tryLease follows the log and takes the lease if it is free, else it returns when to try
// again.
func (c *Coordinator) tryLease(ctx context.Context) (wait time.Duration, held bool, err error) {
	if err := c.watch(ctx); err != nil {
		return tailEvery, false, err
	}
	if remains := c.lease.remains(); remains > 0 {
		return min(remains, tailEvery), false, nil
	}
	held, err = c.lease.write(ctx, c.current.State.Epoch+1, false)
	return tailEvery, held, err
}

// watch reads the lease, and what was committed and published since.
func (c *Coordinator) watch(ctx context.Context) error {
	if err := c.lease.look(ctx); err != nil {
		return err
	}
	plan := c.current.State.Plan
	if err := c.tail(ctx); err != nil {
		return err
	}
	if c.current.State.Plan != plan {
		if err := c.load(ctx); err != nil {
			return err
		}
	}
	if err := c.log.Follow(ctx); err != nil && !errors.Is(err, roundlog.ErrBehind) { // then more was committed since
		return err
	}
	return c.noteHead(ctx)
}

// lead commits the lead entry of the next epoch and leads until ctx ends, another leads,
// or the log cannot be written any more.
func (c *Coordinator) lead(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	lost, kept := make(chan struct{}), make(chan struct{})
	defer func() {
		cancel()
		<-kept
		c.current.Leads = false
		v := c.current
		v.Leader, v.Led = c.lease.leader()
		c.publish(v)
	}()
	epoch := c.current.State.Epoch + 1
	go func() {
		defer close(kept)
		c.lease.keep(ctx, epoch, lost, c.cfg.Logger)
	}()
	if err := c.begin(ctx); err != nil {
		return err
	}
	c.cfg.Logger.Info("leading", "federation", c.cfg.Charter.Federation, "term", c.epoch,
		"log_size", c.log.Size(), "version", c.current.State.Model.Number)
	return c.serve(ctx, lost)
}

// begin takes the lead in the log. It refuses a log that ends before what was published.
func (c *Coordinator) begin(ctx context.Context) error {
	c.running, c.retry, c.failed = map[string]bool{}, map[string]time.Time{}, map[string]bool{}
	c.results, c.claim = make(chan string), nil
	c.presence.restart()
	if err := c.checkHead(ctx); err != nil {
		return fmt.Errorf("refuse to lead: %w", err)
	}
	for {
		w, _ := c.when()
		next, entries, answers := c.decide([]request{{event: round.Led{}}}, w)
		if len(entries) == 0 {
			return fmt.Errorf("take the lead: %w", answers[0])
		}
		err := c.append(ctx, nil, w.Now, next.State.Epoch, entries)
		if err == nil {
			c.current, c.epoch = next, next.State.Epoch
			return c.settleIn(ctx)
		}
		if !errors.Is(err, roundlog.ErrSlotTaken) {
			return fmt.Errorf("take the lead: %w", err)
		}
		before := c.current.State.Epoch
		if err := c.catchUp(ctx, nil); err != nil {
			return fmt.Errorf("take the lead: %w", err)
		}
		if c.current.State.Epoch != before { // another was faster
			return errSteppedDown
		}
	}
}

// checkHead reads to the end of the log and refuses one that lost its end or is a fork.
func (c *Coordinator) checkHead(ctx context.Context) error {
	for {
		if err := c.catchUp(ctx, nil); err != nil {
			return err
		}
		size := c.log.Size()
		err := c.insist(ctx, nil, func() error { return c.log.CheckHead(ctx) })
		if !errors.Is(err, roundlog.ErrBehind) {
			return err
		}
		if again := c.catchUp(ctx, nil); again != nil || c.log.Size() == size {
			return errors.Join(fmt.Errorf("this store is older than what was published from it, restore its newest copy: %w", err), again)
		}
	}
}

// settleIn does what a crash of the leader before may have left undone.
func (c *Coordinator) settleIn(ctx context.Context) error {
	err := c.insist(ctx, nil, func() error {
		if err := c.load(ctx); err != nil {
			return err
		}
		if err := c.publishCheckpoint(ctx); err != nil {
			return err
		}
		return errors.Join(c.restoreCards(ctx), c.forgetEnvelopes(ctx, c.current))
	})
	if errors.Is(err, roundlog.ErrBehind) {
		return errSteppedDown
	}
	if err == nil {
		c.clock.start(c.current.State, c.cfg.Now())
		c.current.Leads = true
		c.publish(c.current)
	}
	return err
}

// serve commits what is submitted and performs what is owed.
func (c *Coordinator) serve(ctx context.Context, lost <-chan struct{}) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-lost:
			c.cfg.Logger.Warn("another coordinator took the lease, this one stands by", "term", c.epoch)
			return errSteppedDown
		case r := <-c.requests:
			if err := c.commit(ctx, c.drain(r)); err != nil {
				return err
			}
			if err := c.examine(ctx); err != nil {
				return err
			}
		case id := <-c.results:
			delete(c.running, id)
		case <-c.presence.changed:
		case <-timer.C:
		}
		timer.Reset(c.next(ctx))
	}
}
