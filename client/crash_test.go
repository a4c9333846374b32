package client_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/storage/storagetest"
)

// stage is where the disks of a federation stand before a round of one kind, and what
// that round writes when nothing fails.
type stage struct {
	kind federation.RoundKind
	disks
	writes []int // of the coordinator and of each hospital
}

// over reports whether the round of a stage is done and the federation goes on.
func (s stage) over(status coordinator.Status) bool {
	reached := map[federation.RoundKind]bool{
		federation.Statistics: status.Version >= 1 && status.Kind != federation.Statistics,
		federation.Train:      status.Version >= 2 && status.Kind != federation.Train,
		federation.Evaluate:   status.Finished != "",
	}
	return reached[s.kind]
}

// ending is how many objects the coordinator writes after the entry that publishes: card,
// tiles, checkpoint, envelopes deleted, and the next round's first.
const ending = 12

// newStages runs a federation that nothing happens to, stage by stage.
func newStages(t *testing.T, hospitals int) (roster, []stage) {
	var r roster
	var stages []stage
	base := t.TempDir() // for longer than the bubble
	synctest.Test(t, func(t *testing.T) {
		var d disks
		r, d = newRoster(t, base, hospitals, func(*federation.Plan) {})
		for _, kind := range []federation.RoundKind{federation.Statistics, federation.Train, federation.Evaluate} {
			s := stage{kind: kind, disks: d.clone(t, filepath.Join(base, string(kind)))}
			next := newFed(t, r, d, wounds{})
			next.until = kind
			next.run(func(coordinator.Status) bool { return next.died("coordinator") })
			s.writes = append(s.writes, len(next.faulty["coordinator"].Writes())+ending)
			for _, h := range r.hospitals {
				s.writes = append(s.writes, len(next.faulty[h.name].Writes()))
			}
			stages = append(stages, s)
		}
	})
	return r, stages
}

// crash is one case of the matrix.
type crash struct {
	stage stage
	who   int // 0: the coordinator; i: hospital i-1
	fault storagetest.Fault
}

func (s stage) crashes() []crash {
	var all []crash
	for who, n := range s.writes {
		for _, f := range storagetest.Faults(n) {
			all = append(all, crash{s, who, f})
		}
	}
	return all
}

// TestCrashMatrix: whatever one write of one process does, the round ends with every
// acknowledged update in its sum once, or is abandoned with its reason, and the next goes
// on. All cases run with ATRIUM_CRASH=full, a few of them otherwise.
func TestCrashMatrix(t *testing.T) {
	step := 41 * slower
	if os.Getenv("ATRIUM_CRASH") == "full" {
		step = 1
	}
	var ran, fired, abandoned atomic.Int64
	var longest time.Duration
	var mu sync.Mutex
	t.Run("cases", func(t *testing.T) {
		for _, hospitals := range []int{4, 3} {
			r, stages := newStages(t, hospitals)
			for _, s := range stages {
				list := s.crashes()
				for i := 0; i < len(list); i += step {
					c := list[i]
					t.Run(fmt.Sprintf("%d-hospitals/%s/process-%d/%s", hospitals, s.kind, c.who, c.fault), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							o := c.run(t, r)
							ran.Add(1)
							fired.Add(o.fired)
							abandoned.Add(o.abandoned)
							mu.Lock()
							longest = max(longest, o.took)
							mu.Unlock()
						})
					})
				}
			}
		}
	})
	t.Logf("%d cases, %d of them met their write, %d rounds abandoned, the longest %s", ran.Load(), fired.Load(), abandoned.Load(), longest)
}

// aftermath is what a case came to.
type aftermath struct {
	fired, abandoned int64
	took             time.Duration // of fake time
}

func (c crash) run(t *testing.T, r roster) aftermath {
	w := wounds{daemons: make([]storagetest.Fault, len(r.hospitals))}
	name := "coordinator"
	if c.who == 0 {
		w.coordinator = c.fault
	} else {
		w.daemons[c.who-1] = c.fault
		name = r.hospitals[c.who-1].name
	}
	f := newFed(t, r, c.stage.clone(t, t.TempDir()), w)
	start := time.Now().Add(settled)
	if !f.run(c.stage.over) {
		t.Errorf("wedged")
	}
	o := aftermath{took: time.Since(start)}
	h, err := f.check(t.Context())
	if err != nil {
		t.Error(err)
	}
	o.abandoned = int64(len(h.abandoned))
	for _, reason := range h.abandoned {
		t.Logf("abandoned: %s", reason)
	}
	if err := f.checkResumed(h, c.who); err != nil {
		t.Error(err)
	}
	writes := f.faulty[name].Writes()
	if len(writes) >= c.fault.At {
		o.fired = 1
		t.Logf("the write was of %s", writes[c.fault.At-1])
	}
	if t.Failed() {
		t.Logf("%s", f.logs)
	}
	return o
}
