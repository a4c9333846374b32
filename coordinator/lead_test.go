package coordinator_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// pair is a federation in memory that several coordinators share.
type pair struct {
	t       *testing.T
	bucket  *storagetest.Memory
	key     *roundlog.Key
	charter federation.Charter
	plans   int
}

func newPair(t *testing.T) *pair {
	t.Helper()
	r, err := setup.Init(t.Context(), setup.Options{Dir: filepath.Join(t.TempDir(), "fed"), Hospitals: []string{"a", "b", "c", "d"}, Numbers: federation.Tolerant(4, 1),
		Plan: plans.Cardiology()})
	p := &pair{t: t, bucket: storagetest.NewMemory(), charter: r.Charter}
	p.must(err)
	p.key, err = setup.LoadLogKey(filepath.Join(r.Coordinator, "log.key"))
	p.must(err)
	disk, err := local.Open(r.Storage)
	p.must(err)
	defer disk.Close()
	objects, err := disk.List(t.Context(), "")
	p.must(err)
	for _, o := range objects {
		data, err := disk.Get(t.Context(), o.Name, 0, -1)
		p.must(err)
		p.bucket.Set(o.Name, data)
	}
	return p
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// member is one coordinator of a pair.
type member struct {
	*coordinator.Coordinator
	gate *gate
	stop context.CancelFunc
	done chan error
}

// start runs a coordinator under a name, which is its address too.
func (p *pair) start(name string) *member {
	p.t.Helper()
	m := &member{gate: &gate{Bucket: p.bucket}, done: make(chan error, 1)}
	var err error
	m.Coordinator, err = coordinator.Open(p.t.Context(), coordinator.Config{Bucket: m.gate, Key: p.key, Charter: p.charter,
		Name: name, Addresses: []string{name + ":7443"}})
	p.must(err)
	ctx, cancel := context.WithCancel(p.t.Context())
	m.stop = cancel
	go func() { m.done <- m.Run(ctx) }()
	return m
}

// leads reports whether a coordinator leads once nothing moves.
func leads(m *member) bool {
	synctest.Wait()
	return m.View().Leads
}

// plan returns a plan that no one has set yet, stored.
func (p *pair) plan() round.PlanAccepted {
	p.t.Helper()
	plan := plans.Cardiology()
	p.plans++
	plan.Name = fmt.Sprintf("plan-%d", p.plans)
	digest, err := storage.PutBlob(p.t.Context(), p.bucket, federation.Encode(plan))
	p.must(err)
	return round.PlanAccepted{Plan: digest, Schedule: plan.Schedule}
}

// entries reads the whole log and returns its kinds and epochs in order.
func (p *pair) entries() (kinds []string) {
	p.t.Helper()
	_, err := roundlog.Read(p.t.Context(), p.bucket, p.key.Verifier(), func(b roundlog.Batch) error {
		for _, raw := range b.Entries {
			e, err := round.DecodeEntry(raw)
			p.must(err)
			kinds = append(kinds, fmt.Sprintf("%s@%d", e.Kind, b.Epoch))
		}
		return nil
	})
	p.must(err)
	return kinds
}

// gate is a Bucket that a test can stop, as a paused process or a lost network would be.
type gate struct {
	storage.Bucket
	mu     sync.Mutex
	paused chan struct{} // closed when calls go on
	broken error         // what every call returns
	stored bool          // although the call took effect
}

func (g *gate) pause() (resume func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	paused := make(chan struct{})
	g.paused = paused
	return func() { close(paused) }
}

func (g *gate) fail(err error, stored bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broken, g.stored = err, stored
}

func (g *gate) pass(do func() error) error {
	g.mu.Lock()
	paused, broken, stored := g.paused, g.broken, g.stored
	g.mu.Unlock()
	if paused != nil {
		<-paused
	}
	if broken == nil {
		return do()
	}
	if stored {
		_ = do()
	}
	return broken
}

func (g *gate) Get(ctx context.Context, name string, offset, length int64) (data []byte, err error) {
	err = g.pass(func() error { data, err = g.Bucket.Get(ctx, name, offset, length); return err })
	return data, err
}

func (g *gate) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	return g.pass(func() error { return g.Bucket.PutIfAbsent(ctx, name, data) })
}

