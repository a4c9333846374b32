package client

import (
	"math"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/storage/models"
)

// TestWhatAnAbsentHospitalDiscloses: an honest run in which one hospital misses a round. A
// reader of the log subtracts the sums that two successive versions stand for: of weights,
// which gives the hospital's, and of changes, which gives its update as well as the others
// repeat themselves.
func TestWhatAnAbsentHospitalDiscloses(t *testing.T) {
	for _, weight := range []string{federation.WeightRecords, federation.WeightBands, federation.WeightEqual} {
		plan := plans.Cardiology()
		plan.Privacy.Weight = weight
		for _, before := range []int{1, 5, 20} {
			r := rehearse(t, plan, 4, 1)
			r.mustTrain(t, before)
			gone := r.Hospitals[1]
			truth := ownUpdate(t, r, gone)
			versions := [][]float32{paramsOf(t, r)}
			with := r.mustTrain(t, 1)
			versions = append(versions, paramsOf(t, r))
			var others []federation.HospitalID
			for _, h := range r.Hospitals {
				if h != gone {
					others = append(others, h.ID)
				}
			}
			result, err := r.Round(t.Context(), federation.Train, others)
			if err != nil {
				t.Fatal(err)
			}
			without := *result.Train
			versions = append(versions, paramsOf(t, r))
			count := with.Weight - without.Weight
			cosine := cosineOf(truth, difference(versions, with, without))
			rows := gone.learner.Rows(federation.Train)
			t.Logf("weight %-8s after %2d rounds: the difference of weights is %v, the hospital has %d records; cosine with its update %.3f",
				plan.Privacy.WeightWords()[:7], before, count, rows, cosine)
			if want := float64(plan.Privacy.WeightOf(rows)); count != want {
				t.Errorf("the difference of weights is %v, want %v", count, want)
			}
			if weight != federation.WeightRecords && count == float64(rows) {
				t.Errorf("weight %q: the count is exact", weight)
			}
			if cosine < 0.5 {
				t.Errorf("weight %q: cosine %.3f: the README says that absence discloses the update", weight, cosine)
			}
		}
	}
}

func paramsOf(t *testing.T, r *Rehearsal) []float32 {
	t.Helper()
	params, _, err := models.OfPlan(r.Plan, r.Model)
	if err != nil {
		t.Fatal(err)
	}
	return params
}

// ownUpdate is what a hospital sends on the version that is there, before it is rounded.
func ownUpdate(t *testing.T, r *Rehearsal, h *Rehearsing) []float64 {
	t.Helper()
	header, err := r.header(federation.Train)
	if err != nil {
		t.Fatal(err)
	}
	base, err := NewBase(r.Plan, r.Model)
	if err != nil {
		t.Fatal(err)
	}
	values, err := h.values(t.Context(), header, base, false)
	if err != nil {
		t.Fatal(err)
	}
	return values[:r.Plan.TrainTail()]
}

// difference is the first sum minus the second, from three public versions and the results.
func difference(versions [][]float32, with, without opening.TrainResult) []float64 {
	out := make([]float64, len(versions[0]))
	for i := range out {
		first, second := float64(versions[1][i]-versions[0][i]), float64(versions[2][i]-versions[1][i])
		out[i] = with.Weight*first - without.Weight*second
	}
	return out
}

func cosineOf(a, b []float64) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	return ab / math.Sqrt(aa*bb)
}
