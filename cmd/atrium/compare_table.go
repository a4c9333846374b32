package main

import (
	"fmt"
	"math"

	"atrium/client"
	"atrium/coordinator/federation"
)

// compared prints a table of accuracies and one of AUC.
func (o *output) compared(c comparison, list []contender, left []string) {
	o.line("plan %s, %d rounds, seeds 1 to %d", c.Plan, c.Rounds, c.Seeds)
	for _, measure := range []struct {
		name string
		of   func(compareScore) (float64, bool)
	}{
		{"accuracy", func(s compareScore) (float64, bool) { return s.Accuracy, true }},
		{"AUC", func(s compareScore) (float64, bool) {
			if s.AUC == nil {
				return 0, false
			}
			return *s.AUC, true
		}},
	} {
		head := []string{measure.name}
		for _, h := range c.Hospitals {
			head = append(head, h.Name)
		}
		rows := [][]string{append(head, "mean", "all records")}
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

// cells are those of a row: each hospital, their mean, and all records.
func (c comparison) cells(seeds []scored, of func(compareScore) (float64, bool)) []string {
	columns := make([][]float64, len(c.Hospitals)+2)
	for _, s := range seeds {
		sum, n := 0.0, 0.0
		for i, h := range s.hospitals {
			v, ok := of(h)
			if !ok {
				continue
			}
			columns[i] = append(columns[i], v)
			if !c.Hospitals[i].Attacks {
				sum, n = sum+v, n+1
			}
		}
		if n > 0 {
			columns[len(c.Hospitals)] = append(columns[len(c.Hospitals)], sum/n)
		}
		if v, ok := of(s.all); ok {
			columns[len(c.Hospitals)+1] = append(columns[len(c.Hospitals)+1], v)
		}
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