func (g *gate) CompareAndSwap(ctx context.Context, name string, old, new []byte) error {
	return g.pass(func() error { return g.Bucket.CompareAndSwap(ctx, name, old, new) })
}

// TestTakeover: a leader that is paused is succeeded within ten seconds; when it wakes it
// finds its slot taken, refuses what it was asked and stands by. Nothing is written twice.
func TestTakeover(t *testing.T) {
	p := newPair(t)
	synctest.Test(t, func(t *testing.T) {
		p.t = t
		a := p.start("a")
		if !leads(a) {
			t.Fatal("the first coordinator does not lead")
		}
		b := p.start("b")
		time.Sleep(20 * time.Second)
		if leads(b) || !leads(a) {
			t.Fatal("the second one leads while the first one lives")
		}
		if v := b.View(); !v.Led || len(v.Leader) != 1 || v.Leader[0] != "a:7443" || v.State.Round.Number != 1 {
			t.Errorf("the standby knows leader %q in round %d", v.Leader, v.State.Round.Number)
		}
		var elsewhere *coordinator.NotLeader
		if err := b.Submit(t.Context(), p.plan()); !errors.As(err, &elsewhere) || elsewhere.Leader[0] != "a:7443" || !errors.Is(err, coordinator.ErrNotLeader) {
			t.Errorf("the standby was asked: %v", err)
		}
		resume := a.gate.pause()
		late := make(chan error, 1)
		go func() {
			late <- a.Submit(t.Context(), round.MessageRefused{Round: 1, Hospital: p.charter.Members[0].ID, Role: federation.RoleUpdate, Reason: "x"})
		}()
		start := time.Now()
		for !leads(b) {
			time.Sleep(50 * time.Millisecond)
		}
		if took := time.Since(start); took > 10*time.Second || took < 4*time.Second {
			t.Errorf("takeover after %v", took)
		} else {
			t.Logf("takeover after %v", took)
		}
		resume()
		<-late // refused by the machine or by the coordinator: the phase has no such entry
		time.Sleep(2 * time.Second)
		if leads(a) || !leads(b) {
			t.Fatal("the old leader leads again")
		}
		if v := a.View(); len(v.Leader) != 1 || v.Leader[0] != "b:7443" {
			t.Errorf("the old leader knows %q", v.Leader)
		}
		b.stop()
		if err := <-b.done; err != nil {
			t.Error(err)
		}
		start = time.Now()
		for !leads(a) {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("takeover of a lease that was given up after %v", took)
		}
		a.stop()
		if err := <-a.done; err != nil {
			t.Error(err)
		}
		if got := strings.Join(p.entries(), " "); got != "genesis@0 plan@0 lead@1 open@1 lead@2 lead@3" {
			t.Errorf("log: %s", got)
		}
	})
}

// TestSlotTaken: a leader whose write is paused until another leads decides nothing again.
func TestSlotTaken(t *testing.T) {
	p := newPair(t)
	synctest.Test(t, func(t *testing.T) {
		p.t = t
		a, b := p.start("a"), (*member)(nil)
		if !leads(a) {
			t.Fatal("it does not lead")
		}
		resume := a.gate.pause()
		late := make(chan error, 1)
		go func() {
			late <- a.Submit(t.Context(), p.decline(a, 0))
		}()
		synctest.Wait()
		b = p.start("b")
		for !leads(b) {
			time.Sleep(50 * time.Millisecond)
		}
		resume()
		if err := <-late; !errors.Is(err, coordinator.ErrNotLeader) {
			t.Errorf("the decline whose slot was taken: %v", err)
		}
		time.Sleep(2 * time.Second)
		for _, m := range []*member{a, b} {
			m.stop()
			if err := <-m.done; err != nil {
				t.Error(err)
			}
		}
		if got := strings.Join(p.entries(), " "); got != "genesis@0 plan@0 lead@1 open@1 lead@2" {
			t.Errorf("log: %s", got)
		}
	})
}

