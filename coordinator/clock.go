package coordinator

import (
	"sync"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// clock is the time by which phases end. While a round is under way it runs as the
// machine's monotonic clock does, whatever is done to the wall clock, and between rounds it
// is set to the wall clock. A new leader gives the phase that it finds its whole time
// again: an outage, or a wall clock that is hours off since, ends no round. It is safe
// for concurrent use; the zero clock shows the wall clock.
type clock struct {
	mu    sync.Mutex
	set   time.Time // what it showed
	since time.Time // when that was, by the monotonic clock
}

// start sets the clock for a leadership that begins in a state.
func (c *clock) start(s round.State, wall time.Time) {
	shows := wall
	if s.Round.Phase.Running() {
		if deadline, err := federation.ParseTime(s.Round.Deadline); err == nil {
			shows = deadline.Add(-s.PhaseTime())
		}
	} else if next, err := federation.ParseTime(s.NotBefore); err == nil && next.Sub(wall) > round.MaxDelay {
		shows = next // no delay is so long: the wall clock was set back
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set, c.since = shows, time.Now()
}

// read returns the time in a state.
func (c *clock) read(s round.State, wall time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		return wall
	}
	next, err := federation.ParseTime(s.NotBefore)
	if !s.Round.Phase.Running() && (err != nil || !wall.Before(next)) {
		c.set, c.since = wall, time.Now()
	}
	return c.set.Add(time.Since(c.since))
}

// moment is the time in a state, without who is gone.
func (c *Coordinator) moment(s round.State) round.When {
	now := c.cfg.Now()
	return round.When{Now: now, Clock: c.clock.read(s, now)}
}
