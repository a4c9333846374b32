package dataset

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"atrium/aggregation"

	"github.com/google/go-cmp/cmp"
)

func TestSums(t *testing.T) {
	table := &Table{Rows: 4, Cols: 2, X: []float64{0, 1, 10, math.NaN(), 5, 7, -3, -1}}
	// a: z = 0, 1, ½, 0 (clamped); b: z = 1, 1 (clamped), 0
	if diff := cmp.Diff([]float64{4, 1.5, 1.25, 3, 2, 2}, Sums(table, smallPlan(), 100)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{2, 0.75, 0.625, 1.5, 1, 1}, Sums(table, smallPlan(), 2)); diff != "" {
		t.Errorf("capped: %s", diff)
	}
	if got := []int{Weight(4, 2), Weight(4, 9), Weight(0, 9), Weight(-1, 9)}; !cmp.Equal(got, []int{2, 4, 0, 0}) {
		t.Errorf("weights %v", got)
	}
}

func TestRanges(t *testing.T) {
	if diff := cmp.Diff([]aggregation.Range{{Min: 0, Max: 10}, {Min: -1, Max: 1}}, Ranges(smallPlan())); diff != "" {
		t.Error(diff)
	}
}

// Four real hospitals: the federation's sums give the published mean and deviation.
func TestGoldenNormalisation(t *testing.T) {
	dir := filepath.Join(root(t), "..", "shared", "data", "heart-disease")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("DATA ABSENT: ../shared/data/heart-disease: golden numbers are not checked")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "golden_flamby_split.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Features []string       `json:"features"`
		NTrain   map[string]int `json:"n_train"`
		Mean     []float64      `json:"global_mean"`
		SD       []float64      `json:"global_sd_ddof1"`
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	plan := heartPlan()
	sums := make([]float64, aggregation.SumsPerFeature*len(plan.Features))
	for name, rows := range golden.NTrain {
		table, err := Read(filepath.Join(dir, "split43", name+"_train.csv"), plan, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if table.Rows != rows || table.Quality.Eligible != rows {
			t.Errorf("%s: %d records, want %d", name, table.Rows, rows)
		}
		if diff := cmp.Diff(golden.Features, table.Features); diff != "" {
			t.Error(diff)
		}
		for k, s := range Sums(table, plan, 1000) {
			sums[k] += s
		}
	}
	got, err := aggregation.FromSums(sums, Ranges(plan))
	if err != nil {
		t.Fatal(err)
	}
	for j, name := range golden.Features {
		if math.Abs(got.Mean[j]-golden.Mean[j]) > 1e-9 || math.Abs(got.SD[j]-golden.SD[j]) > 1e-9 {
			t.Errorf("%s: %v ± %v, want %v ± %v", name, got.Mean[j], got.SD[j], golden.Mean[j], golden.SD[j])
		}
	}
}

// root walks up to go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}
