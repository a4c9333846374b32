package simulate

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// world is a federation in virtual time.
type world struct {
	ctx     context.Context
	cfg     Config
	plan    federation.Plan
	charter federation.Charter
	start   time.Time // of virtual time
	now     time.Duration
	events  queue
	serial  int
	err     error // ends the run

	blobs map[federation.Digest]any // what the coordinator's store holds of the round under way
	coord *coordinator
	hosts []*host // by index in the population
	byID  map[federation.HospitalID]*host
	lines lines
	kept  *records

	rounds []RoundResult
	opened time.Duration // of the last
}

type happening struct {
	at     time.Duration
	serial int
	do     func()
}

// queue orders events by time, those of one moment as they were made.
type queue []happening

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || (q[i].at == q[j].at && q[i].serial < q[j].serial)
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(happening)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = happening{}
	*q = old[:len(old)-1]
	return last
}

func (w *world) at(t time.Duration, do func()) {
	w.serial++
	heap.Push(&w.events, happening{max(t, w.now), w.serial, do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now+d, do) }

// fail ends the run.
func (w *world) fail(err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("after %s of virtual time, round %d: %w", w.now.Round(time.Second), w.coord.state.Round.Number, err)
	}
}

func (w *world) moment() time.Time { return w.start.Add(w.now) }

// Run simulates a plan from its first round to its end. Errors are the context's, the
// store's, and those of a plan that does not end.
func Run(ctx context.Context, c Config) (Result, error) {
	w, err := newWorld(ctx, c)
	if err != nil {
		return Result{}, err
	}
	for w.err == nil && w.coord.state.Finished == "" {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		e := heap.Pop(&w.events).(happening)
		if err := w.overdue(e.at); err != nil {
			return Result{}, err
		}
		w.now = e.at
		e.do()
	}
	if w.err != nil {
		return Result{}, w.err
	}
	return w.result(), nil
}

// overdue says that a round, or all of them, takes too long to be worth waiting for.
func (w *world) overdue(now time.Duration) error {
	s := w.coord.state
	if len(w.rounds) == 0 || (now < MaxTime && now-w.opened < MaxRound) {
		return nil
	}
	return fmt.Errorf("the plan does not end: round %d is %s after %.0f days: %s",
		s.Round.Number, s.Round.Phase, (now-w.opened).Hours()/24, round.Waiting(s))
}

func newWorld(ctx context.Context, c Config) (*world, error) {
	w := &world{ctx: ctx, cfg: c, plan: c.Plan, blobs: map[federation.Digest]any{}, byID: map[federation.HospitalID]*host{},
		start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC).Add(hours(c.Profiles.StartHour))} // a Monday
	if err := c.checkMemory(); err != nil {
		return nil, err
	}
	charter, index, err := c.charter()
	if err != nil {
		return nil, err
	}
	if err := federation.CheckRule(charter, c.Plan); err != nil {
		return nil, err
	}
	w.charter = charter
	w.hosts = make([]*host, len(c.Population))
	for id, i := range index {
		w.hosts[i] = newHost(w, i, id)
		w.byID[id] = w.hosts[i]
	}
	w.coord = newCoordinator(w)
	if w.kept, err = openRecords(w); err != nil {
		return nil, err
	}
	for _, h := range w.hosts {
		h.begin()
	}
	w.coord.begin()
	return w, w.err
}

// checkMemory refuses a population whose contributions do not fit into memory.
func (c Config) checkMemory() error {
	const perField = 4 + 8
	fields := c.Plan.Format(federation.Train).Count()
	if need := int64(fields) * int64(len(c.Population)) * perField; need > MaxMemory {
		return fmt.Errorf("%d hospitals with %d numbers each take %d MiB at once: at most %d; simulate fewer hospitals or a smaller model",
			len(c.Population), fields, need>>20, int64(MaxMemory)>>20)
	}
	return nil
}
