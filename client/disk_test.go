package client_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atrium/client"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// TestSlowDisks: every call to every disk takes long. Rounds end all the same, and nothing
// is decided twice.
func TestSlowDisks(t *testing.T) {
	for _, c := range []struct {
		delay time.Duration
		done  bool // the plan is, and no round was abandoned
	}{{300 * time.Millisecond, true}, {3 * time.Second, false}} {
		t.Run(c.delay.String(), func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				r, d := newRoster(t, base, 4, func(*federation.Plan) {})
				f := newFed(t, r, d, wounds{})
				f.slow = c.delay
				start, rounds := time.Now(), uint64(0)
				ok := f.run(func(s coordinator.Status) bool {
					rounds = max(rounds, s.Round)
					return s.Finished != "" || !c.done && s.Round > 2
				})
				if !ok {
					t.Error("wedged")
				}
				h, err := f.check(t.Context())
				if err != nil {
					t.Error(err)
				}
				if c.done {
					if err := f.checkResumed(h, 0); err != nil {
						t.Error(err)
					}
				}
				t.Logf("%d rounds in %v, %d published, abandoned: %q", rounds, f.took(start), len(h.published), h.abandoned)
				if t.Failed() {
					t.Logf("%s", f.logs)
				}
			})
		})
	}
}

// TestCoordinatorsDiskThatLies: at a loss of power the coordinator's disk turns out to have
// kept nothing since some write, whatever it said. If a hospital has seen more of the log,
// nobody leads it any more, and the operator is told; else the federation goes on.
func TestCoordinatorsDiskThatLies(t *testing.T) {
	base := t.TempDir()
	var r roster
	var before, after disks
	var writes []func(*storagetest.Memory)
	synctest.Test(t, func(t *testing.T) {
		var d disks
		r, d = newRoster(t, base, 4, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 2, 0 })
		before = d.clone(t, filepath.Join(base, "before"))
		f := newFed(t, r, d, wounds{})
		if !f.run(func(s coordinator.Status) bool { return s.Version >= 2 }) {
			t.Fatalf("%s", f.logs)
		}
		after, writes = d.clone(t, filepath.Join(base, "after")), f.writes
	})
	const cases = 9
	for i := range cases + 1 {
		kept := len(writes) * i / cases
		t.Run(fmt.Sprintf("%d-of-%d-writes-kept", kept, len(writes)), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := after.clone(t, t.TempDir())
				d.log = before.log.Clone()
				for _, write := range writes[:kept] {
					write(d.log)
				}
				f := newFed(t, r, d, wounds{})
				tree, err := roundlog.Read(t.Context(), d.log, r.charter.LogKey, nil)
				if err != nil {
					t.Fatal(err)
				}
				seen := int64(0)
				for i := range r.hospitals {
					s, err := client.ReplayJournal(f.config(i, storagetest.NewFaulty(d.stores[i], storagetest.Fault{})))
					if err != nil {
						t.Fatal(err)
					}
					seen = max(seen, s.Seen.Size)
				}
				refused := func() bool {
					return strings.Contains(f.logs.String(), "this store is an older copy or a fork, restore the newest one")
				}
				f.run(func(s coordinator.Status) bool { return s.Finished != "" || refused() })
				if lost := tree.Size() < seen; lost != refused() {
					t.Errorf("the log has %d entries of %d that a hospital saw: refused: %v", tree.Size(), seen, refused())
				}
				if err := f.checkSends(); err != nil {
					t.Error(err)
				}
				if !refused() {
					if _, err := f.check(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if t.Failed() {
					t.Logf("%s", f.logs)
				}
			})
		})
	}
	t.Run("a-batch-in-the-middle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := after.clone(t, t.TempDir())
			d.log.Set(storage.Batch(9), nil)
			f := newFed(t, r, d, wounds{})
			says := "log/000000000009: batch is missing"
			f.run(func(coordinator.Status) bool { return strings.Contains(f.logs.String(), says) })
			if !strings.Contains(f.logs.String(), says) {
				t.Errorf("nobody says %q:\n%s", says, f.logs)
			}
		})
	})
}
