package round_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// world is one random federation: a fake clock, a network that loses, repeats and
// delays, a coordinator and hospitals that stop at any step, all from one seed.
type world struct {
	t       testing.TB
	seed    uint64
	rng     *rand.Rand
	now     time.Duration // since start
	events  queue
	serial  int
	healthy bool // faults are over

	charter   federation.Charter
	plan      federation.Plan
	blobs     map[federation.Digest]any // what the coordinator's store holds
	coord     *coordinator
	hospitals []*hospital
	forever   *hospital // gone for good, if any
	bytes     int64     // of the ciphertexts of a candidate

	reluctant float64 // how often a custodian that was ready declines to send

	opened map[string][]opened                           // question -> what t custodians sent for
	given  map[federation.Digest][]federation.HospitalID // candidate -> who sent for it
	trace  []string
}

// opened is a candidate for which t custodians sent.
type opened struct{ manifest, candidate, set federation.Digest }

type happening struct {
	at     time.Duration
	serial int
	do     func()
}

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
	*q = old[:len(old)-1]
	return last
}

func (w *world) after(d time.Duration, do func()) {
	w.serial++
	heap.Push(&w.events, happening{w.now + d, w.serial, do})
}

// between is a random duration in [a, b) milliseconds.
func (w *world) between(a, b int) time.Duration {
	return time.Duration(a+w.rng.IntN(b-a)) * time.Millisecond
}

// faulty is true with probability p until the faults are over.
func (w *world) faulty(p float64) bool { return w.rng.Float64() < p && !w.healthy }

func (w *world) digest(what string) federation.Digest {
	return federation.Sum(fmt.Appendf(nil, "%s %d", what, w.rng.Uint64()))
}

// carry delivers a message over the network: perhaps never, late, or twice.
func (w *world) carry(deliver func()) {
	if w.faulty(0.08) {
		return
	}
	for range 1 + w.rng.IntN(20)/19 {
		d := w.between(5, 200)
		if w.faulty(0.05) {
			d = w.between(1000, 30_000)
		}
		w.after(d, deliver)
	}
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%8.3f ", w.now.Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	if len(w.trace) > 200 {
		w.trace = w.trace[len(w.trace)-200:]
	}
	w.t.Fatalf("seed %d at %v: %s\nrepeat with: go test ./coordinator/round -run RandomFederations -federation.seed=%d\n%s",
		w.seed, w.now, fmt.Sprintf(format, args...), w.seed, strings.Join(w.trace, "\n"))
}

// run lets the world go on until the predicate holds or the clock reaches end.
func (w *world) run(end time.Duration, until func() bool) bool {
	for w.events.Len() > 0 && !until() {
		e := heap.Pop(&w.events).(happening)
		if e.at > end {
			heap.Push(&w.events, e)
			w.now = end
			return false
		}
		w.now = e.at
		e.do()
	}
	return until()
}

// newWorld sets a federation up; nothing has happened yet.
func newWorld(t testing.TB, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 20260301))
	w := &world{t: t, seed: seed, rng: rng, blobs: map[federation.Digest]any{},
		opened: map[string][]opened{}, given: map[federation.Digest][]federation.HospitalID{}}
	n := 3 + rng.IntN(4)
	groups := 1
	if n == 6 {
		groups += rng.IntN(2)
	}
	w.charter = testCharter(t, n, groups)
	if seed%4 == 3 {
		w.charter.Retention.Rounds = 1
	}
	w.plan = testPlan(1+rng.IntN(3), rng.IntN(3))
	if seed%3 == 1 { // some are drawn, and there may be one more than are wanted
		w.plan.Schedule.Cohort = federation.Cohort{Size: w.charter.MinCohort, Extra: float64(seed%2) / 3, Seed: int(seed)}
	}
	if seed%3 == 0 {
		w.bytes = federation.AddBytes + 1
	}
	if seed%7 == 6 {
		w.charter.Cohort, w.charter.Guard, w.plan.Schedule.Cohort = federation.CohortAll, 0, federation.Cohort{}
	}
	if seed%4 == 1 {
		w.reluctant = 0.5
	}
	if seed%5 == 2 {
		w.plan.Schedule.Deadline = federation.Deadline{Mode: federation.DeadlineAuto, Least: 1 + int(seed%7), Quantile: 0.6, Factor: 1.5}
	}
	w.coord = &coordinator{w: w, lastPoll: map[federation.HospitalID]time.Duration{}}
	hostile := -1
	if rng.IntN(3) == 0 {
		hostile = rng.IntN(n)
	}
	for i, m := range w.charter.Members {
		h := &hospital{w: w, id: m.ID, name: string(rune('A' + i)), hostile: i == hostile}
		w.hospitals = append(w.hospitals, h)
		w.after(w.lateness(), h.boot)
	}
	w.coord.boot()
	return w
}

