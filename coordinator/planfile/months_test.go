package planfile

import (
	"strings"
	"testing"

	"atrium/coordinator/federation"
)

// TestMonths: a year is evaluated unless the file says otherwise; what is wrong is said by key
// and place.
func TestMonths(t *testing.T) {
	text := small + "schedule:\n  months: {date: admitted, first: 2026-01}\n"
	p, err := ParsePlan("p.yaml", []byte(text))
	if want := (federation.Months{Date: "admitted", First: "2026-01", Count: 12}); err != nil || p.Schedule.Months != want {
		t.Errorf("months %+v: %v", p.Schedule.Months, err)
	}
	for change, want := range map[string]string{
		"first: January":             `p.yaml:12:35: schedule.months.first: "January": want a month, such as 2026-03`,
		"first: 2026-01, count: 121": `p.yaml:12:51: schedule.months.count: 121: want 1 to 120 months`,
		"first: 2026-01, every: 1":   `p.yaml:12:44: schedule.months.every: unknown key: want one of date, first, count`,
	} {
		_, err := ParsePlan("p.yaml", []byte(strings.Replace(text, "first: 2026-01", change, 1)))
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", change, err, want)
		}
	}
	_, err = ParsePlan("p.yaml", []byte(strings.Replace(text, "date: admitted", "date: age", 1)))
	if err == nil || !strings.Contains(err.Error(), `schedule.months.date: "age" is a feature or a label`) {
		t.Errorf("a feature as date: %v", err)
	}
}
