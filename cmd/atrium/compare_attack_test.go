package main

import (
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// TestAttacksPassTheGates: what blind and informed attackers send drops no group, whatever the
// rule and the weights, and spoils the mean: so strong an attack is what the table shows. With
// scaffold the others move further from one round to the next than an informed attacker expects.
func TestAttacksPassTheGates(t *testing.T) {
	t.Parallel()
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Local.FineTune = 4, 0
	records, err := compareOptions{Hospitals: 15}.records(plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, weight := range []string{federation.WeightRecords, federation.WeightBands, federation.WeightEqual} {
		for _, rule := range []string{federation.FedAvg, federation.FedNova, federation.Scaffold, federation.Median, federation.Krum} {
			c := contender{name: rule, kind: contestRule, plan: plan, attackers: []string{"northgate"}, seed: 1}
			c.plan.Privacy.Weight = weight
			c.plan.Aggregation, _ = planfile.Rule(rule)
			losses := map[string]float64{}
			for _, attack := range []string{"", attackBlind, attackInformed} {
				c.attack = attack
				r, err := c.run(t.Context(), records, 5)
				if err != nil {
					t.Fatalf("%s, %s, weight %q: %v", rule, attack, weight, err)
				}
				if r.Lost+r.Dropped > 0 && !(rule == federation.Scaffold && attack == attackInformed) {
					t.Errorf("%s, %s, weight %q: %d rounds lost, %d groups dropped", rule, attack, weight, r.Lost, r.Dropped)
				}
				losses[attack] = r.All.LogLoss
			}
			t.Logf("%s, weight %q: log-loss %.3f, blind %.3f, informed %.3f", rule, weight, losses[""], losses[attackBlind], losses[attackInformed])
			if rule == federation.FedAvg && (losses[attackBlind] < losses[""]+0.1 || losses[attackInformed] < losses[""]+0.1) {
				t.Errorf("weight %q: the mean withstands: %v", weight, losses)
			}
		}
	}
}
