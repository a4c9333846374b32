package client_test

import (
	"context"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// id is the pseudonym of hospital i.
func (r roster) id(i int) federation.HospitalID {
	return federation.NewHospitalID(r.charter.Federation, r.hospitals[i].identity.Public().(ed25519.PublicKey))
}

// TestSlowHospital: a hospital trains for half an hour, the others for ten seconds. Rounds
// that draw five and are content with four do not wait for it, neither for its update nor
// for its word as a custodian; what it gave up is told.
func TestSlowHospital(t *testing.T) {
	const rounds, slow = 12, 2
	base := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, d := newRoster(t, base, 6, func(p *federation.Plan) {
			p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Schedule.UpdateSeconds = rounds, 0, 3600
			p.Schedule.Cohort = federation.Cohort{Size: 4, Extra: 0.25}
		})
		f := newFed(t, r, d, wounds{})
		f.train = func(ctx context.Context, i int) {
			if i == slow {
				sleep(ctx, 30*time.Minute)
				return
			}
			sleep(ctx, 10*time.Second)
		}
		start := time.Now()
		if !f.run(ended) {
			t.Error("wedged")
		}
		if took := f.took(start); took > rounds*15*time.Second {
			t.Errorf("%d rounds took %v", rounds, took)
		}
		h, err := f.check(t.Context())
		if err != nil || len(h.abandoned) > 0 {
			t.Errorf("%v; abandoned: %v", err, h.abandoned)
		}
		asked := 0
		for _, p := range h.published {
			if p.round.Kind != federation.Train {
				continue
			}
			if p.round.InCohort(r.id(slow)) {
				asked++
			}
			if n := len(p.round.S[0]); n < 4 || len(p.round.Cohort[0]) != 5 || slices.Contains(p.round.S[0], r.id(slow)) {
				t.Errorf("round %d asked %d and sums %d", p.round.Number, len(p.round.Cohort[0]), n)
			}
		}
		if gave := strings.Count(f.logs.String(), `msg="gave up"`); asked < 5 || gave != asked {
			t.Errorf("it was asked %d times and gave up %d times", asked, gave)
		}
		if t.Failed() {
			t.Logf("%s", f.logs)
		}
	})
}

// TestEveryOtherDay: a hospital's machine is off every other day, of six minutes here,
// while a round takes one. Rounds neither wait for it nor stop; when it is back it is asked
// again, for the newest version, without delay.
func TestEveryOtherDay(t *testing.T) {
	const (
		rounds, away = 22, 3
		day          = 6 * time.Minute
	)
	base := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, d := newRoster(t, base, 6, func(p *federation.Plan) {
			p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Schedule.UpdateSeconds = rounds, 0, 600
			p.Schedule.Cohort = federation.Cohort{Size: 5}
		})
		f := newFed(t, r, d, wounds{})
		start := time.Now().Add(settled)
		on := func(at time.Time) (is bool, left time.Duration) {
			since := at.Sub(start) - 350*time.Millisecond
			return (since/day)%2 == 0, day - since%day
		}
		f.train = func(ctx context.Context, _ int) { sleep(ctx, time.Minute) }
		f.shift = func(ctx context.Context, i int) (context.Context, context.CancelFunc) {
			if i != away {
				return ctx, func() {}
			}
			is, left := on(time.Now())
			if !is {
				sleep(ctx, left)
				_, left = on(time.Now())
			}
			return context.WithTimeout(ctx, left)
		}
		if !f.run(ended) {
			t.Error("wedged")
		}
		if took := f.took(start.Add(-settled)); took > rounds*66*time.Second {
			t.Errorf("%d rounds of a minute took %v", rounds, took)
		}
		h, err := f.check(t.Context())
		if err != nil || len(h.abandoned) > 0 {
			t.Errorf("%v; abandoned: %v", err, h.abandoned)
		}
		counts := map[bool]int{} // rounds that summed it, by whether they began while it was on
		var missed []uint64      // rounds that began while it was on and asked five others
		for _, p := range h.published {
			if p.round.Kind != federation.Train {
				continue
			}
			opened, err := federation.ParseTime(p.round.Opened)
			if err != nil {
				t.Fatal(err)
			}
			is, left := on(opened)
			summed := slices.Contains(p.round.S[0], r.id(away))
			switch {
			case summed:
				counts[is]++
			case is && left > 70*time.Second && p.round.InCohort(r.id(away)):
				t.Errorf("round %d asked it, while it was there, and does not sum it", p.round.Number)
			case is && left > 70*time.Second:
				missed = append(missed, p.round.Number)
			}
			if n := len(p.round.S[0]); n < 4 {
				t.Errorf("round %d sums %d", p.round.Number, n)
			}
		}
		// Drawn five of six times, in about ten rounds.
		if counts[true] < 5 || counts[false] > 0 || len(missed) > 5 {
			t.Errorf("it was summed in %d rounds while it was on, in %d while it was off, and not drawn in %v", counts[true], counts[false], missed)
		}
		if last := h.published[len(h.published)-1]; last.entry.Kind != round.Publish || h.state.Model.Number != rounds+1 {
			t.Errorf("the last version is %d", h.state.Model.Number)
		}
		if t.Failed() {
			t.Logf("%s", f.logs)
		}
	})
}

