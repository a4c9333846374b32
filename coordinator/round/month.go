package round

import (
	"fmt"
	"time"

	"atrium/coordinator/federation"
)

// monthSlack is how long after its end in UTC a month is evaluated: by then it is over
// everywhere.
const monthSlack = 24 * time.Hour

// NextMonth is the month that is evaluated next on the plan's last version, and from when on;
// "" where none is. It skips what was answered of this version, as in an earlier epoch or, by a
// plan before, of all records.
func (s State) NextMonth() (federation.Month, time.Time) {
	months := s.Schedule.Months
	if !months.On() || s.Finished == "" || s.Model.Number == 0 {
		return "", time.Time{}
	}
	next := months.First
	if s.Month != "" {
		next = s.Month.After(1)
	}
	for ; months.Has(next); next = next.After(1) {
		question := months.Part(next).Evaluation(s.Model.Parameters)
		if len(s.ToRelease(federation.Evaluate, []string{question})) == 0 {
			return next, next.End().Add(monthSlack)
		}
	}
	return "", time.Time{}
}

// MonthWake is the moment from which the next month is evaluated, by the clock of entries; zero
// where none is.
func MonthWake(s State) time.Time {
	if s.Round.Phase.Running() {
		return time.Time{}
	}
	_, due := s.NextMonth()
	return due
}

// MonthText says which months a plan evaluates and which is next; "" where it evaluates none.
func MonthText(s State) string {
	months := s.Schedule.Months
	if !months.On() {
		return ""
	}
	text := fmt.Sprintf("%s to %s, by %s", months.First, months.First.After(months.Count-1), months.Date)
	month, due := s.NextMonth()
	switch {
	case s.Finished == "":
		return text + "; after training"
	case s.Round.Phase.Running():
		return fmt.Sprintf("%s; now %s", text, s.Round.Part.Month)
	case month == "":
		return text + "; none is left"
	}
	return fmt.Sprintf("%s; next %s, on %s", text, month, due.Format(time.DateOnly))
}
