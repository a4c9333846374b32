package federation

import (
	"fmt"
	"slices"
	"strings"

	"atrium/aggregation"
	"atrium/aggregation/robust"
)

// Rules that turn a sum into the next version; packages aggregation and
// aggregation/robust say what each computes and cite its paper. FedProx is FedAvg with
// Local.ProxMu above 0, FedBN is FedAvg with LocalTensors.
const (
	FedAvg          = "fedavg"
	FedAvgM         = "fedavgm"
	FedAdagrad      = "fedadagrad"
	FedYogi         = "fedyogi"
	FedAdam         = "fedadam"
	FedNova         = "fednova"
	Scaffold        = "scaffold"
	TrimmedMean     = "trimmed_mean"
	Median          = "median"
	GeometricMedian = "geometric_median"
	Krum            = "krum"
)

// Rules lists every rule with the keys that it has besides learning_rate and
// local_tensors.
var Rules = []Rule{
	{FedAvg, nil}, {FedAvgM, []string{"momentum"}},
	{FedAdagrad, []string{"beta1", "tau"}}, {FedYogi, []string{"beta1", "beta2", "tau"}}, {FedAdam, []string{"beta1", "beta2", "tau"}},
	{FedNova, nil}, {Scaffold, nil},
	{TrimmedMean, []string{"trim"}}, {Median, nil}, {GeometricMedian, []string{"iterations"}}, {Krum, []string{"hostile", "keep"}},
}

// Rule is a rule's name and its own keys.
type Rule struct {
	Name string
	Keys []string
}

// Aggregation is the rule that turns a sum into the next version. Keys that the rule
// does not have are 0.
type Aggregation struct {
	Rule         string   `json:"rule"`
	LearningRate float64  `json:"learning_rate"`           // the server's; 1 is plain FedAvg
	Momentum     float64  `json:"momentum,omitempty"`      // β of FedAvgM
	Beta1        float64  `json:"beta1,omitempty"`         // decay of the first moment
	Beta2        float64  `json:"beta2,omitempty"`         // decay of the second moment
	Tau          float64  `json:"tau,omitempty"`           // added to √v: the greater, the less adaptive
	Trim         int      `json:"trim,omitempty"`          // groups left out at each end
	Hostile      int      `json:"hostile,omitempty"`       // groups that Krum stands
	Keep         int      `json:"keep,omitempty"`          // groups that Krum averages
	Iterations   int      `json:"iterations,omitempty"`    // Weiszfeld steps
	LocalTensors []string `json:"local_tensors,omitempty"` // patterns, * and ?, of tensors that never leave a hospital
}

// Keys lists what the rule has besides learning_rate and local_tensors; ok is false for
// an unknown rule.
func (a Aggregation) Keys() (keys []string, ok bool) {
	i := slices.IndexFunc(Rules, func(r Rule) bool { return r.Name == a.Rule })
	if i < 0 {
		return nil, false
	}
	return Rules[i].Keys, true
}

// Robust reports whether the rule compares groups.
func (a Aggregation) Robust() bool {
	return slices.Contains([]string{TrimmedMean, Median, GeometricMedian, Krum}, a.Rule)
}

// Groups is how many groups the rule needs.
func (a Aggregation) Groups() int {
	switch a.Rule {
	case TrimmedMean:
		return 2*a.Trim + 1
	case Median, GeometricMedian:
		return 3
	case Krum:
		return robust.KrumGroups(a.Hostile, a.Keep)
	}
	return 1
}

// With returns the rule as it applies when so many of the charter's groups held. A group
// that is left out, for whatever reason, uses up one of those that the rule stands, unless
// enough are left for the whole rule; ok is false when too few are.
func (a Aggregation) With(held, of int) (as Aggregation, ok bool) {
	lost := of - held
	switch {
	case !a.Robust() || held >= a.Groups():
		return a, held > 0
	case a.Rule == TrimmedMean:
		a.Trim -= lost
		return a, a.Trim >= 0
	case a.Rule == Krum:
		a.Hostile -= lost
		return a, a.Hostile >= 0
	}
	return a, lost <= (of-1)/2
}

// LeastGroups is how many of the charter's groups must hold for a version.
func (a Aggregation) LeastGroups(of int) int {
	least := of
	for least > 1 {
		if _, ok := a.With(least-1, of); !ok {
			break
		}
		least--
	}
	return least
}

// Comparing is the rule where it compares groups, nil elsewhere.
func (p Plan) Comparing() *Aggregation {
	if !p.Aggregation.Robust() {
		return nil
	}
	return &p.Aggregation
}

// Adaptive is the arithmetic of FedAdagrad, FedYogi and FedAdam.
func (a Aggregation) Adaptive() aggregation.Adaptive {
	moments := map[string]aggregation.Moment{FedAdagrad: aggregation.Adagrad, FedYogi: aggregation.Yogi, FedAdam: aggregation.Adam}
	return aggregation.Adaptive{Moment: moments[a.Rule], LearningRate: a.LearningRate, Beta1: a.Beta1, Beta2: a.Beta2, Tau: a.Tau}
}

// KeepsState reports whether hospitals keep something of their own from round to round:
// control variates, or tensors that never leave.
func (a Aggregation) KeepsState() bool { return a.Rule == Scaffold || len(a.LocalTensors) > 0 }

