package coordinator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// Config is what one federation's coordinator needs. Zero values: Logger discards, Now is
// time.Now, Name is drawn, Addresses are none, Lease is 6 seconds.
type Config struct {
	Bucket  storage.Bucket
	Key     *roundlog.Key
	Charter federation.Charter
	Logger  *slog.Logger
	Now     func() time.Time // of entries; deadlines and leadership run by the monotonic clock

	// Name tells coordinators of one bucket apart. One that is started again under the
	// name of a process that is dead goes on leading at once; no two that run may share it.
	Name      string
	Addresses []string      // at which hospitals reach this one, for hints
	Lease     time.Duration // after which a leader that is silent is succeeded
}

// Validate checks that nothing is missing and that the charter names the log key.
func (c Config) Validate() error {
	switch {
	case c.Bucket == nil:
		return errors.New("no storage")
	case c.Key == nil:
		return errors.New("no log key")
	case c.Key.Verifier() != c.Charter.LogKey:
		return fmt.Errorf("log key %s is not the charter's", c.Key)
	case c.Lease != 0 && (c.Lease < minLease || c.Lease > maxLease):
		return fmt.Errorf("lease of %v: want %v to %v", c.Lease, minLease, maxLease)
	}
	return errors.Join(checkLeader(c.Name, c.Addresses), c.Charter.Validate())
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Name == "" {
		c.Name = rand.Text()
	}
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	c.Bucket = newReporting(c.Bucket)
	return c
}

// Coordinator runs one federation.
type Coordinator struct {
	cfg      Config
	presence *Presence
	removed  []federation.Member // by the charter in force
	requests chan request
	results  chan string   // IDs of own tasks that ended
	stopped  chan struct{} // closed when Run returned
	view     atomic.Pointer[View]

	uploads       uploads
	atHand        atHand
	places        *places
	manifestCache atomic.Pointer[federation.VerifiedManifest]

	// The rest is owned by Run's goroutine.
	charters *opening.Charters
	log      *roundlog.Log
	current  View
	lease    lease
	clock    clock
	epoch    uint64               // of this leadership
	claim    *claim               // by a hospital, to be examined
	running  map[string]bool      // own tasks under way
	retry    map[string]time.Time // own tasks that failed, and when to try again
	failed   map[string]bool      // publish tasks that more answers must come for

	advised  string    // what was said last
	adviseAt time.Time // when to say it again
}

// request is an event that waits for its commit, or a function to run on the loop.
type request struct {
	event round.Event
	do    func()
	reply chan error // of one place: the first answer is the answer
}

func (r request) answer(err error) {
	select {
	case r.reply <- err:
	default: // it has one
	}
}

func answer(list []request, err error) {
	for _, r := range list {
		r.answer(err)
	}
}

// Errors of a coordinator that takes no request now.
var (
	// ErrStopped: it stopped before the event was committed.
	ErrStopped = errors.New("coordinator stopped")
	// ErrUnavailable: its storage does not answer; whether the event was committed is not
	// known. The same event may be submitted again.
	ErrUnavailable = errors.New("the storage does not answer, try again")
)

// Submit commits what an event causes and returns after that. The error is the
// machine's refusal, or why the log could not be written: [ErrStopped], [ErrUnavailable],
// [ErrNotLeader].
func (c *Coordinator) Submit(ctx context.Context, ev round.Event) error {
	return c.call(ctx, request{event: ev, reply: make(chan error, 1)})
}

// onLoop runs f on the goroutine that owns the log. After an error f may still run: what
// it writes is then nobody's to read.
func (c *Coordinator) onLoop(ctx context.Context, f func()) error {
	return c.call(ctx, request{do: f, reply: make(chan error, 1)})
}

