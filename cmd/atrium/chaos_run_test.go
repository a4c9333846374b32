package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/storage/location"
)

// chaos is a run under way. play's goroutine owns what mu does not guard.
type chaos struct {
	options   chaosOptions
	out       *output
	site      benchSite
	store     chaosStore
	bucket    location.Bucket
	roster    []federation.HospitalID
	processes *supervisor
	victims   []victim
	proxies   map[string][]*proxy // whose cable a victim's is
	log       *os.File            // of faults

	follower *follower
	seen     map[logged]bool
	waiting  []fault // of this round, that have not happened yet
	entries  int     // of this round
	calm     bool    // nothing happens until a round is done

	group    sync.WaitGroup
	mu       sync.Mutex
	busy     map[string]bool          // victims to whom something happens
	down     map[string]time.Duration // before a killed victim starts again
	applied  map[string]int           // by kind and victim
	round    uint64
	hurt     map[uint64]bool // rounds that faults, or what follows from them, fell into
	until    time.Time       // when what follows from the faults so far is over
	progress time.Time       // last step, or end of a fault
	done     time.Time       // last round done, or end of a fault
}

// calmAfter is how many rounds in a row may be abandoned before nothing more happens
// until one is done: whoever then abandons on and on is wedged, and not unlucky.
const calmAfter = 5

func newChaos(ctx context.Context, dir string, o chaosOptions, out *output) (*chaos, error) {
	store, err := startStore(ctx, dir, o.Storage)
	if err != nil {
		return nil, err
	}
	site, made, err := newChaosSite(ctx, dir, o, store)
	if err != nil {
		return nil, err
	}
	c := &chaos{options: o, out: out, site: site, store: store, proxies: map[string][]*proxy{}, seen: map[logged]bool{},
		busy: map[string]bool{}, down: map[string]time.Duration{}, applied: map[string]int{}, hurt: map[uint64]bool{}}
	for _, h := range made.Hospitals {
		c.roster = append(c.roster, h.ID)
	}
	if c.bucket, err = store.open(ctx, made); err != nil {
		return nil, err
	}
	c.follower = newFollower(c.bucket, made.Charter)
	c.follower.each = c.entry
	if c.log, err = os.Create(filepath.Join(site.logs(), "faults.log")); err != nil {
		return nil, err
	}
	if c.processes, err = newSupervisor(site.logs(), false, func(string, ...any) {}); err != nil {
		return nil, err
	}
	c.processes.restarts, c.processes.delay = 1<<30, c.downtime
	return c, nil
}

func (c *chaos) close() {
	c.bucket.Close()
	c.log.Close()
	c.store.stop()
}

func (c *chaos) downtime(name string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down[name]
}

// start runs the processes, each hospital behind a proxy of its own for each coordinator.
func (c *chaos) start(ctx context.Context) error {
	addresses := make([][]string, len(c.site.hospitals)) // of proxies, by hospital
	for n, name := range coordinators(c.options.Coordinators) {
		address := c.site.address
		var err error
		if n > 0 {
			if address, err = freeAddress(); err != nil {
				return err
			}
		}
		var doors []string
		for i, hospital := range c.site.hospitals {
			p, err := newProxy(address)
			if err != nil {
				return err
			}
			addresses[i], doors = append(addresses[i], p.address()), append(doors, p.address())
			c.proxies[hospital] = append(c.proxies[hospital], p)
			c.proxies[name] = append(c.proxies[name], p)
		}
		config, links, err := c.store.link(c.site.coordinatorDir(), name)
		if err != nil {
			return err
		}
		c.proxies[fmt.Sprintf(storeLink, name)] = links
		c.processes.keep(ctx, name, "coordinator", "serve", "--config", config, "--listen", address,
			"--addresses", strings.Join(doors, ","), "--"+stdinFlag)
		for range 2 { // as often as hospitals
			c.victims = append(c.victims, victim{name, []faultKind{faultKill, faultKill, faultPause, faultCut, faultRefuse}})
		}
	}
	c.victims = append(c.victims, c.store.victims(coordinators(c.options.Coordinators))...)
	for i, name := range c.site.hospitals {
		c.processes.keep(ctx, name, "onehot", "--hospital", strconv.Itoa(i), "--config", filepath.Join(c.site.hospitalDir(name), setup.ConfigFile),
			"--coordinator", strings.Join(addresses[i], ","), "--log-level", "debug", "--log-format", "json", "--"+stdinFlag)
		c.victims = append(c.victims, victim{name, rarely([]faultKind{faultKill, faultPause, faultCut, faultRefuse}, faultForget)})
	}
	return nil
}

