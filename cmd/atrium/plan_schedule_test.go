package main

import (
	"slices"
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

// TestScheduleSaysWhatEvaluationsWant: of the roster, in one sentence, where there are any.
func TestScheduleSaysWhatEvaluationsWant(t *testing.T) {
	plan := plans.Cardiology()
	for every, want := range map[int]bool{0: false, 5: true} {
		plan.Schedule.EvaluateEvery = every
		if got := slices.Contains(scheduleWords(plan), "evaluations "+federation.SteadyWords); got != want {
			t.Errorf("evaluate_every %d: said %v", every, got)
		}
	}
}
