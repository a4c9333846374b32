package dataset

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"atrium/coordinator/federation"
)

// dealStream separates dealing from other uses of a seed.
const dealStream = 0x61747269756d2f64 // "atrium/d"

// CountLabels counts the records of each label of the plan; of several labels, by the first.
func (t *Table) CountLabels(plan federation.Plan) []int {
	counts := make([]int, plan.Model.Labels())
	for row := range t.Rows {
		counts[t.stratum(row)]++
	}
	return counts
}

// stratum is a record's label, or the first of several.
func (t *Table) stratum(row int) int { return int(t.labels()[row*t.Labels]) }

// Deal gives every record of t to one of len(wishes) hospitals, at random. A wish says how
// many records of each label a hospital would like; of each label the hospitals get in
// proportion to their wishes, so what they get is what they wish if that is all there is.
func Deal(t *Table, plan federation.Plan, wishes [][]float64, seed uint64) []*Table {
	rng := rand.New(rand.NewPCG(seed, dealStream))
	byLabel := make([][]int, plan.Model.Labels())
	for row := range t.Rows {
		byLabel[t.stratum(row)] = append(byLabel[t.stratum(row)], row)
	}
	given := make([][]int, len(wishes))
	for label, rows := range byLabel {
		rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		share := make([]float64, len(wishes))
		for i, w := range wishes {
			share[i] = w[label]
		}
		for i, n := range apportion(share, len(rows)) {
			given[i] = append(given[i], rows[:n]...)
			rows = rows[n:]
		}
	}
	out := make([]*Table, len(wishes))
	for i, rows := range given {
		rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		out[i] = t.rows(plan, rows)
	}
	return out
}

// rows returns a table of some of the records.
func (t *Table) rows(plan federation.Plan, rows []int) *Table {
	out := &Table{Features: t.Features, Cols: t.Cols, Labels: t.Labels, ByRecord: t.ByRecord}
	labels := t.labels()
	for _, row := range rows {
		out.X = append(out.X, t.X[row*t.Cols:(row+1)*t.Cols]...)
		out.addLabels(labels[row*t.Labels:(row+1)*t.Labels], plan)
		out.Rows++
	}
	out.Quality.Rows = out.Rows
	return out
}

// apportion shares n things in proportion, by largest remainder; equally where all is 0.
func apportion(shares []float64, n int) []int {
	total := 0.0
	for _, s := range shares {
		total += s
	}
	out, order, remainder := make([]int, len(shares)), make([]int, len(shares)), make([]float64, len(shares))
	left := n
	for i, s := range shares {
		exact := float64(n) / float64(len(shares))
		if total > 0 {
			exact = float64(n) * (s / total)
		}
		out[i], order[i] = min(int(exact), left), i
		remainder[i] = exact - float64(out[i])
		left -= out[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainder[b], remainder[a]) })
	for i := 0; left > 0; i = (i + 1) % len(order) {
		out[order[i]]++
		left--
	}
	return out
}
