package federation

import (
	"errors"
	"testing"
	"time"
)

// TestOverlap: names prove nothing. Evaluations of one model overlap whatever the label is
// called, but for different months by one column; other models and kinds are other questions.
func TestOverlap(t *testing.T) {
	base, next := Sum([]byte("base")), Sum([]byte("next"))
	plan := testPlan()
	plan.Schedule.Months = Months{Date: "admitted", First: "2026-01", Count: 12}
	renamed, other := clone(t, plan), clone(t, plan)
	renamed.Label.Name = "another-name"
	other.Schedule.Months.Date = "discharged"
	several := severalPlan("u", "v")
	for _, x := range []struct {
		name string
		a, b []string
		want bool
	}{
		{"the same", plan.Questions(Evaluate, base), plan.Questions(Evaluate, base), true},
		{"another label", plan.Questions(Evaluate, base), renamed.Questions(Evaluate, base), true},
		{"several labels", plan.Questions(Evaluate, base), several.Questions(Evaluate, base), true},
		{"another version", plan.Questions(Evaluate, base), plan.Questions(Evaluate, next), false},
		{"training", plan.Questions(Evaluate, base), plan.Questions(Train, base), false},
		{"statistics", plan.Questions(Evaluate, base), plan.Questions(Statistics, base), false},
		{"two statistics", testPlan().Questions(Statistics, base), arrayPlan(9).Questions(Statistics, next), true},
		{"a month of all", plan.Questions(Evaluate, base), plan.QuestionsOf(Evaluate, base, "2026-03"), true},
		{"a month of another version", plan.Questions(Evaluate, base), plan.QuestionsOf(Evaluate, next, "2026-03"), false},
		{"two months", plan.QuestionsOf(Evaluate, base, "2026-02"), plan.QuestionsOf(Evaluate, base, "2026-03"), false},
		{"one month, another label", renamed.QuestionsOf(Evaluate, base, "2026-03"), plan.QuestionsOf(Evaluate, base, "2026-03"), true},
		{"two months by other dates", other.QuestionsOf(Evaluate, base, "2026-02"), plan.QuestionsOf(Evaluate, base, "2026-03"), true},
	} {
		if Overlap(x.a, x.b) != x.want || Overlap(x.b, x.a) != x.want {
			t.Errorf("%s: %q and %q overlap: %v", x.name, x.a, x.b, !x.want)
		}
	}
	if got, want := plan.QuestionsOf(Evaluate, base, "2026-03")[0], "evaluate/"+base.String()+"/admitted/month/2026-03"; got != want {
		t.Errorf("question %s, want %s", got, want)
	}
}

func TestMonth(t *testing.T) {
	for _, m := range []Month{"", "2026", "2026-3", "2026-00", "2026-13", "26-03", "2026-03 ", "1899-12", "3000-01"} {
		if m.Valid() {
			t.Errorf("%q is a month", m)
		}
	}
	if m := Month("2026-11"); !m.Valid() || m.After(2) != "2027-01" || m.After(0) != m || !m.End().Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("after %s come %s, it ends at %s", m, m.After(2), m.End())
	}
	if m := MonthOf(time.Date(2026, 3, 31, 23, 0, 0, 0, time.FixedZone("", -7200))); m != "2026-04" {
		t.Errorf("in UTC it is %s", m)
	}
	months := Months{Date: "admitted", First: "2026-11", Count: 3}
	for m, want := range map[Month]bool{"2026-10": false, "2026-11": true, "2027-01": true, "2027-02": false, "": false, "2026-12x": false} {
		if months.Has(m) != want || (Months{}).Has(m) {
			t.Errorf("%q is one of them: %v", m, !want)
		}
	}
}

func TestMonthsOfAPlan(t *testing.T) {
	good := Months{Date: "admitted", First: "2026-01", Count: 12}
	for key, change := range map[string]func(*Plan){
		"":                      func(*Plan) {},
		"schedule.months.date":  func(p *Plan) { p.Schedule.Months.Date = "" },
		"schedule.months.first": func(p *Plan) { p.Schedule.Months.First = "2026" },
		"schedule.months.count": func(p *Plan) { p.Schedule.Months.Count = MaxMonths + 1 },
		"schedule.months":       func(p *Plan) { p.Schedule.Stop = Stop{Metric: MetricAUC, Target: .9} },
	} {
		p := testPlan()
		p.Schedule.Months = good
		change(&p)
		err := p.Validate()
		if got := (*PlanError)(nil); key == "" && err != nil || key != "" && (!errors.As(err, &got) || got.Key != key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	p := testPlan()
	p.Schedule.Months = good
	p.Schedule.Months.Date = "disease"
	if p.Validate() == nil {
		t.Error("the label is a date")
	}
	p.Schedule.Months = Months{Date: "admitted", First: "2999-12", Count: 1}
	if p.Validate() == nil {
		t.Error("a month ends after 2999")
	}
}
