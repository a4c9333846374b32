package dataset

import (
	"math"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// Mask returns t with these columns as if nobody had measured them: they have no sums, and
// are 0 after normalisation. The records are shared.
func (t *Table) Mask(columns federation.Columns) *Table {
	list := columns.List()
	if len(list) == 0 {
		return t
	}
	view := *t
	view.Masked = make([]bool, t.columns())
	copy(view.Masked, t.Masked)
	for _, i := range list {
		if i < len(view.Masked) {
			view.Masked[i] = true
		}
	}
	return &view
}

func (t *Table) isMasked(column int) bool { return column < len(t.Masked) && t.Masked[column] }

// View is Mask for what a round masks and for what nobody measured when the statistics of a
// version were summed: its mean and deviation say nothing about such a column, and nothing was
// learned of it.
func View(t *Table, plan federation.Plan, n aggregation.Normalisation, masked federation.Columns) *Table {
	return t.Mask(masked.Or(unmeasured(plan, n)))
}

// unmeasured returns the columns with the mean and deviation that aggregation.FromSums gives
// what nobody measured. One that everybody measured as the middle of its range looks the same,
// and says as little.
func unmeasured(plan federation.Plan, n aggregation.Normalisation) federation.Columns {
	if plan.ColumnCount() == 0 || len(n.Mean) != plan.ColumnCount() {
		return ""
	}
	nobody, err := aggregation.FromSums(make([]float64, aggregation.SumsPerFeature*plan.ColumnCount()), Ranges(plan))
	if err != nil {
		return ""
	}
	var list []int
	for i := range n.Mean {
		if n.Mean[i] == nobody.Mean[i] && n.SD[i] == nobody.SD[i] {
			list = append(list, i)
		}
	}
	return federation.ColumnsOf(list...)
}

// Lacks returns the columns of the plan of which t has fewer measured records than a hospital
// needs to take part.
func Lacks(t *Table, plan federation.Plan) federation.Columns {
	measured := make([]int, plan.ColumnCount())
	if len(measured) == 0 || t.Cols != len(measured) {
		return ""
	}
	for i, x := range t.X {
		if !math.IsNaN(x) {
			measured[i%t.Cols]++
		}
	}
	var list []int
	for i, n := range measured {
		if n < max(1, plan.Privacy.MinRecords) {
			list = append(list, i)
		}
	}
	return federation.ColumnsOf(list...)
}
