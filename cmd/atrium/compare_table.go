package main

import (
	"fmt"
	"math"
	"slices"

	"atrium/client"
	"atrium/coordinator/federation"
)

// compared prints a table of accuracies and one of AUC, and of log-loss if losses.
func (o *output) compared(c comparison, list []contender, left []string, losses bool) {
	o.line("plan %s, %d rounds, seeds 1 to %d", c.Plan, c.Rounds, c.Seeds)
	type measure struct {
		name string
		of   func(compareScore) (float64, bool)
	}
	measures := []measure{
		{"accuracy", func(s compareScore) (float64, bool) { return s.Accuracy, true }},
		{"AUC", func(s compareScore) (float64, bool) {
			if s.AUC == nil {
				return 0, false
			}
			return *s.AUC, true
		}},
	}
	if losses {
		measures = append(measures, measure{"log-loss", func(s compareScore) (float64, bool) { return s.LogLoss, true }})
	}
	for _, measure := range measures {
		rows := [][]string{append([]string{measure.name}, c.heads()...)}
		for _, x := range list {
			plain, tuned := c.row(x.name)
			rows = append(rows, append([]string{x.name}, c.cells(plain, measure.of)...))
			if tuned != nil {
				rows = append(rows, append([]string{"  fine-tuned"}, c.cells(tuned, measure.of)...))
			}
		}
		o.line("")
		o.table(rows)
	}
	o.line("")
	for _, text := range left {
		o.line("left out: %s", text)
	}
	o.lines(c.doubts)
	for _, r := range c.Runs {
		if r.Lost+r.Dropped > 0 {
			o.line("%s, seed %d: %d rounds without a version, and %d groups left out of others", r.Row, r.Seed, r.Lost, r.Dropped)
		}
	}
	for _, h := range c.Hospitals {
		if h.Attacks {
			o.line("%s attacks, and is not in the means", h.Name)
		}
	}
}

// scored is what one seed of a row gave.
type scored struct {
	hospitals []compareScore
	all       compareScore
}

// row collects the seeds of a row; tuned is nil where nothing was fine-tuned.
func (c comparison) row(name string) (plain, tuned []scored) {
	for _, r := range c.Runs {
		if r.Row != name || r.Seed > uint64(c.Seeds) {
			continue
		}
		plain = append(plain, scored{r.Hospitals, r.All})
		if r.TunedAll != nil {
			tuned = append(tuned, scored{r.Tuned, *r.TunedAll})
		}
	}
	return plain, tuned
}

// maxColumns is how many hospitals have a column of their own; of more the least and the
// greatest value are shown.
const maxColumns = 8

func (c comparison) heads() []string {
	var heads []string
	for _, h := range c.Hospitals {
		heads = append(heads, h.Name)
	}
	if len(heads) > maxColumns {
		heads = []string{"least", "greatest"}
	}
	return append(heads, "mean", "all records")
}

// cells are those of a row, by heads.
func (c comparison) cells(seeds []scored, of func(compareScore) (float64, bool)) []string {
	columns := make([][]float64, len(c.heads()))
	put := func(column int, v float64, ok bool) {
		if ok {
			columns[column] = append(columns[column], v)
		}
	}
	for _, s := range seeds {
		var honest []float64 // who does not attack
		for i, h := range s.hospitals {
			v, ok := of(h)
			if ok && !c.Hospitals[i].Attacks {
				honest = append(honest, v)
			}
			put(min(i, len(columns)-3), v, ok && len(c.Hospitals) <= maxColumns)
		}
		if len(c.Hospitals) > maxColumns && len(honest) > 0 {
			put(0, slices.Min(honest), true)
			put(1, slices.Max(honest), true)
		}
		mean, _ := meanOf(honest)
		put(len(columns)-2, mean, len(honest) > 0)
		v, ok := of(s.all)
		put(len(columns)-1, v, ok)
	}
	var cells []string
	for _, values := range columns {
		cells = append(cells, spread(values))
	}
	return cells
}

// spread is mean and standard deviation, of n − 1.
func spread(values []float64) string {
	mean, sd := meanOf(values)
	switch len(values) {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf("%.3f", mean)
	}
	return fmt.Sprintf("%.3f ± %.3f", mean, sd)
}

func meanOf(values []float64) (mean, sd float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		sd += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(sd / float64(max(1, len(values)-1)))
}

// doubtful is the share of values outside a plausible range from which a unit is doubted.
const doubtful = 0.1

// doubts names columns of hospitals that look like those of another unit.
func doubts(plan federation.Plan, records []client.Records) []string {
	var list []string
	for _, r := range records {
		for i, f := range r.Train.Quality.Features {
			outside, all := f.OutOfRange, r.Train.Quality.Rows-f.Missing
			if plan.Arrays() {
				all *= r.Train.Cols
			}
			if want := plan.Features[i]; float64(outside) > doubtful*float64(all) {
				list = append(list, fmt.Sprintf("%s: %s is %v to %v and %d of %d values lie outside %v to %v %s: is its unit another?",
					r.Name, f.Name, f.Min, f.Max, outside, all, want.Min, want.Max, want.Unit))
			}
		}
	}
	return list
}