// TestPartialWork: a hospital that would need four times the time for updates takes as many
// steps as fit, one that could not even take the least declines at once.
func TestPartialWork(t *testing.T) {
	const rounds, slow, tooSlow = 4, 2, 4
	pace := []time.Duration{100 * time.Millisecond, 150 * time.Millisecond, 4 * time.Second, 50 * time.Millisecond, 20 * time.Second}
	base := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, d := newRoster(t, base, 5, func(p *federation.Plan) {
			p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Schedule.UpdateSeconds = rounds, 0, 100
			p.Local.Steps, p.Local.Epochs, p.Local.ProxMu, p.Local.PartialWork.Least = 100, 0, 0.01, 0.1
		})
		f := newFed(t, r, d, wounds{})
		taken := map[int][]int{}
		f.steps = func(ctx context.Context, i, steps int) {
			f.mu.Lock()
			taken[i] = append(taken[i], steps)
			f.mu.Unlock()
			sleep(ctx, time.Duration(steps)*pace[i])
		}
		start := time.Now()
		if !f.run(ended) {
			t.Error("wedged")
		}
		if took := f.took(start); took > rounds*85*time.Second {
			t.Errorf("%d rounds took %v, with deadlines of 100 seconds", rounds, took)
		}
		h, err := f.check(t.Context())
		if err != nil || len(h.abandoned) > 0 {
			t.Errorf("%v; abandoned: %v", err, h.abandoned)
		}
		for _, p := range h.published {
			if p.round.Kind == federation.Train && (len(p.round.S[0]) != 4 || !p.round.HasDeclined(r.id(tooSlow), federation.RoleUpdate)) {
				t.Errorf("round %d sums %d", p.round.Number, len(p.round.S[0]))
			}
		}
		// One step, two to measure; then 80 seconds, less what was spent.
		if want := []int{1, 2, 17, 20, 20, 20}; !slices.Equal(taken[slow], want) {
			t.Errorf("the slow one took %v steps, want %v", taken[slow], want)
		}
		if want := []int{1, 2}; !slices.Equal(taken[tooSlow], want) {
			t.Errorf("the one that is too slow took %v steps, want %v", taken[tooSlow], want)
		}
		if want := []int{1, 2, 100, 100, 100, 100}; !slices.Equal(taken[0], want) {
			t.Errorf("a fast one took %v steps, want %v", taken[0], want)
		}
		if want := "too slow for the least partial work in this round's time"; strings.Count(f.logs.String(), "msg=declined") != rounds || !strings.Contains(f.logs.String(), want) {
			t.Errorf("the log does not say %q %d times", want, rounds)
		}
		if t.Failed() {
			t.Logf("%s", f.logs)
		}
	})
}
