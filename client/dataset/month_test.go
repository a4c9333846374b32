package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"atrium/coordinator/federation"
)

var dates = map[string]federation.Month{
	"2026-03-01": "2026-03", " 2026-12-31 ": "2026-12", "2026-03-31T23:59:59+02:00": "2026-03", "2026-03-31T22:00:00Z": "2026-03",
	"2026-03-04 10:15": "2026-03", "1900-01-01": "1900-01",
	"": "", "?": "", "2026": "", "2026-03": "", "2026-02-30": "", "31.03.2026": "", "03/31/2026": "", "20260331": "", "2026-03-041": "",
	"2026-3-4": "", "1899-12-31": "", "3000-01-01": "", "-2026-03-01": "", "T10:15": "",
}

func TestReadMonth(t *testing.T) {
	for cell, want := range dates {
		if got := ReadMonth(cell); got != want {
			t.Errorf("%q: %q, want %q", cell, got, want)
		}
	}
}

// FuzzReadMonth: whatever is read is a month, that of the ten bytes which a date has.
func FuzzReadMonth(f *testing.F) {
	for cell := range dates {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		m := ReadMonth(cell)
		if m == "" {
			return
		}
		text := strings.TrimSpace(cell)
		day, err := time.Parse(time.DateOnly, text[:min(10, len(text))])
		if err != nil || !m.Valid() || federation.MonthOf(day) != m || !strings.HasPrefix(text, string(m)+"-") {
			t.Fatalf("%q is read as %q", cell, m)
		}
	})
}

// monthlyPlan evaluates by month.
func monthlyPlan() federation.Plan {
	p := smallPlan()
	p.Schedule.Months = federation.Months{Date: "admitted", First: "2026-01", Count: 12}
	return p
}

// TestMonths: a record is in the month of its own date, also where another record between is
// not eligible; what has no readable date is in none, and counted. The column may be called
// otherwise in the hospital's files.
func TestMonths(t *testing.T) {
	csv := "day,a,b,y\n2026-03-01,1,1,1\n2026-04-30,2,,0\n2026-04-01,3,3,0\n soon ,4,4,1\n2026-03-31T08:00:00Z,5,5,0\n"
	options := Options{Dates: true, Columns: []Column{{Name: "admitted", From: "day"}}}
	table, err := Parse("f", strings.NewReader(csv), monthlyPlan(), options)
	if err != nil {
		t.Fatal(err)
	}
	if want := []federation.Month{"2026-03", "2026-04", "", "2026-03"}; !slices.Equal(table.Months, want) || table.Quality.Undated != 1 {
		t.Errorf("months %q, %d without", table.Months, table.Quality.Undated)
	}
	march := table.InMonth("2026-03")
	if march.Rows != 2 || !slices.Equal(march.X, []float64{1, 1, 5, 5}) || !slices.Equal(march.Y, []float64{1, 0}) || len(march.Months) != 2 {
		t.Errorf("March is %+v", march)
	}
	if may := table.InMonth("2026-05"); may.Rows != 0 || len(may.X)+len(may.Y) != 0 {
		t.Errorf("May is %+v", may)
	}
	if table.InMonth("") != table {
		t.Error("all records are others")
	}
	undated, err := Parse("f", strings.NewReader("a,b,y\n1,1,1\n"), monthlyPlan(), Options{})
	if err != nil || undated.InMonth("2026-03").Rows != 0 {
		t.Errorf("records that need no dates: %v", err)
	}
	if _, err := Parse("f", strings.NewReader("a,b,y\n1,1,1\n"), monthlyPlan(), Options{Dates: true}); err == nil || !strings.Contains(err.Error(), "column admitted: missing in the header") {
		t.Errorf("without the column: %v", err)
	}
	if _, err := ParseColumns("c", []byte("columns:\n  - {name: admitted, scale: 2}\n"), monthlyPlan()); err == nil || !strings.Contains(err.Error(), "is a date") {
		t.Errorf("a date with a scale: %v", err)
	}
	if _, err := ParseColumns("c", []byte("columns:\n  - {name: admitted, from: day}\n"), monthlyPlan()); err != nil {
		t.Error(err)
	}
}

// TestMonthsOfArrays: their dates stand beside their labels.
func TestMonthsOfArrays(t *testing.T) {
	plan := waves()
	plan.Schedule.Months = monthlyPlan().Schedule.Months
	dir := t.TempDir()
	file := filepath.Join(dir, "x.npy")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("x.npy", npy(t, "<f8", []int{2, 2, 3}, make([]float64, 12)))
	write("x.labels.csv", plan.Label.Name+",admitted\n1,2026-03-01\n0,never\n")
	table, err := Read(file, plan, Options{Dates: true})
	if err != nil {
		t.Fatal(err)
	}
	if part := table.InMonth("2026-03"); part.Rows != 1 || len(part.X) != 6 || table.Quality.Undated != 1 {
		t.Errorf("March is %+v of %+v", part, table.Quality)
	}
	if err := os.Remove(filepath.Join(dir, "x.labels.csv")); err != nil {
		t.Fatal(err)
	}
	write("x.labels.npy", npy(t, "<f8", []int{2}, []float64{1, 0}))
	if _, err := Read(file, plan, Options{Dates: true}); err == nil || !strings.Contains(err.Error(), "want "+filepath.Join(dir, "x")+".labels.csv with a column admitted of dates") {
		t.Errorf("labels without dates: %v", err)
	}
	if _, err := Read(file, plan, Options{}); err != nil {
		t.Errorf("for training: %v", err)
	}
}