// lateness is when a hospital first appears.
func (w *world) lateness() time.Duration {
	if w.rng.IntN(4) == 0 {
		return w.between(0, 60_000)
	}
	return w.between(0, 2000)
}

// gave is the oracle of the guarantee: it hears of every send that exists, delivered or not.
// A question is opened once; again only of the same hospitals, after the log said that no
// group of it held.
func (w *world) gave(id federation.HospitalID, h federation.Header, manifest federation.Digest, list federation.Candidate) {
	name := list.Digest()
	who := w.given[name]
	if slices.Contains(who, id) {
		w.fail("%s sent twice for candidate %s", id, name.Short())
	}
	w.given[name] = append(who, id)
	if len(w.given[name]) != w.charter.Threshold {
		return
	}
	now := opened{manifest, name, federation.SetDigest(list.Set())}
	for _, q := range w.plan.QuestionsOf(h.Kind, h.Parameters, h.Part) {
		for _, before := range w.opened[q] {
			if before.set != now.set || before.manifest == manifest || !w.coord.failed(before.manifest) {
				w.fail("question %s was opened by candidate %s and again by %s", q, before.candidate.Short(), name.Short())
			}
		}
		w.opened[q] = append(w.opened[q], now)
	}
}

// check examines the whole log once a run is over.
func (w *world) check() {
	acknowledged := map[uint64]map[federation.HospitalID]bool{}
	for _, e := range w.coord.decoded() {
		switch e.Kind {
		case round.Update:
			if acknowledged[e.Round] == nil {
				acknowledged[e.Round] = map[federation.HospitalID]bool{}
			}
			if acknowledged[e.Round][e.Hospital] {
				w.fail("round %d acknowledges two updates of %s", e.Round, e.Hospital)
			}
			acknowledged[e.Round][e.Hospital] = true
		case round.Discard:
			if acknowledged[e.Round][e.Hospital] {
				w.fail("round %d discards an acknowledged update of %s", e.Round, e.Hospital)
			}
		case round.Candidate:
			for _, id := range e.Hospitals { // dropped, and the log says so
				delete(acknowledged[e.Round], id)
			}
		case round.Publish:
			w.checkResult(e, acknowledged[e.Round])
		case round.Abandon, round.Finish:
			if e.Reason == "" {
				w.fail("round %d ended without a reason", e.Round)
			}
		}
	}
}

// checkResult: the published sum of one-hot updates has a 1 for every acknowledged
// update of a group that was not dropped as too small, and nothing else but 0.
func (w *world) checkResult(e round.Entry, acknowledged map[federation.HospitalID]bool) {
	sum := w.blobs[e.Blob].(map[federation.HospitalID]int)
	for g, group := range w.charter.Groups {
		left := 0
		for _, id := range group {
			if acknowledged[id] {
				left++
			}
		}
		for _, id := range group {
			want := 0
			if acknowledged[id] && slices.Contains(e.Groups, g) {
				want = 1
			}
			if acknowledged[id] && left >= w.charter.MinCohort && !slices.Contains(e.Groups, g) {
				w.fail("round %d: group %d of %d updates is not in the sum", e.Round, g, left)
			}
			if sum[id] != want {
				w.fail("round %d: %s is counted %d times, want %d", e.Round, id, sum[id], want)
			}
		}
	}
}
