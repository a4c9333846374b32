package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"atrium/coordinator/federation"
	"atrium/coordinator/simulate"
)

// simReport is what --json of a simulation writes.
type simReport struct {
	simulate.Result
	Target simTarget `json:"target"`
}

// simTarget is when a metric was reached first.
type simTarget struct {
	AUC     float64 `json:"auc"`
	Chosen  bool    `json:"chosen"` // by a flag; else near the best
	Reached bool    `json:"reached"`
	Trained int     `json:"train_rounds"` // until then
	Days    float64 `json:"days"`
	Up      int64   `json:"bytes_up"`
}

// nearBest is how far below the best AUC the target is that nobody chose.
const nearBest = 0.01

func newSimReport(r simulate.Result, target float64) simReport {
	out := simReport{Result: r, Target: simTarget{AUC: target, Chosen: target > 0}}
	if target == 0 {
		for _, round := range r.Rounds {
			if m := round.Metric; m != nil && m.AUC != nil {
				out.Target.AUC = max(out.Target.AUC, *m.AUC-nearBest)
			}
		}
	}
	for _, round := range r.Rounds {
		out.Target.Up += round.Up
		if round.Metric == nil {
			continue
		}
		out.Target.Trained++
		if auc := round.Metric.AUC; auc != nil && *auc >= out.Target.AUC {
			out.Target.Reached, out.Target.Days = true, round.Ended
			return out
		}
	}
	out.Target.Trained, out.Target.Up = 0, 0
	return out
}

// last is the metric of the last version, nil if nothing was trained.
func (r simReport) last() *simulate.Metric {
	for _, round := range slices.Backward(r.Rounds) {
		if round.Metric != nil {
			return round.Metric
		}
	}
	return nil
}

// showSimulation prints the tables of a simulation.
func showSimulation(out *output, r simReport) {
	rows := [][]string{{"hospitals", "number", "records", "there", "joined", "summed", "late", "never summed", "trained", "in vain", "sent", "received"}}
	for _, c := range r.Classes {
		rows = append(rows, []string{c.Name, fmt.Sprint(c.Hospitals), fmt.Sprint(c.Rows), percent(c.Present), percent(c.Joined), percent(c.Summed),
			percent(c.Late), fmt.Sprint(c.Never), fmt.Sprintf("%.1f h", c.TrainHours), fmt.Sprintf("%.1f h", c.WastedHours), bytesText(c.Up), bytesText(c.Down)})
	}
	out.table(rows)
	out.line("")
	out.line("there: of the time; joined, summed, late: of the train rounds, a hospital; in vain: trained for an update that was not summed")
	out.line("")
	out.pairs(r.facts())
}

func percent(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) }

// facts are the lines below the table.
func (r simReport) facts() [][2]string {
	facts := [][2]string{
		{"rounds", fmt.Sprintf("%d train rounds, %d of all kinds, %d abandoned; %s", r.Trained, len(r.Rounds), r.Abandoned, r.Reason)},
		{"virtual time", fmt.Sprintf("%s, %s a train round on average", daysText(r.Days), daysText(r.Days/float64(max(1, r.Trained))))},
	}
	if m := r.last(); m != nil {
		facts = append(facts,
			[2]string{"AUC, accuracy", fmt.Sprintf("%s, %.3f on the records that all hospitals hold back", number(m.AUC), m.Accuracy)},
			[2]string{fmt.Sprintf("to AUC %.3f", r.Target.AUC), r.Target.words()},
			[2]string{"without encryption", r.exactWords(m)})
	}
	updates := 0
	for _, round := range r.Rounds {
		updates += round.Summed
	}
	facts = append(facts, [2]string{"bytes", fmt.Sprintf("%s sent, %s received by all hospitals; %s sent for each update that was summed", bytesText(r.Up), bytesText(r.Down), bytesText(r.Up/int64(max(1, updates))))},
		[2]string{"custodians", fmt.Sprintf("%d, of whom %d must answer; at least %d hospitals are summed", r.Custodians, r.Threshold, r.MinCohort)})
	for _, reason := range r.reasons() {
		facts = append(facts, [2]string{"abandoned", reason})
	}
	return append(facts, [2]string{"log", fmt.Sprintf("%d entries, hash %s", r.Log.Size, r.Log.Root)})
}

func (t simTarget) words() string {
	if !t.Reached {
		return "not reached"
	}
	return fmt.Sprintf("%d train rounds, %s, %s sent", t.Trained, daysText(t.Days), bytesText(t.Up))
}

// exactWords compares with the model of sums that were neither rounded nor clipped.
func (r simReport) exactWords(m *simulate.Metric) string {
	if m.Exact == nil {
		return "nothing to compare with: " + r.Lost
	}
	auc := "AUC –"
	if m.AUC != nil && m.Exact.AUC != nil {
		auc = fmt.Sprintf("AUC %.4f (encrypted %+.4f)", *m.Exact.AUC, *m.AUC-*m.Exact.AUC)
	}
	return fmt.Sprintf("%s, accuracy %.4f (%+.4f); parameters differ by at most %.2g, by %.2g of their norm", auc, m.Exact.Accuracy, m.Accuracy-m.Exact.Accuracy, m.Greatest, m.Relative)
}

// reasons lists why rounds were abandoned, the most frequent first.
func (r simReport) reasons() []string {
	counts := map[string]int{}
	for _, round := range r.Rounds {
		if round.Reason != "" {
			reason, _, _ := strings.Cut(round.Reason, "\n")
			counts[string(round.Kind)+": "+reason]++
		}
	}
	var list []string
	for reason := range counts {
		list = append(list, reason)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	for i, reason := range list {
		list[i] = fmt.Sprintf("%d × %s", counts[reason], reason)
	}
	if len(list) > 5 {
		list = append(list[:5], fmt.Sprintf("… and %d other reasons", len(list)-5))
	}
	return list
}

// daysText is a duration in the unit that suits it.
func daysText(days float64) string {
	switch seconds := days * 86400; {
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.0f min", seconds/60)
	case days < 2:
		return fmt.Sprintf("%.1f h", seconds/3600)
	}
	return fmt.Sprintf("%.1f days", days)
}

// trains lists the train rounds that made a version.
func (r simReport) trains() []simulate.RoundResult {
	var list []simulate.RoundResult
	for _, round := range r.Rounds {
		if round.Kind == federation.Train && round.Metric != nil {
			list = append(list, round)
		}
	}
	return list
}

// orNaN is a metric as a curve has it.
func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