func (c *Coordinator) call(ctx context.Context, r request) error {
	select {
	case c.requests <- r:
	case <-c.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Presence is where the transport reports connections.
func (c *Coordinator) Presence() *Presence { return c.presence }

// Charter returns the charter in force.
func (c *Coordinator) Charter() federation.Charter { return c.cfg.Charter }

// Bucket returns the federation's storage.
func (c *Coordinator) Bucket() storage.Bucket { return c.cfg.Bucket }

// Run follows the log while another coordinator leads, and leads when none does, until
// ctx ends or the log cannot be read or written any more. It is called once. A commit
// that ctx interrupts may have happened: the next leader finds out.
func (c *Coordinator) Run(ctx context.Context) error {
	defer close(c.stopped)
	defer c.lease.release(ctx)
	for {
		err := c.standBy(ctx)
		if err == nil {
			err = c.lead(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, errSteppedDown):
			return err
		}
	}
}

// drain takes what else is waiting, so that entries are committed in groups.
func (c *Coordinator) drain(first request) []request {
	list := []request{first}
	for len(list) < maxGroup {
		select {
		case r := <-c.requests:
			list = append(list, r)
		default:
			return list
		}
	}
	return list
}

// decide returns the state after all requests, the entries, and each one's answer.
func (c *Coordinator) decide(list []request, w round.When) (View, []round.Entry, []error) {
	next := c.current
	var entries []round.Entry
	answers := make([]error, len(list))
	for i, r := range list {
		if r.do != nil {
			r.do()
			list[i].do = nil
		}
		if r.event == nil {
			continue
		}
		decided, err := round.Decide(next.State, r.event, w)
		if err != nil {
			answers[i] = err
			continue
		}
		c.noteWait(next, r.event, decided)
		for _, e := range decided {
			if len(entries) == 0 {
				if stated, due := c.stateDue(next, e, w); due {
					next = c.after(next, stated)
					entries = append(entries, stated)
				}
			}
			next = c.after(next, e)
			entries = append(entries, e)
		}
	}
	return next, entries, answers
}

// noteWait tells the operator why a sum that was opened, or was not, ends nothing yet.
func (c *Coordinator) noteWait(v View, ev round.Event, decided []round.Entry) {
	if len(decided) > 0 {
		return
	}
	sends, reason := 0, "" // no reason: more were sent while it was opened, and it is opened anew
	switch ev := ev.(type) {
	case round.OpeningFailed:
		sends, reason = ev.Sends, ev.Reason
	case round.SumOpened:
		sends, reason = ev.Sends, ev.Note
	}
	if reason != "" {
		c.cfg.Logger.Warn("sum waits for more share sums", "round", v.State.Round.Number, "sends", sends, "reason", reason)
	}
}

// after is follow for an entry that the machine just decided: one that it cannot apply
// is a programmer's error.
func (c *Coordinator) after(v View, e round.Entry) View {
	next, err := v.follow(e)
	if err != nil {
		panic(fmt.Sprintf("coordinator: own entry does not apply: %v", err))
	}
	return next
}

// when is the moment as the machine sees it, and when presence changes next by itself.
func (c *Coordinator) when() (round.When, time.Time) {
	grace := time.Duration(c.current.State.Schedule.GraceSeconds) * time.Second
	gone, next := c.presence.Gone(c.cfg.Charter.Members, grace)
	w := c.moment(c.current.State)
	w.Gone = gone
	return w, next
}

// next starts what is owed and returns how long nothing will be owed by itself.
func (c *Coordinator) next(ctx context.Context) time.Duration {
	w, wake := c.when()
	now := time.Now()
	for _, t := range round.OwnTasks(c.current.State, w) {
		if c.running[t.ID] || c.failed[t.ID] || (t.Kind == round.TaskPublish && c.opening()) {
			continue
		}
		if at, ok := c.retry[t.ID]; ok && now.Before(at) {
			wake = earlier(wake, at)
			continue
		}
		c.start(ctx, t)
	}
	wake = earlier(wake, c.advise(w))
	if at := round.Wake(c.current.State); at.After(w.Clock) { // one that is past was dealt with above
		wake = earlier(wake, now.Add(at.Sub(w.Clock)))
	}
	for _, at := range []time.Time{round.ExpiryWake(c.current.State), round.MonthWake(c.current.State)} {
		if at.After(w.Now) {
			wake = earlier(wake, now.Add(at.Sub(w.Now)))
		}
	}
	if wake.IsZero() {
		return time.Hour
	}
	return max(wake.Sub(now), time.Millisecond)
}

// advise tells the operator what can be done when the round waits for somebody who may
// never come, and returns when to say it again.
func (c *Coordinator) advise(w round.When) time.Time {
	text := round.Advice(c.current.State, w)
	if text == "" {
		c.advised = ""
		return time.Time{}
	}
	now := time.Now()
	if text != c.advised || !now.Before(c.adviseAt) {
		c.cfg.Logger.Warn("round waits", "round", c.current.State.Round.Number, "reason", round.Waiting(c.current.State), "advice", text)
		c.advised, c.adviseAt = text, now.Add(adviceEvery)
	}
	return c.adviseAt
}

// opening reports whether a sum is being opened: one at a time, whatever answers come.
func (c *Coordinator) opening() bool {
	for id := range c.running {
		if strings.HasPrefix(id, string(round.TaskPublish)+"/") {
			return true
		}
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// start performs an own task on a goroutine of its own.
func (c *Coordinator) start(ctx context.Context, t round.Task) {
	c.running[t.ID] = true
	view, results := c.current, c.results
	go func() {
		err := c.perform(ctx, t, view)
		if ctx.Err() == nil {
			c.onLoop(ctx, func() { c.ended(t, err) })
		}
		select {
		case results <- t.ID:
		case <-ctx.Done():
		}
	}()
}

// ended notes the outcome of an own task; it runs on the loop.
func (c *Coordinator) ended(t round.Task, err error) {
	switch {
	case err == nil:
		delete(c.retry, t.ID)
		if t.Kind == round.TaskPublish { // done, or waiting for further answers
			c.failed[t.ID] = true
		}
	case isStale(err):
		// the state moved on; Pending lists what is owed now
	default:
		c.cfg.Logger.Error("task", "task", t.ID, "error", err)
		c.retry[t.ID] = time.Now().Add(retryDelay)
	}
}

// isStale: the state moved on while a task was performed.
func isStale(err error) bool {
	return slices.ContainsFunc([]error{round.ErrStale, round.ErrNotDue, round.ErrWrongPhase, round.ErrMismatch},
		func(s error) bool { return errors.Is(err, s) })
}