func coordinators(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%s-%d", demoCoordinator, i))
	}
	return names
}

// play runs the processes until the plan has ended or nothing moves any more; wedged is
// 1 then.
func (c *chaos) play(ctx context.Context) (wedged int, err error) {
	running, stop := context.WithCancel(ctx)
	defer c.end(stop)
	if err := c.start(running); err != nil {
		return 0, err
	}
	c.progress, c.done = time.Now(), time.Now()
	unread := false
	ticker := time.NewTicker(followInterval / 2)
	defer ticker.Stop()
	for {
		if _, err := c.follower.advance(ctx); err != nil && ctx.Err() == nil {
			if c.store.server == nil {
				return 0, err
			}
			if !unread { // a node is down; what is wrong with the log itself shows in the end
				c.note("read the log: %v", err)
			}
			unread = true
		} else {
			unread = false
		}
		if c.follower.state.Finished != "" {
			return 0, nil
		}
		if why := c.wedged(); why != "" {
			c.out.line("wedged: %s", why)
			c.dump()
			return 1, nil
		}
		select {
		case <-ticker.C:
		case err := <-c.processes.failed:
			return 0, err
		case <-ctx.Done():
			return 0, errors.New("interrupted")
		}
		c.unleash(running)
	}
}

// end waits for what happens to be over and ends every process.
func (c *chaos) end(stop func()) {
	c.group.Wait()
	stop()
	c.processes.wait()
	for _, list := range c.proxies {
		for _, p := range list {
			p.close()
		}
	}
}

// entry sees every entry of the log once it is there.
func (c *chaos) entry(e round.Entry) error {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Kind != round.Lead {
		c.progress = now
	}
	if len(c.busy) > 0 || now.Before(c.until) {
		c.hurt[e.Round] = true
	}
	switch e.Kind {
	case round.Update, round.Discard:
		c.seen[logged{e.Hospital, e.Blob}] = true
	case round.Open:
		c.entries, c.round = 0, e.Round
		if !c.calm {
			c.waiting = append(c.waiting, faultsOf(c.options.Seed, e.Round, c.victims)...)
		}
		if e.Round%25 == 0 {
			c.out.notice("round %d, %d done in training, %d faults", e.Round, c.follower.state.Trained, c.faults())
		}
	case round.Publish:
		c.done, c.calm = now, false
	case round.Abandon:
		c.calm = c.follower.state.Failures >= calmAfter
	}
	if e.Round == c.follower.state.Round.Number {
		c.entries++
	}
	if !c.follower.state.Round.Phase.Running() {
		c.entries = 1 << 20 // what did not happen in the round happens after it
	}
	return nil
}

// unleash begins the faults whose time has come.
func (c *chaos) unleash(ctx context.Context) {
	rest := c.waiting[:0]
	for _, f := range c.waiting {
		if f.Entries > c.entries {
			rest = append(rest, f)
			continue
		}
		c.group.Go(func() { c.suffer(ctx, f) })
	}
	c.waiting = rest
}

