package rpc_test

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"atrium/client/audit"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

// dated writes test records of a file anew, so many of each month, and one with a date that
// nobody can read.
func dated(file string, months map[federation.Month]int) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	rows, err := csv.NewReader(strings.NewReader(string(raw))).ReadAll()
	if err != nil {
		return err
	}
	table, records := [][]string{append(rows[0], "admitted")}, rows[1:]
	add := func(date string) {
		table = append(table, append(slices.Clone(records[len(table)%len(records)]), date))
	}
	for _, month := range []federation.Month{"2020-01", "2020-02"} {
		for range months[month] {
			add(string(month) + "-17T10:30:00+01:00")
		}
	}
	add("last winter")
	var out strings.Builder
	if err := csv.NewWriter(&out).WriteAll(table); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(out.String()), 0o600)
}

// monthly starts a daemon whose test records have dates.
func (w *world) monthly(name string, months map[federation.Month]int) func() {
	w.t.Helper()
	cfg := w.config(name)
	w.must(dated(cfg.Test, months))
	return w.run(cfg)
}

// TestMonths: after its training a plan's last version is evaluated by month, each on the
// records that have its date. Sums are of all hospitals or nobody, but a month is of those that
// have enough records of it; the others say so.
func TestMonths(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 5, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.EvaluateEvery = 1, 1
		p.Schedule.Months = federation.Months{Date: "admitted", First: "2020-01", Count: 2}
	}, func(o *setup.Options) { o.Numbers = federation.Numbers{} })
	if w.charter.Cohort != federation.CohortAll || w.charter.MinCohort != 4 {
		t.Fatalf("cohort %s, K = %d", w.charter.CohortWord(), w.charter.MinCohort)
	}
	c, stop := w.coordinator()
	defer stop()
	for i, name := range w.names {
		months := map[federation.Month]int{"2020-01": 11 + i, "2020-02": 20}
		if i == 2 {
			months["2020-01"] = 9 // fewer than the plan wants
		}
		defer w.monthly(name, months)()
	}
	w.until(c, "the last month", func(s coordinator.Status) bool { return strings.HasSuffix(s.Months, "none is left") })
	options := audit.Options{Charter: w.charter.Digest()}
	_, err := audit.Verify(t.Context(), c.Bucket(), options)
	w.must(err)
	history, err := audit.Show(t.Context(), c.Bucket(), 0, options)
	w.must(err)
	records := map[federation.Month]float64{}
	for _, event := range history.Events {
		if r := event.Round; r != nil && r.Kind == federation.Evaluate {
			e := r.Result.Evaluation
			records[r.Month] = e.TP + e.FP + e.TN + e.FN
			if r.Result.Part != r.Month || r.Base != 2 {
				t.Errorf("month %s of version %d: the result is of %s", r.Month, r.Base, r.Result.Part)
			}
			if n := len(r.Declined); (r.Month == "2020-01") != (n == 1) || n == 1 && r.Declined[0].Reason != "policy rule min_records" {
				t.Errorf("%s: declined %+v", r.Month, r.Declined)
			}
		}
	}
	if len(records) != 2 || records["2020-01"] != 11+12+14+15 || records["2020-02"] != 5*20 {
		t.Errorf("records by month %v", records)
	}
	text := strings.Join(history.Text(), "\n")
	for _, words := range []string{"evaluate by month 2020-01 on version 2: done", "with 4 hospitals", "evaluate by month 2020-02 on version 2: done"} {
		if !strings.Contains(text, words) {
			t.Errorf("the history lacks %q:\n%s", words, text)
		}
	}
	replay, err := audit.Replay(t.Context(), c.Bucket(), options)
	w.must(err)
	if e := replay.Evaluations; len(e) != 2 || e[0].Month != "2020-01" || e[0].Cohort != 4 || e[1].Month != "2020-02" || e[1].Cohort != 5 || e[1].Status != audit.Rederived {
		t.Errorf("replayed: %+v", e)
	}
}
