package planfile

import (
	"errors"
	"reflect"
	"slices"

	"atrium/coordinator/federation"
)

// Defaults holds the values of keys that a plan file leaves out; a feature's missing
// policy is federation.MissingMean.
func Defaults() federation.Plan {
	return federation.Plan{
		V:           1,
		Model:       federation.Model{Kind: federation.Logistic},
		Local:       federation.Local{Optimiser: "sgd"},
		Aggregation: federation.Aggregation{Rule: "fedavg", LearningRate: 1},
		Privacy:     federation.Privacy{Bits: 16, Clip: 1, WeightCap: 1024, MinRecords: 10},
		Schedule: federation.Schedule{Rounds: 40, EvaluateEvery: 10,
			GatherSeconds: 60, UpdateSeconds: 600, OpenSeconds: 60, GraceSeconds: 30},
	}
}

// ruleDefaults are the values of a rule's own keys that a plan file leaves out.
var ruleDefaults = federation.Aggregation{Momentum: 0.9, Beta1: 0.9, Beta2: 0.99, Tau: 1e-3, Trim: 1, Hostile: 1, Keep: 1, Iterations: 32}

// adaptiveRate is the learning rate of rules that divide a change by its size.
const adaptiveRate = 0.1

// Rule returns a rule with the values of keys that a plan file leaves out; ok is false for
// an unknown one.
func Rule(name string) (a federation.Aggregation, ok bool) {
	a = federation.Aggregation{Rule: name, LearningRate: Defaults().Aggregation.LearningRate}
	_, ok = a.Keys()
	decoder{}.fillRule(&a)
	return a, ok
}

// fillRule sets the rule's own keys that the file leaves out.
func (d decoder) fillRule(a *federation.Aggregation) {
	keys, _ := a.Keys()
	d.fill("aggregation.", keys, reflect.ValueOf(a).Elem(), reflect.ValueOf(ruleDefaults))
	if _, given := d.places["aggregation.learning_rate"]; !given && slices.Contains(keys, "beta1") {
		a.LearningRate = adaptiveRate
	}
}

// optimiserDefaults are the values of an optimiser's own keys that a plan file leaves out.
var optimiserDefaults = federation.Local{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.01}

// fillOptimiser sets the optimiser's own keys that the file leaves out.
func (d decoder) fillOptimiser(l *federation.Local) {
	d.fill("local.", federation.OptimiserKeys(l.Optimiser), reflect.ValueOf(l).Elem(), reflect.ValueOf(optimiserDefaults))
}

// deadlineDefaults are the values of a deadline's keys that a plan file leaves out.
var deadlineDefaults = federation.Deadline{Least: 10, Quantile: 0.8, Factor: 1.5}

// fillDeadline sets the keys of a deadline that follows from earlier rounds.
func (d decoder) fillDeadline(s *federation.Schedule) {
	if s.Deadline.Auto() {
		d.fill("schedule.deadline.", []string{"least_seconds", "quantile", "factor"}, reflect.ValueOf(&s.Deadline).Elem(), reflect.ValueOf(deadlineDefaults))
	}
}

// monthsDefault is how many months are evaluated where a plan file does not say.
const monthsDefault = 12

// fillMonths sets the number of months.
func (d decoder) fillMonths(m *federation.Months) {
	if _, given := d.places["schedule.months.count"]; !given && *m != (federation.Months{}) {
		m.Count = monthsDefault
	}
}

// fillModel sets what a model of arrays, of several classes or of so many labels leaves
// out.
func (d decoder) fillModel(m *federation.Model, labels int) {
	if _, given := d.places["model.labels"]; !given {
		m.Several = labels
	}
	if _, given := d.places["model.positive"]; !given && m.Classes > 0 {
		m.Positive = 1
	}
	if _, given := d.places["model.input.scaling"]; !given && len(m.Input.Shape) > 0 {
		m.Input.Scaling = federation.ScaleTogether
	}
}

// fill sets those of a section's keys that the file leaves out.
func (d decoder) fill(section string, keys []string, value, defaults reflect.Value) {
	for i, name := range fieldsOf(value.Type()) {
		if _, given := d.places[section+name]; !given && slices.Contains(keys, name) {
			value.Field(i).Set(defaults.Field(i))
		}
	}
}

// ParsePlan reads a plan file; file names it in errors. The plan is valid if the error
// is nil; otherwise the error is an *Error or several joined, one a line.
func ParsePlan(file string, b []byte) (federation.Plan, error) {
	root, err := parse(file, b)
	if err != nil {
		return federation.Plan{}, err
	}
	r := &report{file: file}
	if root.kind == null {
		r.add(root.place, "", "no plan in the file")
		return federation.Plan{}, r.err()
	}
	d, p := decoder{r, make(map[string]place)}, Defaults()
	auto := readAutoClip(root)
	readWeight(root)
	d.value(root, "", reflect.ValueOf(&p).Elem())
	if len(r.list) == 0 {
		d.fillRule(&p.Aggregation)
		d.fillOptimiser(&p.Local)
		d.fillModel(&p.Model, len(p.Label.Columns))
		d.fillDeadline(&p.Schedule)
		d.fillMonths(&p.Schedule.Months)
		d.fillClip(auto, &p.Privacy)
		for _, e := range planErrors(p.Validate()) {
			d.add(d.find(e.Key), e.Key, "%s", e.Reason)
			r.list[len(r.list)-1].Err = e
		}
	}
	if err := r.err(); err != nil {
		return federation.Plan{}, err
	}
	return p, nil
}

// planErrors takes a joined error apart.
func planErrors(err error) []*federation.PlanError {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []*federation.PlanError
		for _, e := range joined.Unwrap() {
			list = append(list, planErrors(e)...)
		}
		return list
	}
	if e := (*federation.PlanError)(nil); errors.As(err, &e) {
		return []*federation.PlanError{e}
	}
	return []*federation.PlanError{{Reason: err.Error()}}
}
