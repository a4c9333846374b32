package dataset

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// twoColumns are two records of two features, one value missing.
func twoColumns() (*Table, federation.Plan) {
	plan := federation.Plan{Features: []federation.Feature{{Name: "age", Min: 0, Max: 100}, {Name: "bp", Min: 0, Max: 200}}}
	plan.Privacy.MinRecords = 2
	return &Table{Features: []string{"age", "bp"}, X: []float64{20, 100, 40, math.NaN()}, Y: []float64{0, 1}, Rows: 2, Cols: 2, Labels: 1}, plan
}

func TestLacks(t *testing.T) {
	table, plan := twoColumns()
	for _, x := range []struct{ least, want int }{{0, 0}, {1, 0}, {2, 1}, {3, 2}} {
		plan.Privacy.MinRecords = x.least
		if got := Lacks(table, plan).List(); len(got) != x.want {
			t.Errorf("of at least %d records it lacks %v", x.least, got)
		}
	}
	plan.Privacy.MinRecords = 0
	table.X = []float64{20, math.NaN(), 40, math.NaN()}
	if got := Lacks(table, plan); got != federation.ColumnsOf(1) {
		t.Errorf("of a column that nobody measured it lacks %v", got.List())
	}
}

// TestMask: what is masked has no sums and is missing for a model; the records stay.
func TestMask(t *testing.T) {
	table, plan := twoColumns()
	before := slices.Clone(table.X)
	masked := table.Mask(federation.ColumnsOf(0))
	if diff := cmp.Diff([]float64{0, 0, 0, 1, .5, .25}, Sums(masked, plan, 10)); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
	norm := aggregation.Normalisation{Mean: []float64{10, 50}, SD: []float64{1, 10}}
	x, _, err := masked.Inputs(norm)
	if err != nil || x[0] != 0 || x[2] != 0 || x[1] == 0 {
		t.Errorf("inputs %v, %v", x, err)
	}
	both, _, err := masked.Mask(federation.ColumnsOf(1, 40)).Inputs(norm)
	if err != nil || !slices.Equal(both, make([]float32, 4)) {
		t.Errorf("inputs with both masked: %v, %v", both, err)
	}
	if x, _, _ = table.Inputs(norm); x[0] == 0 || !slices.EqualFunc(before, table.X, func(a, b float64) bool { return a == b || a != a && b != b }) {
		t.Errorf("the records changed: %v", table.X)
	}
}

// TestUnmeasured: a column that had no sums is missing for the version whatever a hospital has.
func TestUnmeasured(t *testing.T) {
	table, plan := twoColumns()
	norm, err := aggregation.FromSums(Sums(table.Mask(federation.ColumnsOf(1)), plan, 10), Ranges(plan))
	if err != nil {
		t.Fatal(err)
	}
	x, _, err := View(table, plan, norm, "").Inputs(norm)
	if err != nil || x[1] != 0 || x[0] == 0 {
		t.Errorf("inputs %v, %v", x, err)
	}
	table.X[1] = 170
	if y, _, _ := table.Inputs(norm); y[1] != 70 { // with mean 100 and deviation 1
		t.Errorf("without the view %v", y)
	}
}
