package simulate

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/storage/local"
)

// TestRun: a plan over the built-in profiles ends, and its account adds up.
func TestRun(t *testing.T) {
	c, learners := fakeConfig(t, Default(), 40, 12, 1)
	learners.broken[0] = true
	r := mustRun(t, c)
	if r.Trained != 12 || !strings.Contains(r.Reason, "all 12 train rounds are done") || r.Days <= 0 {
		t.Errorf("%d trained in %v days: %s", r.Trained, r.Days, r.Reason)
	}
	kinds := map[federation.RoundKind]int{}
	var up, down int64
	skipped := 0
	for i, round := range r.Rounds {
		if round.Reason == "" {
			kinds[round.Kind]++
		} else if strings.Contains(round.Reason, "is skipped") {
			skipped++
		}
		up, down = up+round.Up, down+round.Down
		sum := 0
		for _, n := range round.ByClass {
			sum += n
		}
		if sum != round.Summed || round.Summed > round.Cohort || round.Cohort > round.Joined || round.Ended < round.Opened || (i > 0 && round.Opened < r.Rounds[i-1].Ended) {
			t.Errorf("account of round %+v", round)
		}
		if m := round.Metric; (m != nil) != (round.Kind == federation.Train && round.Reason == "") {
			t.Errorf("round %d has metric %v", round.Number, m)
		} else if m != nil && (m.Exact == nil || m.Greatest <= 0 || m.Greatest > 1e-3) {
			t.Errorf("round %d: differs by %v from what is not encrypted", round.Number, m.Greatest)
		}
	}
	// Evaluations are of the hospitals of the first, and of forty somebody is away.
	want := map[federation.RoundKind]int{federation.Statistics: 1, federation.Train: 12, federation.Evaluate: 1}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("rounds done (-want +got):\n%s", diff)
	}
	if skipped != 6 {
		t.Errorf("%d evaluations were skipped, want 6", skipped)
	}
	if up > r.Up || up < r.Up*9/10 || down > r.Down {
		t.Errorf("rounds sent %d of %d bytes, received %d of %d", up, r.Up, down, r.Down)
	}
	hospitals := 0
	for _, class := range r.Classes {
		hospitals += class.Hospitals
		if class.Present <= 0 || class.Present > 1 || class.Summed > class.Joined || class.Up <= 0 {
			t.Errorf("class %+v", class)
		}
	}
	if hospitals != 40 || r.Classes[3].Present > 0.9 || r.Classes[0].Never != 1 {
		t.Errorf("classes %+v: want 40 hospitals, part-time ones away now and then, and one centre that is broken", r.Classes)
	}
}

// TestSeedDecides: the same seed gives the same bytes on any number of workers, another one
// other bytes.
func TestSeedDecides(t *testing.T) {
	var results []Result
	for _, o := range []struct {
		seed    uint64
		workers int
	}{{1, 1}, {1, 8}, {2, 8}} {
		c, _ := fakeConfig(t, Default(), 15, 4, o.seed)
		c.Workers = o.workers
		results = append(results, mustRun(t, c))
	}
	if diff := cmp.Diff(results[0], results[1]); diff != "" {
		t.Errorf("workers decide (-one +eight):\n%s", diff)
	}
	if results[1].Log == results[2].Log {
		t.Error("the seed decides nothing")
	}
}

// TestResume: a simulation that is interrupted anywhere comes to the same result, and does
// not learn again what it had learned.
func TestResume(t *testing.T) {
	profiles := unreliable()
	c, learners := fakeConfig(t, profiles, 12, 6, 3)
	want := mustRun(t, c)
	all := learners.calls
	if want.Abandoned == 0 {
		t.Error("no round is abandoned: the profiles are too tame")
	}
	for _, quit := range []int{1, all / 3, all * 2 / 3, all - 1} {
		bucket, err := local.Create(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c, learners := fakeConfig(t, profiles, 12, 6, 3)
		c.Store = bucket
		ctx, cancel := context.WithCancel(t.Context())
		learners.quit, learners.end = quit, cancel
		if _, err := Run(ctx, c); !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted after %d: %v", quit, err)
		}
		again, relearned := fakeConfig(t, profiles, 12, 6, 3)
		again.Store = bucket
		got := mustRun(t, again)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("interrupted after %d of %d contributions (-uninterrupted +resumed):\n%s", quit, all, diff)
		}
		if quit > all/2 && relearned.calls > all-quit+2*12 {
			t.Errorf("interrupted after %d, %d of %d were computed", quit, relearned.calls, all)
		}
		other, _ := fakeConfig(t, profiles, 12, 6, 4)
		other.Store = bucket
		if _, err := Run(t.Context(), other); err == nil || !strings.Contains(err.Error(), "another seed") {
			t.Errorf("a directory of another seed: %v", err)
		}
	}
}

// unreliable is a class whose machines go off in the middle of rounds.
func unreliable() Profiles {
	p := Default()
	p.Classes = slices.Clone(p.Classes[3:])
	p.Classes[0].Available = Availability{Days: DaysAll, OutagesPerWeek: 700, OutageHours: 0.04}
	p.Classes[0].Speed.Median, p.Classes[0].StartMinutes = 400, 0.3
	p.Classes[0].Link.DropsPerDay, p.Classes[0].Link.DropMinutes = 100, 1
	return p
}

