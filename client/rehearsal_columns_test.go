package client

import (
	"math"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// TestRehearsalMasks: a rehearsal masks what its hospitals would, and no version learns
// anything of it; with K holders it is as it was.
func TestRehearsalMasks(t *testing.T) {
	const chol = 3
	plan := plans.Cardiology()
	for holders := 1; holders <= 4; holders++ {
		records := generated(t, plan, 4)
		for _, r := range records[holders:] {
			for i := chol; i < len(r.Train.X); i += r.Train.Cols {
				r.Train.X[i] = math.NaN()
			}
		}
		r, err := NewRehearsal(plan, records, 1, 3)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		statistics, err := r.Round(t.Context(), federation.Statistics, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.mustTrain(t, 2)
		base, err := NewBase(plan, r.Model)
		if err != nil {
			t.Fatal(err)
		}
		masked := holders < r.Charter.MinCohort
		if n := statistics.Statistics.Records[chol]; (n == 0) != masked || (base.params[chol] == 0) != masked {
			t.Errorf("%d holders, K = %d: %v records, weight %v", holders, r.Charter.MinCohort, n, base.params[chol])
		}
	}
}
