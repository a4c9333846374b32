package dataset

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

func mixturePlan(classes int) federation.Plan {
	p := federation.Plan{V: 1, Name: "mixture", Model: federation.Model{Kind: federation.Logistic}, Label: federation.Label{Name: "y"}}
	if classes > 0 {
		p.Model = federation.Model{Kind: federation.Layers, Classes: classes, Positive: 1}
	}
	for _, name := range []string{"a", "b", "c"} {
		p.Features = append(p.Features, federation.Feature{Name: name, Min: 10, Max: 50, Missing: federation.MissingMean})
	}
	return p
}

func TestMixture(t *testing.T) {
	for _, classes := range []int{0, 4} {
		plan := mixturePlan(classes)
		m := NewMixture(plan, 3)
		shares := []float64{0.25, 0.75}
		want := []int{50, 150}
		if classes > 0 {
			shares, want = []float64{0.5, 0.25, 0.25, 0}, []int{100, 50, 50, 0}
		}
		table := m.Table(2, 0, 200, shares, 0.5)
		if diff := cmp.Diff(want, table.CountLabels(plan)); diff != "" || table.Rows != 200 || len(table.X) != 600 {
			t.Errorf("%d classes, labels (-want +got):\n%s", classes, diff)
		}
		if slices.ContainsFunc(table.X, func(v float64) bool { return math.IsNaN(v) || v < 10 || v > 50 }) {
			t.Error("a value is out of its range")
		}
		if again := m.Table(2, 0, 200, shares, 0.5); !cmp.Equal(table, again) {
			t.Error("the same hospital has other records")
		}
		if other := m.Table(2, 1, 200, shares, 0.5); cmp.Equal(table.X, other.X) {
			t.Error("two parts have the same records")
		}
	}
}

// Of several labels each is in the features.
func TestMixtureOfSeveral(t *testing.T) {
	plan := mixturePlan(0)
	plan.Model = federation.Model{Kind: federation.Layers, Several: 3}
	m := NewMixture(plan, 9)
	table := m.Table(0, 0, 3000, []float64{0.5, 0.5}, 0)
	if table.Labels != 3 || len(table.Y) != 9000 || !slices.Equal(table.CountLabels(plan), []int{1500, 1500}) {
		t.Fatalf("%d labels, %d of them, %v", table.Labels, len(table.Y), table.CountLabels(plan))
	}
	for k := range 3 {
		var y, scores []float64
		for row := range table.Rows {
			score := 0.0
			for j, d := range m.means[k] {
				score += d * table.X[row*3+j]
			}
			y, scores = append(y, table.Y[row*3+k]), append(scores, score)
		}
		if auc, _ := aggregation.AUC(y, scores); auc < 0.6 {
			t.Errorf("label %d: AUC %v", k, auc)
		}
	}
	if dealt := Deal(table, plan, [][]float64{{1, 0}, {0, 1}}, 1); dealt[0].Rows != 1500 || dealt[0].Y[0] != 0 || dealt[1].Y[3] != 1 || len(dealt[1].Y) != 4500 {
		t.Error("records of several labels are not dealt by the first")
	}
}

// The best AUC is that of the separation: Φ(1.6/√2) = 0.871. With 4000 records its estimate
// is within 0.03, but for 1e-6.
func TestMixtureSeparates(t *testing.T) {
	plan := mixturePlan(0)
	m := NewMixture(plan, 9)
	table := m.Table(0, 0, 4000, []float64{0.5, 0.5}, 0)
	scores := make([]float64, table.Rows)
	for i := range scores {
		for j, d := range m.means[1] {
			scores[i] += d * table.X[i*3+j]
		}
	}
	if auc, _ := aggregation.AUC(table.Y, scores); math.Abs(auc-0.871) > 0.03 {
		t.Errorf("AUC %v", auc)
	}
}

func TestDeal(t *testing.T) {
	plan := mixturePlan(0)
	all := NewMixture(plan, 1).Table(0, 0, 1000, []float64{0.3, 0.7}, 0)
	for i := range all.Rows {
		all.X[3*i] = float64(i) // tells records apart
	}
	dealt := Deal(all, plan, [][]float64{{30, 70}, {300, 0}, {0, 1}, {0, 699}}, 4)
	seen := map[float64]bool{}
	rows := 0
	for _, table := range dealt {
		rows += table.Rows
		for i := range table.Rows {
			seen[table.X[3*i]] = true
			if row := int(table.X[3*i]); table.Y[i] != all.Y[row] || table.X[3*i+1] != all.X[3*row+1] {
				t.Fatalf("record %d was changed", row)
			}
		}
	}
	if rows != 1000 || len(seen) != 1000 {
		t.Errorf("%d records, %d different ones, of 1000", rows, len(seen))
	}
	if got := dealt[1].CountLabels(plan); got[0] < 250 || got[1] != 0 {
		t.Errorf("who wishes label 0 alone gets %v", got)
	}
}

func TestApportion(t *testing.T) {
	for _, c := range []struct {
		shares []float64
		n      int
		want   []int
	}{{[]float64{1, 1, 1}, 10, []int{4, 3, 3}}, {[]float64{0, 0}, 3, []int{2, 1}}, {[]float64{1e-12, 1}, 5, []int{0, 5}}, {[]float64{0.5, 0.3, 0.2}, 1, []int{1, 0, 0}}} {
		if got := apportion(c.shares, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%d in %v: %v, want %v", c.n, c.shares, got, c.want)
		}
	}
}