// TestStorageThatDoesNotAnswer: for half a minute no call of the leader succeeds, stored
// or not. Who asks is told so, nothing ends, and what was begun is there once.
func TestStorageThatDoesNotAnswer(t *testing.T) {
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprintf("stored=%v", stored), func(t *testing.T) {
			p := newPair(t)
			synctest.Test(t, func(t *testing.T) {
				p.t = t
				a := p.start("a")
				if !leads(a) {
					t.Fatal("it does not lead")
				}
				decline := p.decline(a, 0)
				a.gate.fail(errors.New("connection refused"), stored)
				for range 60 {
					if err := a.Submit(t.Context(), decline); !errors.Is(err, coordinator.ErrUnavailable) {
						t.Fatalf("while the storage is away: %v", err)
					}
					time.Sleep(500 * time.Millisecond)
				}
				a.gate.fail(nil, false)
				time.Sleep(time.Second)
				if err := a.Submit(t.Context(), decline); err != nil {
					t.Errorf("the same again: %v", err)
				}
				a.stop()
				if err := <-a.done; err != nil {
					t.Error(err)
				}
				if got := strings.Join(p.entries(), " "); got != "genesis@0 plan@0 lead@1 open@1 decline@1" {
					t.Errorf("log: %s", got)
				}
			})
		})
	}
}

// TestBrokenStorageIsFatal: after an fsync error nobody knows what the disk holds.
func TestBrokenStorageIsFatal(t *testing.T) {
	p := newPair(t)
	synctest.Test(t, func(t *testing.T) {
		p.t = t
		a := p.start("a")
		if !leads(a) {
			t.Fatal("it does not lead")
		}
		a.gate.fail(fmt.Errorf("log: %w", local.ErrFsync), true)
		err := a.Submit(t.Context(), p.decline(a, 0))
		if !errors.Is(err, coordinator.ErrStopped) {
			t.Errorf("submitted: %v", err)
		}
		if err := <-a.done; !errors.Is(err, local.ErrFsync) {
			t.Errorf("it ended with: %v", err)
		}
		if err := a.Submit(t.Context(), round.PlanEnded{}); !errors.Is(err, coordinator.ErrStopped) {
			t.Errorf("submitted later: %v", err)
		}
	})
}

// decline is an event that the log takes while round 1 gathers.
func (p *pair) decline(m *member, member int) round.Event {
	return round.DeclineVerified{Decline: federation.Decline{V: 1, Header: m.View().State.Round.Header,
		Hospital: p.charter.Members[member].ID, Role: federation.RoleUpdate, Reason: "x"}, Blob: federation.Sum([]byte("x"))}
}

