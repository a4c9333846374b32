package federation

import (
	"strings"
	"time"
)

// Month is a calendar month of the years 1900 to 2999, such as "2026-03". Months are ordered
// as their text is.
type Month string

const monthLayout = "2006-01"

// MonthOf is the month of a moment, in UTC.
func MonthOf(t time.Time) Month { return Month(t.UTC().Format(monthLayout)) }

// Valid reports whether m has the form of a month.
func (m Month) Valid() bool {
	t, err := time.Parse(monthLayout, string(m))
	return err == nil && MonthOf(t) == m && t.Year() >= 1900 && t.Year() < 3000
}

// After is the n-th month after a valid one.
func (m Month) After(n int) Month { return MonthOf(m.start().AddDate(0, n, 0)) }

// End is the first moment after a valid month, in UTC.
func (m Month) End() time.Time { return m.start().AddDate(0, 1, 0) }

func (m Month) start() time.Time {
	t, _ := time.Parse(monthLayout, string(m))
	return t
}

// Months is the evaluation of a plan's last version by calendar month, after its training. The
// zero Months evaluates none.
type Months struct {
	Date  string `json:"date,omitempty"`  // column of the records' dates
	First Month  `json:"first,omitempty"` // that is evaluated
	Count int    `json:"count,omitempty"` // months from there
}

// On reports whether months are evaluated.
func (m Months) On() bool { return m.Count > 0 }

// Has reports whether a month is one of those that are evaluated.
func (m Months) Has(month Month) bool {
	return m.On() && month.Valid() && month >= m.First && month < m.First.After(m.Count)
}

func (p Plan) validateMonths() error {
	m := p.Schedule.Months
	switch {
	case m == Months{}:
		return nil
	case !validColumn(m.Date):
		return bad("schedule.months.date", "%q: want a column, 1 to %d printable characters without / or \"", m.Date, MaxName)
	case p.hasColumn(m.Date):
		return bad("schedule.months.date", "%q is a feature or a label", m.Date)
	case !m.First.Valid():
		return bad("schedule.months.first", "%q: want a month, such as 2026-03", string(m.First))
	case m.Count < 1 || m.Count > MaxMonths:
		return bad("schedule.months.count", "%d: want 1 to %d months", m.Count, MaxMonths)
	case !m.First.After(m.Count).Valid():
		return bad("schedule.months.count", "%d months from %s end after the year 2999", m.Count, m.First)
	case p.Schedule.Stop.On():
		return bad("schedule.months", "the stop rule evaluates the last version whole, and then no month of it is evaluated: want one of the two")
	}
	return nil
}

func (p Plan) hasColumn(name string) bool {
	for _, f := range p.Features {
		if f.Name == name {
			return true
		}
	}
	for _, n := range p.Label.Names() {
		if n == name {
			return true
		}
	}
	return false
}

// Part is the records that an evaluation is about: those whose date in a column of the plan
// lies in a month, or all of them, which is the zero Part.
type Part struct {
	Date  string `json:"date,omitempty"`
	Month Month  `json:"month,omitempty"`
}

// Part is what a round of this plan is about that names a month, or none.
func (p Plan) Part(m Month) Part { return p.Schedule.Months.Part(m) }

// Part is the records of a month, or of none: all.
func (m Months) Part(month Month) Part {
	if month == "" {
		return Part{}
	}
	return Part{m.Date, month}
}

// Whole reports whether it is all records.
func (p Part) Whole() bool { return p == Part{} }

// Overlaps reports whether a record may be in both parts. It is in one month only by one
// column; that two columns are called differently says nothing of the dates in them.
func (p Part) Overlaps(o Part) bool {
	return p.Whole() || o.Whole() || p.Date != o.Date || p.Month == o.Month
}

// SameLine reports whether evaluations of these parts, on whatever versions, are of one set of
// hospitals: two of all records, or two of months that overlap.
func (p Part) SameLine(o Part) bool { return p.Whole() == o.Whole() && p.Overlaps(o) }

// Rules is the charter as a round about a part takes it: sums of one month are of K hospitals
// or more, also where others are of all of a group or nobody. Months are disjoint, so whoever
// misses one is missed by no other sum.
func (p Part) Rules(c Charter) Charter {
	if !p.Whole() {
		c.Cohort = ""
	}
	return c
}

const (
	evaluationPrefix = "evaluate/"
	monthInfix       = "/month/"
)

// Evaluation is the question of an evaluation of a part. It names no label: by what a label is
// called nobody can tell whether hospitals read it from the same column, so evaluations of one
// model on the same records are one question.
func (p Part) Evaluation(parameters Digest) string {
	question := evaluationPrefix + parameters.String()
	if !p.Whole() {
		question += "/" + p.Date + monthInfix + string(p.Month)
	}
	return question
}

// About is the records that a round is about, as its questions say: of any other kind than
// an evaluation all of them.
func (h Header) About() Part {
	if h.Kind != Evaluate || len(h.Questions) != 1 {
		return Part{}
	}
	_, part, _ := evaluation(h.Questions[0])
	return part
}

// evaluation takes a question apart.
func evaluation(question string) (parameters string, part Part, ok bool) {
	rest, ok := strings.CutPrefix(question, evaluationPrefix)
	if !ok {
		return "", Part{}, false
	}
	parameters, rest, monthly := strings.Cut(rest, "/")
	if monthly {
		date, month, _ := strings.Cut(rest, monthInfix)
		part = Part{date, Month(month)}
	}
	return parameters, part, true
}

// overlaps reports whether one opened sum would say something of the other question.
func overlaps(a, b string) bool {
	if a == b || isStatistic(a) && isStatistic(b) {
		return true
	}
	of, part, ok := evaluation(a)
	other, its, too := evaluation(b)
	return ok && too && of == other && part.Overlaps(its)
}
