package federation

import (
	"math"
	"strings"
	"testing"
)

// TestRateOverRounds follows each schedule over ten rounds and beyond.
func TestRateOverRounds(t *testing.T) {
	for _, c := range []struct {
		rate    Rate
		version uint64
		want    float64
	}{
		{Rate{}, 7, 1}, {Rate{Schedule: Constant}, 7, 1},
		{Rate{Schedule: Step, Every: 3, Factor: 0.5}, 1, 1}, {Rate{Schedule: Step, Every: 3, Factor: 0.5}, 3, 1},
		{Rate{Schedule: Step, Every: 3, Factor: 0.5}, 4, 0.5}, {Rate{Schedule: Step, Every: 3, Factor: 0.5}, 10, 0.125},
		{Rate{Schedule: Cosine}, 1, 1}, {Rate{Schedule: Cosine}, 6, 0.5}, {Rate{Schedule: Cosine}, 10, (1 + math.Cos(0.9*math.Pi)) / 2},
		{Rate{Schedule: Cosine, Final: 0.2}, 6, 0.6}, {Rate{Schedule: Cosine, Final: 0.2}, 16, 0.6},
	} {
		p := testPlan()
		p.Local.LearningRate, p.Local.Rate, p.Schedule.Rounds = 0.5, c.rate, 10
		if got := p.LocalAt(c.version - 1).LearningRate; math.Abs(got-0.5*c.want) > 1e-12 {
			t.Errorf("%+v on version %d: rate %v, want %v", c.rate, c.version, got, 0.5*c.want)
		}
	}
}

// TestPlanDigestsStay: a plan without the optional keys has the bytes that it had before
// there were any.
func TestPlanDigestsStay(t *testing.T) {
	const want = `"local":{"optimiser":"sgd","learning_rate":0.1,"steps":10,"epochs":0,"batch":0,"prox_mu":0},`
	if got := string(Encode(testPlan())); !strings.Contains(got, want) {
		t.Errorf("%s\nlacks %s", got, want)
	}
}
