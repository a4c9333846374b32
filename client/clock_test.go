package client_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atrium/coordinator"
	"atrium/coordinator/federation"
)

// wall is a wall clock that somebody sets.
type wall struct{ off atomic.Int64 }

func (w *wall) now() time.Time                    { return time.Now().Add(time.Duration(w.off.Load())) }
func (w *wall) set(hours time.Duration)           { w.off.Store(int64(hours * time.Hour)) }
func ended(s coordinator.Status) bool             { return s.Finished != "" }
func (f *fed) took(start time.Time) time.Duration { return time.Since(start) - settled }

// TestWallClockThatIsSet: the coordinator's wall clock is set hours back and forth during
// rounds, also between a crash and the next start. No round is abandoned, nobody trains
// again, and a hospital that does not come up with its update costs at most the phases' time.
func TestWallClockThatIsSet(t *testing.T) {
	plan := func(p *federation.Plan) { p.Schedule.UpdateSeconds = 60 }
	for _, c := range []struct {
		name  string
		jump  func(*fed, *wall)
		slow  bool // one hospital never ends its training
		dies  bool // the coordinator does, while updates come
		least time.Duration
		most  time.Duration
	}{
		{name: "back and forth all the time", jump: func(f *fed, w *wall) {
			n := 0
			f.stored = func(string) {
				n++
				w.set(time.Duration([]int{5, -5, 0}[n%3]))
			}
		}, most: 10 * time.Second},
		{name: "hours back while a hospital is slow", slow: true, jump: func(f *fed, w *wall) { f.onUpdates(func() { w.set(-5) }) },
			least: 60 * time.Second, most: 110 * time.Second},
		{name: "hours forth while a hospital is slow", slow: true, jump: func(f *fed, w *wall) { f.onUpdates(func() { w.set(5) }) },
			least: 60 * time.Second, most: 110 * time.Second},
		{name: "hours back between two starts", dies: true, jump: func(f *fed, w *wall) { f.onUpdates(func() { w.set(-5) }) }, most: 20 * time.Second},
		{name: "hours forth between two starts", dies: true, jump: func(f *fed, w *wall) { f.onUpdates(func() { w.set(5) }) }, most: 20 * time.Second},
		{name: "hours back between two starts while a hospital is slow", slow: true, dies: true,
			jump: func(f *fed, w *wall) { f.onUpdates(func() { w.set(-5) }) }, most: 90 * time.Second},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				r, d := newRoster(t, base, 4, plan)
				f, w := newFed(t, r, d, wounds{}), new(wall)
				f.wall = w.now
				c.jump(f, w)
				if jump := f.stored; c.dies {
					f.stored = func(name string) {
						jump(name)
						f.mu.Lock()
						first := f.starts["coordinator"] == 1
						f.mu.Unlock()
						if w.off.Load() != 0 && first {
							f.faulty["coordinator"].Kill()
						}
					}
				}
				if c.slow {
					f.train = func(ctx context.Context, i int) {
						if i == 3 {
							<-ctx.Done()
						}
					}
				}
				start := time.Now()
				if !f.run(ended) {
					t.Error("wedged")
				}
				if took := f.took(start); took < c.least || took > c.most {
					t.Errorf("it took %v: want %v to %v", took, c.least, c.most)
				}
				h, err := f.check(t.Context())
				if err != nil {
					t.Error(err)
				}
				who := 0
				if c.slow {
					who = 4
				}
				if err := f.checkResumed(h, who); err != nil {
					t.Error(err)
				}
				if c.dies != (f.starts["coordinator"] == 2) {
					t.Errorf("the coordinator started %d times", f.starts["coordinator"])
				}
				if t.Failed() {
					t.Logf("%s", f.logs)
				}
			})
		})
	}
}

// onUpdates does something once, when the second ciphertext of a train round is stored.
func (f *fed) onUpdates(do func()) {
	n := 0
	f.stored = func(name string) {
		if strings.HasPrefix(name, "rounds/") && f.lead.Status().Kind == federation.Train {
			if n++; n == 2 {
				do()
			}
		}
	}
}

// TestClockOutsideTheCertificates: where a clock keeps the two sides apart, both are told
// which one to look at.
func TestClockOutsideTheCertificates(t *testing.T) {
	for name, c := range map[string]struct {
		ahead time.Duration // of the coordinator's clock
		later time.Duration // of everything
		says  string
	}{
		"the certificates are past": {later: 3 * 366 * 24 * time.Hour, says: "the coordinator's certificate is valid from 1999-12-31T23:00:00.000Z to 2002-01-01T00:00:00.000Z and this machine's clock says 2003-01-0"},
		"the coordinator's clock":   {ahead: 3 * 366 * 24 * time.Hour, says: "a hospital's certificate is not valid by this machine's clock: set the clock, or have the certificate renewed"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				r, d := newRoster(t, base, 3, func(*federation.Plan) {})
				r.server = r.server.Clone()
				r.server.Time = func() time.Time { return time.Now().Add(c.ahead) }
				time.Sleep(c.later)
				f := newFed(t, r, d, wounds{})
				f.run(func(coordinator.Status) bool { return strings.Contains(f.logs.String(), c.says) })
				if logs := f.logs.String(); !strings.Contains(logs, c.says) {
					t.Errorf("nobody says %q:\n%s", c.says, logs)
				}
			})
		})
	}
}
