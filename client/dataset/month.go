package dataset

import (
	"strings"
	"time"

	"atrium/coordinator/federation"
)

// ReadMonth returns the month of a date as files have it: YYYY-MM-DD, or that in front of a
// time of day, behind T or a space, of which nothing is read; "" where it is none.
func ReadMonth(cell string) federation.Month {
	date, _, _ := strings.Cut(strings.TrimSpace(cell), "T")
	date, _, _ = strings.Cut(date, " ")
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return ""
	}
	if m := federation.MonthOf(t); m.Valid() {
		return m
	}
	return ""
}

// addMonth notes the month of an eligible record, of which the text is kept once.
func (t *Table) addMonth(cell string) {
	m := ReadMonth(cell)
	if m == "" {
		t.Quality.Undated++
	}
	if last := len(t.Months) - 1; last >= 0 && t.Months[last] == m {
		m = t.Months[last]
	} else {
		m = federation.Month(strings.Clone(string(m)))
	}
	t.Months = append(t.Months, m)
}

// InMonth returns the records of a month, "": all of them. Quality stays that of the file.
func (t *Table) InMonth(month federation.Month) *Table {
	if month == "" {
		return t
	}
	part := *t
	part.X, part.Y, part.Class, part.Months, part.Rows = nil, nil, nil, nil, 0
	for i, m := range t.Months {
		if m != month {
			continue
		}
		part.X = append(part.X, t.X[i*t.Cols:(i+1)*t.Cols]...)
		part.Y = append(part.Y, t.Y[i*t.Labels:(i+1)*t.Labels]...)
		if t.Class != nil {
			part.Class = append(part.Class, t.Class[i])
		}
		part.Months = append(part.Months, m)
		part.Rows++
	}
	return &part
}
