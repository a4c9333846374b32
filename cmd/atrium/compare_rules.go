package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"atrium/client"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// contender is what is trained: a row of the tables.
type contender struct {
	name      string
	kind      string // contestLocal, contestPooled or contestRule
	plan      federation.Plan
	attack    string // empty: everyone is honest
	attackers []string
	start     *federation.Plan // whose initial parameters it begins with; nil: its own
	exact     bool             // in floating point
	seed      uint64
}

const (
	contestLocal  = "local"
	contestPooled = "pooled"
	contestRule   = "rule"
)

// Names of rules that are others with something in the plan.
const (
	fedProx = "fedprox"
	fedBN   = "fedbn"
)

const proxMu = 0.1 // of fedprox where the plan has none

// contenders makes rows of the rules named; left says why those of "all" are not there.
func contenders(plan federation.Plan, rules []string, groups bool) (list []contender, left []string, err error) {
	list = []contender{{name: contestLocal, kind: contestLocal, plan: plan}, {name: contestPooled, kind: contestPooled, plan: plan}}
	add := func(spec string) error {
		p, err := withRule(plan, spec)
		if err == nil && !slices.ContainsFunc(list, func(c contender) bool { return c.name == spec }) {
			list = append(list, contender{name: spec, kind: contestRule, plan: p})
		}
		return err
	}
	for _, spec := range rules {
		if spec != "all" {
			if err := add(spec); err != nil {
				return nil, nil, usageError(fmt.Errorf("--rules: %w", err))
			}
			continue
		}
		for _, name := range allRules(groups) {
			if err := add(name); err != nil {
				left = append(left, err.Error())
			}
		}
	}
	return list, left, nil
}

// allRules are those that "all" means.
func allRules(groups bool) []string {
	var names []string
	for _, r := range federation.Rules {
		if a := (federation.Aggregation{Rule: r.Name}); groups || !a.Robust() {
			names = append(names, r.Name)
		}
	}
	return slices.Insert(names, slices.Index(names, federation.FedNova), fedProx, fedBN)
}

// withRule is a plan under a rule, spelled name:key=value:key=value.
func withRule(plan federation.Plan, spec string) (federation.Plan, error) {
	name, keys, _ := strings.Cut(spec, ":")
	rule := name
	switch name {
	case fedProx:
		rule = federation.FedAvg
		if plan.Local.ProxMu == 0 {
			plan.Local.ProxMu = proxMu
		}
	case fedBN:
		rule = federation.FedAvg
		if plan.Aggregation.LocalTensors = normTensors(plan.Model); plan.Aggregation.LocalTensors == nil {
			return plan, fmt.Errorf("%s: the model has no groupnorm layer whose scale and shift could stay local", spec)
		}
	default:
		plan.Local.ProxMu = 0
	}
	if plan.Aggregation.Rule != rule {
		local := plan.Aggregation.LocalTensors
		var ok bool
		if plan.Aggregation, ok = planfile.Rule(rule); !ok {
			return plan, fmt.Errorf("%q is no rule: there are %s", name, strings.Join(allRules(true), ", "))
		}
		plan.Aggregation.LocalTensors = local
	}
	for keys != "" {
		var pair string
		pair, keys, _ = strings.Cut(keys, ":")
		if err := setRuleKey(&plan, pair); err != nil {
			return plan, fmt.Errorf("%s: %w", spec, err)
		}
	}
	if err := plan.Validate(); err != nil {
		return plan, fmt.Errorf("%s: %w", spec, err)
	}
	return plan, nil
}

// normTensors names what FedBN keeps in the hospitals.
func normTensors(m federation.Model) []string {
	var names []string
	for i, l := range m.Layers {
		if l.Kind == federation.GroupNorm {
			names = append(names, fmt.Sprintf("layer%d.scale", i+1), fmt.Sprintf("layer%d.shift", i+1))
		}
	}
	return names
}

// setRuleKey sets a key of aggregation, or local.prox_mu, to a number.
func setRuleKey(plan *federation.Plan, pair string) error {
	key, value, _ := strings.Cut(pair, "=")
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("%q: want key=number", pair)
	}
	if key == "prox_mu" {
		plan.Local.ProxMu = number
		return nil
	}
	keys, _ := plan.Aggregation.Keys()
	if keys = append([]string{"learning_rate"}, keys...); !slices.Contains(keys, key) {
		return fmt.Errorf("%q: rule %s has %s", key, plan.Aggregation.Rule, strings.Join(keys, ", "))
	}
	if err := json.Unmarshal(fmt.Appendf(nil, "{%q: %s}", key, value), &plan.Aggregation); err != nil {
		return fmt.Errorf("%q: %w", pair, errors.New("want a number that the key can have"))
	}
	return nil
}

// underAttack puts a row for each attack behind each rule's own.
func underAttack(list []contender, o compareOptions, records []client.Records) ([]contender, error) {
	for _, name := range o.Attackers {
		if !slices.ContainsFunc(records, func(r client.Records) bool { return r.Name == name }) {
			return nil, usageError(fmt.Errorf("--attackers: there is no hospital %q", name))
		}
	}
	if len(o.Attackers) >= len(records) {
		return nil, usageError(errors.New("--attackers: nobody is left"))
	}
	var out []contender
	for _, c := range list {
		c.attackers = o.Attackers // who is not in the means
		out = append(out, c)
		if c.kind != contestRule {
			continue
		}
		for _, attack := range o.Attacks {
			c.attack = attack
			out = append(out, c)
		}
	}
	for i := range out {
		if out[i].attack != "" {
			out[i].name += ", " + out[i].attack
		}
	}
	return out, nil
}
