package client

import (
	"bytes"
	"math"
	"path/filepath"
	"testing"

	"atrium/aggregation"
	"atrium/client/dataset"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/storage/models"
)

// generated are records of n generated hospitals.
func generated(t *testing.T, plan federation.Plan, n int) []Records {
	t.Helper()
	dir := t.TempDir()
	var out []Records
	for i := range n {
		c := dataset.Generate(3, i)
		if err := c.WriteCSV(dir, c.Name); err != nil {
			t.Fatal(err)
		}
		r := Records{Name: c.Name}
		for part, table := range map[string]**dataset.Table{"_train.csv": &r.Train, "_test.csv": &r.Test} {
			read, err := dataset.Read(filepath.Join(dir, c.Name+part), plan, dataset.Options{})
			if err != nil {
				t.Fatal(err)
			}
			*table = read
		}
		out = append(out, r)
	}
	return out
}

func rehearse(t *testing.T, plan federation.Plan, hospitals, groups int) *Rehearsal {
	t.Helper()
	r, err := NewRehearsal(plan, generated(t, plan, hospitals), groups, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := r.Round(t.Context(), federation.Statistics, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Rehearsal) mustTrain(t *testing.T, rounds int) opening.TrainResult {
	t.Helper()
	var last opening.TrainResult
	for range rounds {
		result, err := r.Round(t.Context(), federation.Train, nil)
		if err != nil {
			t.Fatal(err)
		}
		last = *result.Train
	}
	return last
}

// TestRehearsalIsTheMeanOfItsHospitals: a round of FedAvg moves each parameter by the
// weighted mean of the hospitals' own changes, but for what fixed point rounds.
func TestRehearsalIsTheMeanOfItsHospitals(t *testing.T) {
	plan := plans.Cardiology()
	plan.Privacy.WeightCap = 100 // below two of the four
	r := rehearse(t, plan, 4, 1)
	r.mustTrain(t, 2)
	before, norm, err := models.OfPlan(plan, r.Model)
	if err != nil {
		t.Fatal(err)
	}
	want, weights := make([]float64, len(before)), 0.0
	for _, h := range r.Hospitals {
		x, y, err := h.learner.train.Inputs(norm)
		if err != nil {
			t.Fatal(err)
		}
		delta, _, err := h.trainer.Train(t.Context(), before, nil, x, y, h.learner.train.Rows, plan.Local, 0)
		if err != nil {
			t.Fatal(err)
		}
		weight := float64(min(h.learner.train.Rows, 100))
		weights += weight
		for i, d := range delta {
			want[i] += weight * float64(d)
		}
	}
	if got := r.mustTrain(t, 1); got.Weight != weights {
		t.Errorf("weight %v, want %v", got.Weight, weights)
	}
	after, _, err := models.OfPlan(plan, r.Model)
	if err != nil {
		t.Fatal(err)
	}
	moved := 0.0
	for i := range after {
		change := float64(after[i] - before[i])
		moved = max(moved, math.Abs(change))
		if math.Abs(change-want[i]/weights) > 1e-4 {
			t.Errorf("parameter %d moved by %v, the mean is %v", i, change, want[i]/weights)
		}
	}
	if moved < 1e-3 {
		t.Errorf("nothing moved by more than %v", moved)
	}
}

// TestRehearsalRepeats: the same seed gives the same bytes, of rules with state too, and
// another seed does not.
func TestRehearsalRepeats(t *testing.T) {
	plan := plans.Cardiology()
	plan.Local.Steps, plan.Local.Epochs, plan.Local.Batch = 0, 1, 16
	plan.Aggregation.Rule, plan.Aggregation.LocalTensors, plan.Privacy.Clip = federation.Scaffold, []string{"bias"}, 4
	records := generated(t, plan, 4)
	run := func(seed uint64) []byte {
		r, err := NewRehearsal(plan, records, 1, seed)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.Round(t.Context(), federation.Statistics, nil); err != nil {
			t.Fatal(err)
		}
		r.mustTrain(t, 4)
		for _, h := range r.Hospitals {
			if len(h.learner.kept) > 2 || h.learner.kept[5].control == nil || h.learner.kept[5].local["bias"] == nil {
				t.Errorf("%s keeps of %d rounds: %v", h.Name, len(h.learner.kept), h.learner.kept[5])
			}
		}
		return models.Encode(r.Model)
	}
	first := run(7)
	if !bytes.Equal(first, run(7)) {
		t.Error("the same seed gave two models")
	}
	if bytes.Equal(first, run(8)) {
		t.Error("two seeds gave the same model")
	}
}

// TestRehearsalEvaluates: the sum of histograms says what all scores together do.
func TestRehearsalEvaluates(t *testing.T) {
	r := rehearse(t, plans.Cardiology(), 4, 1)
	r.mustTrain(t, 5)
	result, err := r.Round(t.Context(), federation.Evaluate, nil)
	if err != nil {
		t.Fatal(err)
	}
	var labels, scores []float64
	each, err := r.ScoresOf(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range each {
		labels, scores = append(labels, own.Labels...), append(scores, own.Scores...)
	}
	want, _ := aggregation.AUC(labels, scores)
	if got := result.Evaluation.AUC; got == nil || math.Abs(*got-want) > 0.002 || want < 0.75 {
		t.Errorf("AUC %v, of all scores %v", got, want)
	}
	if r.Version != 6 {
		t.Errorf("version %d after statistics and 5 train rounds", r.Version)
	}
}

// TestRehearsalLeavesOut: a hospital with too few records and the group that it leaves too
// small, and who is not in the cohort; a round of nobody is an error.
func TestRehearsalLeavesOut(t *testing.T) {
	plan := plans.Cardiology()
	plan.Privacy.MinRecords = 40 // the third has 30
	r := rehearse(t, plan, 6, 2)
	result, err := r.Round(t.Context(), federation.Train, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Submitters != 3 || result.Groups[0].Submitters != 0 || result.Groups[0].Reason == "" || result.Groups[1].Submitters != 3 {
		t.Errorf("%+v", result)
	}
	cohort := []federation.HospitalID{r.Hospitals[3].ID, r.Hospitals[4].ID}
	if _, err := r.Round(t.Context(), federation.Train, cohort); err == nil {
		t.Error("a round of two hospitals")
	}
}

// TestRehearsalTampers: what a hostile hospital sends moves the mean and not the median of
// groups.
func TestRehearsalTampers(t *testing.T) {
	step := func(rule string, hostile bool) []float32 {
		plan := plans.Cardiology()
		plan.Aggregation.Rule = rule
		r := rehearse(t, plan, 9, 3)
		if hostile {
			r.Hospitals[0].Hostile = func(s Situation) []int64 {
				for i := range s.Own[:plan.TrainTail()] {
					s.Own[i] = 0 // the least that the format has
				}
				s.Own[plan.TrainTail()] = int64(plan.Privacy.WeightCap)
				return s.Own
			}
		}
		r.mustTrain(t, 1)
		params, _, err := models.OfPlan(plan, r.Model)
		if err != nil {
			t.Fatal(err)
		}
		return params
	}
	moved := func(rule string) float64 {
		honest, poisoned := step(rule, false), step(rule, true)
		most := 0.0
		for i := range honest {
			most = max(most, math.Abs(float64(honest[i]-poisoned[i])))
		}
		return most
	}
	mean, median := moved(federation.FedAvg), moved(federation.Median)
	if mean < 0.1 || median > mean/2 {
		t.Errorf("poison moved the mean by %v and the median of groups by %v", mean, median)
	}
}

// TestRehearsalWithoutFixedPoint: real numbers are neither rounded nor clipped: they differ
// from many bits with a wide clip by less than a step, and do not see a narrow one.
func TestRehearsalWithoutFixedPoint(t *testing.T) {
	params := func(exact bool, clip float64) []float32 {
		plan := plans.Cardiology()
		plan.Privacy.Clip, plan.Privacy.Bits = clip, 32
		r := rehearse(t, plan, 4, 1)
		if exact {
			r.WithoutFixedPoint()
		}
		if err := r.Start(make([]float32, plan.ParameterCount())); err != nil {
			t.Fatal(err)
		}
		r.mustTrain(t, 3)
		out, _, err := models.OfPlan(plan, r.Model)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	apart := func(a, b []float32) (most float64) {
		for i := range a {
			most = max(most, math.Abs(float64(a[i]-b[i])))
		}
		return most
	}
	exact := params(true, 4)
	if d := apart(exact, params(false, 4)); d > 1e-5 {
		t.Errorf("32 bits differ by %v", d)
	}
	if d := apart(exact, params(true, 1e-3)); d != 0 {
		t.Errorf("with a narrow clip in the plan they differ by %v", d)
	}
	if d := apart(exact, params(false, 1e-3)); d < 1e-2 {
		t.Errorf("a narrow clip changes %v", d)
	}
}

// TestRehearsalWithAClipThatFollows: after some rounds each tensor's clip is of the size of
// its changes, and few coordinates meet it.
func TestRehearsalWithAClipThatFollows(t *testing.T) {
	plan := plans.Cardiology()
	plan.Privacy.Clip, plan.Privacy.ClipLeast = 1000, 1e-6
	r := rehearse(t, plan, 4, 1)
	met := 0.0
	for range 20 {
		met += r.mustTrain(t, 1).Saturated
	}
	clips, err := models.Clips(plan, r.Model)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range clips {
		if c.Clip > 2 || c.Clip < 1e-3 {
			t.Errorf("clip of tensor %d is %v", i, c.Clip)
		}
	}
	if met > 20 {
		t.Errorf("%v coordinates of %d met the clip in 20 rounds of 4 hospitals", met, plan.ParameterCount())
	}
}
