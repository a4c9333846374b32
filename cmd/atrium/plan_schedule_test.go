package main

import (
	"slices"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// TestScheduleSaysWhatEvaluationsWant: of the roster, in one sentence, where there are any.
func TestScheduleSaysWhatEvaluationsWant(t *testing.T) {
	plan := plans.Cardiology()
	for every, want := range map[int]bool{0: false, 5: true} {
		plan.Schedule.EvaluateEvery = every
		if got := slices.Contains(scheduleWords(plan), federation.SteadyWords); got != want {
			t.Errorf("evaluate_every %d: said %v", every, got)
		}
	}
}