// TestUnreliable: whatever goes off when, the machine's invariants hold and the plan ends.
func TestUnreliable(t *testing.T) {
	abandoned, declined, late := 0, 0, 0
	for seed := range uint64(6) {
		c, _ := fakeConfig(t, unreliable(), 9, 3, seed)
		if seed%2 == 1 {
			c.Plan.Schedule.Cohort = federation.Cohort{Size: 5, Extra: 0.4, Seed: 1}
			c.Plan.Schedule.Deadline = federation.Deadline{Mode: federation.DeadlineAuto, Least: 5, Quantile: 0.7, Factor: 1.5}
		}
		r := mustRun(t, c)
		abandoned += r.Abandoned
		for _, round := range r.Rounds {
			declined, late = declined+round.Declined, late+round.Late
		}
	}
	if abandoned == 0 || late == 0 {
		t.Errorf("%d rounds were abandoned, %d hospitals declined, %d were late: the profiles are too tame", abandoned, declined, late)
	}
}

// TestSchedule: a plan that draws its cohort, asks more than it wants and has a stop rule is
// simulated as it says, and a hospital may say how fast it is.
func TestSchedule(t *testing.T) {
	profiles := Default()
	for i := range profiles.Classes {
		profiles.Classes[i].Capability = true
	}
	c, learners := fakeConfig(t, profiles, 40, 30, 1)
	c.Plan.Schedule.Cohort = federation.Cohort{Size: 10, Extra: 0.3}
	c.Plan.Schedule.Deadline = federation.Deadline{Mode: federation.DeadlineAuto, Least: 3, Quantile: 0.9, Factor: 1.5}
	c.Plan.Schedule.Stop = federation.Stop{Metric: federation.MetricAUC, Patience: 4}
	learners.plan = c.Plan
	said := 0
	check := c.check
	c.check = func(w *world) error {
		for _, j := range w.coord.state.Round.Joined {
			if j.Capability != (federation.Capability{}) {
				said++
			}
		}
		return check(w)
	}
	r := mustRun(t, c)
	if r.Trained != 30 || !strings.Contains(r.Reason, "all 30 train rounds") { // its evaluations are skipped: somebody of the first is away
		t.Errorf("%d train rounds: %s", r.Trained, r.Reason)
	}
	content := 0
	for _, round := range r.Rounds {
		if round.Kind != federation.Train || round.Reason != "" {
			continue
		}
		if round.Cohort < 13 || round.Cohort > 30 {
			t.Errorf("round %d asks %d of %d, want 13 or a few more", round.Number, round.Cohort, round.Joined)
		}
		if round.Summed == 10 && round.Cohort > 10 {
			content++
		}
	}
	if content == 0 {
		t.Errorf("no round was content with 10 updates: %+v", r.Rounds)
	}
	if said == 0 {
		t.Error("nobody says how fast it is")
	}
}

// TestDoesNotEnd: a federation whose custodians never meet says so.
func TestDoesNotEnd(t *testing.T) {
	p := Default()
	p.Classes = []Class{p.Classes[0], p.Classes[0]}
	p.Classes[0].Custodians, p.Classes[1].Custodians = 0, 0
	p.Classes[1].Name, p.Classes[1].Available = "night", Availability{FromHour: 20, ToHour: 4}
	p.Classes[0].Available = Availability{FromHour: 8, ToHour: 16}
	p.Classes[0].Share = p.Classes[1].Share
	c, _ := fakeConfig(t, p, 5, 2, 1)
	_, err := Run(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "custodians") {
		t.Errorf("two halves that never meet: %v", err)
	}
}

// TestMemory: a population that does not fit is refused before anything is computed.
func TestMemory(t *testing.T) {
	c, _ := fakeConfig(t, Default(), 1000, 1, 1)
	c.Plan.Model = federation.Model{Kind: federation.MLP, Hidden: []int{2048, 2048}}
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "simulate fewer hospitals") {
		t.Errorf("%v", err)
	}
}

// TestGroups: groups are summed apart, each with hospitals of every class.
func TestGroups(t *testing.T) {
	c, _ := fakeConfig(t, Default(), 24, 3, 1)
	c.Groups = 3
	c.Plan.Aggregation = federation.Aggregation{Rule: federation.Median, LearningRate: 1}
	if r := mustRun(t, c); r.Groups != 3 || r.Trained != 3 || math.IsNaN(r.Days) {
		t.Errorf("%d groups, %d trained", r.Groups, r.Trained)
	}
}

// TestPartialWork: where a whole round's training takes most hospitals longer than the
// deadline, those that may do less of it are summed, and those that cannot do the least
// decline at once.
func TestPartialWork(t *testing.T) {
	summed, declined := map[float64]int{}, map[float64]int{}
	for _, least := range []float64{0, 0.05, 0.5} {
		c, learners := fakeConfig(t, Default(), 40, 6, 1)
		c.Plan.Local.Steps, c.Plan.Local.ProxMu, c.Plan.Local.PartialWork.Least = 100, 0.1, least
		learners.plan = c.Plan
		var mu sync.Mutex
		taken := map[int]bool{}
		learners.took = func(steps int) {
			mu.Lock()
			defer mu.Unlock()
			taken[steps] = true
		}
		for _, round := range mustRun(t, c).Rounds {
			if round.Kind == federation.Train {
				summed[least] += round.Summed
				declined[least] += round.Declined
			}
		}
		if least > 0 && len(taken) < 3 || least == 0 && (len(taken) != 1 || !taken[0]) {
			t.Errorf("with at least %v of them they took %v steps", least, taken)
		}
		for steps := range taken {
			if least > 0 && float64(steps) < 100*least || steps > 100 {
				t.Errorf("with at least %v of them one took %d", least, steps)
			}
		}
	}
	if summed[0.05] < summed[0]*3/2 || summed[0.5] < summed[0] || summed[0.5] > summed[0.05] {
		t.Errorf("summed %v by the least partial work", summed)
	}
	if declined[0.5] <= declined[0.05] {
		t.Errorf("declined %v by the least partial work", declined)
	}
}