// suffer is one fault from its beginning to its end. To whom something happens already
// nothing else happens.
func (c *chaos) suffer(ctx context.Context, f fault) {
	if !sleep(ctx, f.After) || !c.take(f) {
		return
	}
	defer c.release(f)
	if err := c.begin(f); err != nil {
		c.note("%v: %v", f, err)
		return
	}
	c.mu.Lock()
	c.applied[fmt.Sprintf("%s %s", f.Kind, strings.TrimRight(f.Victim, "-0123456789"))]++
	c.hurt[c.round] = true
	at := c.round
	c.mu.Unlock()
	c.note("round %d: %v", at, f)
	sleep(ctx, f.For)
	if err := c.heal(ctx, f); err != nil {
		c.note("end of %v: %v", f, err)
	}
}

// note writes a line into the log of faults.
func (c *chaos) note(format string, args ...any) {
	fmt.Fprintf(c.log, "%s %s\n", time.Now().UTC().Format(time.RFC3339Nano), fmt.Sprintf(format, args...))
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *chaos) take(f fault) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[f.Victim] {
		return false
	}
	c.busy[f.Victim], c.down[f.Victim] = true, f.For
	return true
}

func (c *chaos) release(f fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, f.Victim)
	now := time.Now()
	c.progress, c.done = now, now
	c.until = later(c.until, now.Add(aftermath[f.Kind]))
}

// aftermath is how long a fault may still be the reason of something after its end: a
// process starts, hospitals connect again, a keep-alive fails.
var aftermath = map[faultKind]time.Duration{faultKill: 5 * time.Second, faultPause: 3 * time.Second, faultCut: 3 * time.Second,
	faultRefuse: 5 * time.Second, faultForget: 40 * time.Second}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (c *chaos) begin(f fault) error {
	if f.Victim == storeVictim {
		return c.store.begin(f)
	}
	switch f.Kind {
	case faultKill:
		return c.processes.signal(f.Victim, syscall.SIGKILL)
	case faultPause:
		return c.processes.signal(f.Victim, syscall.SIGSTOP)
	case faultCut:
		c.cables(f.Victim, silent)
	case faultRefuse:
		c.cables(f.Victim, refusing)
	case faultForget:
		for _, p := range c.proxies[f.Victim] {
			p.forget()
		}
	}
	return nil
}

func (c *chaos) heal(ctx context.Context, f fault) error {
	if f.Victim == storeVictim {
		return c.store.heal(ctx, f)
	}
	switch f.Kind {
	case faultPause:
		return c.processes.signal(f.Victim, syscall.SIGCONT)
	case faultCut, faultRefuse:
		c.cables(f.Victim, passing)
	}
	return nil
}

func (c *chaos) cables(victim string, s proxyState) {
	for _, p := range c.proxies[victim] {
		p.set(s)
	}
}

func (c *chaos) faults() (n int) {
	for _, k := range c.applied {
		n += k
	}
	return n
}

// wedged says why nothing moves although everyone is there, or "".
func (c *chaos) wedged() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.follower.state
	since := c.progress
	if at, err := federation.ParseTime(s.NotBefore); err == nil && at.After(since) && !s.Round.Phase.Running() {
		since = at
	}
	switch {
	case len(c.busy) > 0:
		return ""
	case time.Since(since) > c.options.Wedge:
		return fmt.Sprintf("no step for %s in round %d, %s, %s: %s", time.Since(since).Round(time.Second), s.Round.Number, s.Round.Kind, s.Round.Phase, round.Waiting(s))
	case c.calm && time.Since(c.done) > 8*c.options.Wedge:
		return fmt.Sprintf("%d rounds in a row were abandoned, the last for: %s", s.Failures, s.Round.Reason)
	}
	return ""
}

// dump asks every process for what its goroutines do; it is in their logs.
func (c *chaos) dump() {
	for _, name := range slices.Concat(c.site.hospitals, coordinators(c.options.Coordinators)) {
		if err := c.processes.signal(name, syscall.SIGQUIT); err != nil {
			c.out.line("%v", err)
		}
	}
}
