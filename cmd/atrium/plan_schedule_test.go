package main

import (
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// TestScheduleOfMonths: whoever reads a plan before approving it reads which months are
// evaluated, by which date, and what that tells.
func TestScheduleOfMonths(t *testing.T) {
	p := plans.Cardiology()
	p.Schedule.Months = federation.Months{Date: "admitted", First: "2026-11", Count: 3}
	text := strings.Join(scheduleWords(p), "\n")
	for _, words := range []string{"every 10th but the last", "each month from 2026-11 to 2027-01, by their admitted", "who had too few records"} {
		if !strings.Contains(text, words) {
			t.Errorf("no %q in\n%s", words, text)
		}
	}
	if changeMeans("schedule.months.first") == "" {
		t.Error("a change of the months is not explained")
	}
}
