package federation

import (
	"errors"
	"testing"
)

func TestWeightOf(t *testing.T) {
	for _, c := range []struct {
		weight           string
		records          int
		want, least, top int
	}{
		{WeightRecords, 7, 7, 10, 1000}, {WeightRecords, 5000, 1000, 10, 1000}, {WeightRecords, -1, 0, 10, 1000},
		{WeightBands, 300, 256, 8, 512}, {WeightBands, 5000, 512, 8, 512}, {WeightBands, 0, 0, 8, 512},
		{WeightEqual, 300, 1, 1, 1}, {WeightEqual, 0, 0, 1, 1},
	} {
		p := Privacy{Weight: c.weight, WeightCap: 1000, MinRecords: 10}
		if got := p.WeightOf(c.records); got != c.want || p.LeastWeight() != c.least || p.MostWeight() != c.top {
			t.Errorf("%q: %d records weigh %d of %d to %d, want %d of %d to %d", c.weight, c.records, got, p.LeastWeight(), p.MostWeight(), c.want, c.least, c.top)
		}
	}
}

// TestCheckBand: what a submission declares is a power of two that a hospital can have, or
// nothing where nothing is asked.
func TestCheckBand(t *testing.T) {
	p := Plan{Privacy: Privacy{Weight: WeightBands, WeightCap: 1000, MinRecords: 10}}
	for band, want := range map[int]bool{8: true, 64: true, 512: true, 0: false, 4: false, 100: false, 1024: false, -8: false} {
		if err := p.CheckBand(Train, Submission{Band: band}); (err == nil) != want || (err != nil && !errors.Is(err, ErrMessage)) {
			t.Errorf("band %d: %v", band, err)
		}
	}
	for _, kind := range []RoundKind{Statistics, Evaluate} {
		if p.CheckBand(kind, Submission{Band: 64}) == nil || p.CheckBand(kind, Submission{}) != nil {
			t.Errorf("a band in a %s round", kind)
		}
	}
	p.Privacy.Weight = WeightRecords
	if p.CheckBand(Train, Submission{Band: 64}) == nil || p.CheckBand(Train, Submission{}) != nil {
		t.Error("a band where weights are records")
	}
}