func (a Aggregation) validate() error {
	keys, ok := a.Keys()
	switch {
	case a.Rule == "fedprox":
		return bad("aggregation.rule", "%q: write %s, and local.prox_mu above 0", a.Rule, FedAvg)
	case a.Rule == "fedbn":
		return bad("aggregation.rule", "%q: write %s, and aggregation.local_tensors", a.Rule, FedAvg)
	case !ok:
		return bad("aggregation.rule", "%q: want %s", a.Rule, ruleNames())
	case !(a.LearningRate > 0) || a.LearningRate > 10:
		return bad("aggregation.learning_rate", "%v: want more than 0 and at most 10", a.LearningRate)
	}
	return checkKeys("aggregation.", "rule "+a.Rule, keys, []keyRule{
		{"momentum", a.Momentum, a.Momentum >= 0 && a.Momentum < 1, "0 or more, and less than 1"},
		{"beta1", a.Beta1, a.Beta1 >= 0 && a.Beta1 < 1, "0 or more, and less than 1"},
		{"beta2", a.Beta2, a.Beta2 >= 0 && a.Beta2 < 1, "0 or more, and less than 1"},
		{"tau", a.Tau, a.Tau >= 1e-9 && a.Tau <= 10, "1e-9 to 10"},
		{"trim", float64(a.Trim), a.Trim >= 1 && a.Trim <= MaxHospitals, "1 or more groups"},
		{"hostile", float64(a.Hostile), a.Hostile >= 1 && a.Hostile <= MaxHospitals, "1 or more groups"},
		{"keep", float64(a.Keep), a.Keep >= 1 && a.Keep <= MaxHospitals, "1 or more groups"},
		{"iterations", float64(a.Iterations), a.Iterations >= 1 && a.Iterations <= MaxIterations, fmt.Sprintf("1 to %d", MaxIterations)},
	})
}

func ruleNames() string {
	names := make([]string, len(Rules))
	for i, r := range Rules {
		names[i] = r.Name
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// validateRule checks what the rule asks of the rest of a plan.
func (p Plan) validateRule() error {
	a := p.Aggregation
	if a.Rule == Scaffold || a.Rule == FedNova {
		if err := p.validateCounted(); err != nil {
			return err
		}
	}
	switch {
	case a.Rule == Scaffold && p.Local.ProxMu != 0:
		return bad("local.prox_mu", "%v: %s corrects gradients itself, want 0", p.Local.ProxMu, a.Rule)
	case a.Rule == Scaffold && p.Privacy.Bits < 16:
		return bad("privacy.bits", "%d: rounding adds up in the control variate of %s, want 16 or more", p.Privacy.Bits, a.Rule)
	}
	return nil
}

// validateCounted checks what a rule asks that divides a change by the steps behind it: a
// change must be the learning rate times a sum of gradients, with weights that are known
// and not negative, and the steps must be few enough to be counted.
func (p Plan) validateCounted() error {
	l, rule := p.Local, p.Aggregation.Rule
	switch {
	case l.Optimiser != SGD:
		return bad("local.optimiser", "rule %s divides a change by the steps behind it, and a step of %s is no sum of gradients: want %s", rule, l.Optimiser, SGD)
	case l.Momentum != 0 && l.ProxMu != 0:
		return bad("local.momentum", "rule %s with momentum and prox_mu: gradients would enter with weights of both signs, want one of them", rule)
	case l.Rate.Schedule != "" && l.Rate.Schedule != Constant:
		return bad("local.rate.schedule", "rule %s wants the same rate in every round", rule)
	case l.EarlyStop.On():
		return bad("local.early_stop", "rule %s wants every hospital's steps to follow from its records", rule)
	}
	if p.Local.validate() != nil || p.Privacy.validate() != nil {
		return nil // which says so itself
	}
	steps := l.StepsOf(p.Privacy.WeightCap)
	digits := make([]float64, aggregation.EffortDigits(p.Privacy.Bits))
	if steps > MaxCountedSteps || aggregation.Effort(digits, p.Privacy.WeightCap, p.FullEffort(p.Privacy.WeightCap), p.Privacy.Bits) != nil {
		return bad("local.steps", "rule %s cannot count the %d steps of a hospital with weight_cap records: want a larger batch, fewer epochs or less momentum", rule, steps)
	}
	return nil
}

// TrainTail is where the single numbers follow the vectors of a train round: weight, what
// is saturated of each tensor of Shared and, of FedNova, the digits of the effort.
func (p Plan) TrainTail() int {
	if p.Aggregation.Rule == Scaffold {
		return 2 * p.SharedCount()
	}
	return p.SharedCount()
}

// FullEffort is ‖a‖₁ of n records' local descent.
func (p Plan) FullEffort(n int) float64 { return p.EffortOf(p.Local.StepsOf(n)) }

// EffortOf is ‖a‖₁ of so many steps (aggregation.EffectiveSteps).
func (p Plan) EffortOf(steps int) float64 {
	return aggregation.EffectiveSteps(steps, float64(p.Local.LearningRate*p.Local.ProxMu), p.Local.Momentum)
}

// ControlScale multiplies a change of control variate before it is encrypted: it is then
// of the size of a change of parameters over a full round of weight_cap records.
func (p Plan) ControlScale() float64 {
	return float64(p.FullEffort(p.Privacy.WeightCap) * p.Local.LearningRate)
}

// CheckRule reports whether the plan's rule and cohort can work with the charter's groups;
// the error is a *PlanError.
func CheckRule(c Charter, p Plan) error {
	if err := checkCohortSize(c, p); err != nil {
		return err
	}
	a := p.Aggregation
	if !a.Robust() {
		return nil
	}
	groups := len(c.Groups)
	if groups < a.Groups() {
		return bad("aggregation.rule", "%s compares at least %d groups: the charter has %d", a.Rule, a.Groups(), groups)
	}
	if n := p.SharedCount(); n > MaxGroupFields/groups {
		return bad("aggregation.rule", "%s holds %d groups of %d parameters in memory: at most %d together", a.Rule, groups, n, MaxGroupFields)
	}
	return nil
}
