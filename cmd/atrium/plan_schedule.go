package main

import (
	"fmt"
	"strings"

	"atrium/coordinator/federation"
)

// scheduleWords say how rounds follow one another and whom they wait for, a line a rule.
func scheduleWords(p federation.Plan) []string {
	s := p.Schedule
	lines := []string{fmt.Sprintf("%d train rounds", s.Rounds)}
	switch {
	case s.EvaluateEvery > 0 && s.Months.On():
		lines[0] += fmt.Sprintf(", evaluated after the first and every %s but the last", ordinal(s.EvaluateEvery))
	case s.EvaluateEvery > 0:
		lines[0] += fmt.Sprintf(", evaluated after the first, the last and every %s", ordinal(s.EvaluateEvery))
	}
	if c := s.Cohort; c.On() {
		lines = append(lines, fmt.Sprintf("each draws at least %d hospitals of each group from those that joined, and ends with the updates of %d; the draw follows from plan and version, and every hospital checks it", c.Asked(), c.Size))
	}
	if d := s.Deadline; d.Auto() {
		lines = append(lines, fmt.Sprintf("updates have %v times what %.0f %% of the hospitals took in the last train rounds, from %d to %d seconds", d.Factor, 100*d.Quantile, d.Least, s.UpdateSeconds))
	} else {
		lines = append(lines, fmt.Sprintf("updates have %d seconds", s.UpdateSeconds))
	}
	if w := p.Local.PartialWork; w.On() {
		lines = append(lines, fmt.Sprintf("a hospital that is too slow for that takes fewer steps, at least %.0f %% of them; %s", 100*w.Least, stepsToldWords(p)))
	}
	if s.Stop.On() {
		lines = append(lines, stopWords(s.Stop))
	}
	if s.Months.On() {
		lines = append(lines, monthsWords(s.Months))
	}
	if s.EvaluateEvery > 0 {
		lines = append(lines, "evaluations "+federation.SteadyWords)
	}
	return lines
}

// monthsWords say what an evaluation by month asks and gives away.
func monthsWords(m federation.Months) string {
	return fmt.Sprintf("then the last version is evaluated on the test records of each month from %s to %s, by their %s, once the month is over; "+
		"each is of K hospitals or more, never of all or nobody, and the log says who was in which and who had too few records", m.First, m.First.After(m.Count-1), m.Date)
}

// stepsToldWords say who learns how many steps a hospital took.
func stepsToldWords(p federation.Plan) string {
	if p.Aggregation.Rule == federation.FedNova {
		return "how many it took is encrypted, and only the mean of all is known"
	}
	return "how many it took is not sent"
}

func stopWords(s federation.Stop) string {
	var when []string
	if s.Target > 0 {
		when = append(when, fmt.Sprintf("reaches %v", s.Target))
	}
	if s.Patience > 0 {
		when = append(when, fmt.Sprintf("does not rise by more than %v in %d evaluations in a row", s.MinDelta, s.Patience))
	}
	return fmt.Sprintf("it ends early when everyone's %s %s", s.Metric, strings.Join(when, ", or "))
}

func ordinal(n int) string {
	switch {
	case n == 1:
		return "one"
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

// changeMeans says what it means to change a key, for those that are about whom rounds ask
// and wait for; "" for the others.
func changeMeans(key string) string {
	for prefix, words := range map[string]string{
		"schedule.cohort.size":  "updates of each group with which a train round ends; 0 or none: everyone's",
		"schedule.cohort.extra": "share that is asked beyond them",
		"schedule.cohort.seed":  "another draw",
		"schedule.deadline":     "how long train rounds wait for updates, from what earlier ones took",
		"privacy.weight":        "what an update weighs, and so what a reader of the log learns of counts",
		"schedule.months":       "of which months, by which date, the last version is evaluated",
		"schedule.stop":         "when the plan ends before its last round",
		"local.partial_work":    "how little of a round a slow hospital may do",
	} {
		if key == prefix || strings.HasPrefix(key, prefix+".") {
			return words
		}
	}
	return ""
}
