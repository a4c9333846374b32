package federation

import (
	"testing"
	"time"
)

func TestStepsWithin(t *testing.T) {
	second := time.Second
	for _, c := range []struct {
		least                float64
		updates, spent, step time.Duration
		want                 int
		ok                   bool
	}{ // a round of 95 records is 30 steps
		{0.1, 100 * second, 0, second, 30, true},     // 80 would fit
		{0.1, 100 * second, 0, 4 * second, 20, true}, // in 80 seconds
		{0.1, 100 * second, 21 * second, 4 * second, 14, true},
		{0.1, 100 * second, 70 * second, 4 * second, 2, false}, // the least is 3
		{0.1, 100 * second, 0, 26 * second, 3, true},
		{0.1, 100 * second, 200 * second, second, 0, false},
		{0.001, 100 * second, 200 * second, second, 0, false}, // not even one
		{0.001, 100 * second, 0, 50 * second, 1, true},
		{0.5, 100 * second, 0, 0, 30, true}, // nothing is known
		{0.5, 100 * second, 0, 1, 30, true},
		{0, 100 * second, 200 * second, second, 30, true}, // no partial work
	} {
		l := Local{Epochs: 3, Batch: 10, PartialWork: PartialWork{Least: c.least}}
		if steps, ok := l.StepsWithin(95, c.updates, c.spent, c.step); steps != c.want || ok != c.ok {
			t.Errorf("%+v: %d, %v", c, steps, ok)
		}
	}
	l := Local{Epochs: 3, Batch: 10, ProxMu: 1, PartialWork: PartialWork{Least: 0.5}}.InSteps(7)
	if l.StepsOf(95) != 7 || l.Epochs != 0 || l.PartialWork.On() || l.Batch != 10 || l.ProxMu != 1 {
		t.Errorf("in 7 steps: %+v", l)
	}
}
