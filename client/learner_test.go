package client

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/aggregation"
	"atrium/client/dataset"
	"atrium/client/train"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

const learnerID = federation.HospitalID("h-learner")

// learnerSite is a Learner with a generated hospital's records, and a version to train on.
func learnerSite(t *testing.T, plan federation.Plan, unclipped bool) (*Learner, train.Trainer, models.Snapshot) {
	t.Helper()
	dir := t.TempDir()
	if err := dataset.Generate(1, 0).WriteCSV(dir, "a"); err != nil {
		t.Fatal(err)
	}
	var tables []*dataset.Table
	for _, part := range []string{"train", "test"} {
		table, err := dataset.Read(dir+"/a_"+part+".csv", plan, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
	}
	trainer, err := train.New(plan.Model, plan.Inputs(), tables[0].Rows)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	norm, err := aggregation.FromSums(dataset.Sums(tables[0], plan, plan.Privacy.WeightCap), dataset.Ranges(plan))
	if err != nil {
		t.Fatal(err)
	}
	s, err := models.ForPlan(plan, models.InitialParameters(plan), norm)
	if err != nil {
		t.Fatal(err)
	}
	return NewLearner(learnerID, plan, tables[0], tables[1], unclipped), trainer, s
}

// Without a clip a change is what it was; with one, its weighted values are cut.
func TestLearnerClip(t *testing.T) {
	plan := plans.Cardiology()
	plan.Privacy.Clip = 0.01
	h := federation.Header{Round: 2, Kind: federation.Train, Version: 1}
	var values [][]float64
	for _, unclipped := range []bool{false, true} {
		l, trainer, s := learnerSite(t, plan, unclipped)
		base, err := NewBase(plan, s)
		if err != nil {
			t.Fatal(err)
		}
		v, err := l.Contribute(context.Background(), trainer, h, base, 7)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	tail := plan.TrainTail()
	share := values[0][tail] / float64(plan.Privacy.WeightCap)
	cut := 0
	for i, v := range values[1][:tail] {
		want := max(-0.01*share, min(0.01*share, v))
		if math.Abs(values[0][i]-want) > 1e-12 {
			t.Errorf("parameter %d: %v with a clip, %v without", i, values[0][i], v)
		}
		if want != v {
			cut++
		}
	}
	counted := func(v []float64) float64 { return v[tail+1] + v[tail+2] } // of weight and bias
	if cut == 0 || counted(values[0]) != float64(cut) || counted(values[1]) != 0 {
		t.Errorf("%d values are cut, %v and %v are counted", cut, values[0][tail+1:], values[1][tail+1:])
	}
}

// What a hospital keeps can be taken up by another Learner, and is asked for when it is gone.
func TestLearnerGoesOn(t *testing.T) {
	plan := plans.Cardiology()
	plan.Aggregation.Rule = federation.Scaffold
	l, trainer, s := learnerSite(t, plan, false)
	base, err := NewBase(plan, s)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := l.Contribute(ctx, trainer, federation.Header{Round: 2, Kind: federation.Train, Version: 1}, base, 7); err != nil {
		t.Fatal(err)
	}
	next, err := models.Refit(plan, s)
	if err == nil {
		err = next.Count(plan, 2, []federation.HospitalID{learnerID})
	}
	if err != nil {
		t.Fatal(err)
	}
	if base, err = NewBase(plan, next); err != nil || l.Counted(base) != 2 {
		t.Fatalf("round %d was counted, %v", l.Counted(base), err)
	}
	third := federation.Header{Round: 3, Kind: federation.Train, Version: 2}
	want, err := l.Contribute(ctx, trainer, third, base, 8)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := l.Kept(2)
	if err != nil || kept == nil {
		t.Fatalf("kept of round 2: %d bytes, %v", len(kept), err)
	}
	other, _, _ := learnerSite(t, plan, false)
	if _, err := other.Contribute(ctx, trainer, third, base, 8); err == nil {
		t.Error("a Learner without its control variate trains")
	}
	if err := other.Restore(2, kept); err != nil {
		t.Fatal(err)
	}
	got, err := other.Contribute(ctx, trainer, third, base, 8)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("contribution (-first +restored):\n%s", diff)
	}
	if slices.Equal(want, make([]float64, len(want))) {
		t.Error("nothing is contributed")
	}
}

// Partial work is the beginning of the whole: the same steps as of a plan that has no more,
// whose effort is told under FedNova.
func TestLearnerLimit(t *testing.T) {
	plan := plans.Cardiology()
	plan.Aggregation.Rule = federation.FedNova
	plan.Local.Steps, plan.Local.Epochs, plan.Local.Batch, plan.Local.PartialWork.Least = 0, 3, 16, 0.1
	h := federation.Header{Round: 2, Kind: federation.Train, Version: 1}
	contribute := func(plan federation.Plan, limit int) []float64 {
		l, trainer, s := learnerSite(t, plan, false)
		base, err := NewBase(plan, s)
		if err != nil {
			t.Fatal(err)
		}
		l.Limit(limit)
		v, err := l.Contribute(context.Background(), trainer, h, base, 7)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	whole, part := contribute(plan, 0), contribute(plan, 5)
	short := plan
	short.Local.Steps, short.Local.Epochs = 5, 0
	want := contribute(short, 0)
	tail := plan.TrainTail()
	if slices.Equal(whole[:tail], part[:tail]) {
		t.Error("5 steps change the model as all do")
	}
	// A whole round is another share of a plan of 5 steps: what is sent is scaled by that.
	ratio := plan.FullEffort(plan.Privacy.WeightCap) / short.FullEffort(plan.Privacy.WeightCap)
	share := want[tail] / float64(plan.Privacy.WeightCap)
	for i := range tail {
		if exact := want[i] / share; math.Abs(part[i]-max(-plan.Privacy.Clip, min(plan.Privacy.Clip, exact*share*ratio))) > 1e-9 {
			t.Errorf("parameter %d: %v, want %v times %v", i, part[i], want[i], ratio)
		}
	}
	digits := len(part) - aggregation.EffortDigits(plan.Privacy.Bits)
	if !slices.Equal(part[digits:], want[digits:]) || slices.Equal(part[digits:], whole[digits:]) {
		t.Errorf("effort %v, want %v; of all steps it is %v", part[digits:], want[digits:], whole[digits:])
	}
	if all := contribute(plan, 1000); !slices.Equal(all, whole) {
		t.Error("a limit beyond all steps changes something")
	}
}