// TestRefusesToLead: what was published, or a later slot, lies beyond what a standby
// replayed, or the roots differ. It says so and ends; the log stays as it is.
func TestRefusesToLead(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(p *pair, a *member, other *storagetest.Memory)
		want   error
		says   string
	}{
		{"a checkpoint beyond the log", func(p *pair, _ *member, other *storagetest.Memory) {
			p.copy(other, storage.Checkpoint)
		}, roundlog.ErrBehind, "refuse to lead: this store is older than what was published from it, restore its newest copy"},
		{"a slot beyond the log", func(p *pair, _ *member, other *storagetest.Memory) {
			p.copy(other, storage.Batch(4))
		}, roundlog.ErrHole, "refuse to lead: log/000000000003: batch is missing"},
		{"another root", func(p *pair, a *member, other *storagetest.Memory) {
			p.must(a.Submit(p.t.Context(), p.decline(a, 1)))
			p.copy(other, storage.Checkpoint)
		}, roundlog.ErrFork, "root does not match the log"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPair(t)
			synctest.Test(t, func(t *testing.T) {
				p.t = t
				a := p.start("a")
				leads(a)
				other := &pair{t: t, bucket: p.bucket.Clone(), key: p.key, charter: p.charter}
				fork := other.start("a") // goes on from a copy: lead@2, and one more
				leads(fork)
				p.must(fork.Submit(t.Context(), p.decline(fork, 0)))
				fork.stop()
				p.must(<-fork.done)
				b := p.start("b")
				time.Sleep(5 * time.Second)
				tc.damage(p, a, other.bucket)
				before := len(p.batches())
				a.stop()
				p.must(<-a.done)
				if err := <-b.done; !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("the standby ended with %v, want %v: %q", err, tc.want, tc.says)
				}
				if after := len(p.batches()); after != before {
					t.Errorf("%d batches, there were %d", after, before)
				}
			})
		})
	}
}

func (p *pair) copy(from *storagetest.Memory, name string) {
	p.t.Helper()
	data, err := from.Get(p.t.Context(), name, 0, -1)
	p.must(err)
	p.bucket.Set(name, data)
}

func (p *pair) batches() []storage.ObjectInfo {
	p.t.Helper()
	list, err := p.bucket.List(p.t.Context(), storage.LogFolder)
	p.must(err)
	return list
}

// TestHospitalSawMore: a hospital's number alone stops nothing; a checkpoint that the log's
// key signed, beyond the log or with another root, ends the leadership.
func TestHospitalSawMore(t *testing.T) {
	p := newPair(t)
	synctest.Test(t, func(t *testing.T) {
		p.t = t
		other := &pair{t: t, bucket: p.bucket.Clone(), key: p.key, charter: p.charter}
		ahead := other.start("a")
		leads(ahead)
		p.must(ahead.Submit(t.Context(), other.decline(ahead, 0)))
		ahead.stop()
		p.must(<-ahead.done)
		more := other.start("a") // publishes as it begins
		leads(more)
		v := more.View()
		seen := coordinator.Poll{SeenSize: v.Head.Size, Checkpoint: v.Checkpoint}
		more.stop()
		p.must(<-more.done)

		id := p.charter.Members[0].ID
		a := p.start("a")
		leads(a)
		for _, poll := range []coordinator.Poll{{SeenSize: 1 << 40}, {SeenSize: 1 << 40, Checkpoint: seen.Checkpoint},
			{SeenSize: seen.SeenSize, Checkpoint: []byte("x")}} {
			if _, _, err := a.WorkFor(t.Context(), a.View(), id, poll); !errors.Is(err, coordinator.ErrAhead) {
				t.Errorf("%d entries by word: %v", poll.SeenSize, err)
			}
		}
		if !leads(a) {
			t.Fatal("a hospital's word ended it")
		}
		if _, _, err := a.WorkFor(t.Context(), a.View(), id, seen); !errors.Is(err, coordinator.ErrAhead) {
			t.Errorf("%d entries with proof: %v", seen.SeenSize, err)
		}
		if err := <-a.done; !errors.Is(err, roundlog.ErrBehind) || !strings.Contains(err.Error(), "stop leading: hospital "+string(id)) {
			t.Errorf("it ended with %v", err)
		}
		again := p.start("a") // goes on with the copy, until it is as long
		leads(again)
		for again.View().Head.Size < seen.SeenSize {
			again.stop()
			p.must(<-again.done)
			again = p.start("a")
			leads(again)
		}
		if _, _, err := again.WorkFor(t.Context(), again.View(), id, seen); !errors.Is(err, coordinator.ErrAhead) {
			t.Errorf("another root: %v", err)
		}
		if err := <-again.done; !errors.Is(err, roundlog.ErrFork) {
			t.Errorf("the fork ended with %v", err)
		}
	})
}
