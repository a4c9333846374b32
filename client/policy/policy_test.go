package policy

import (
	"errors"
	"testing"

	"atrium/coordinator/federation"
)

func TestJudge(t *testing.T) {
	plan := federation.Plan{Privacy: federation.Privacy{MinRecords: 10}}
	header := federation.Header{Plan: plan.Digest(), Kind: federation.Train, MinCohort: 3}
	header.Format.Bits = 16
	allow := Policy{Plans: []federation.Digest{plan.Digest()}, Kinds: []federation.RoundKind{federation.Train}}
	if err := allow.Judge(plan, header, 10); err != nil {
		t.Fatalf("an allowed round is refused: %v", err)
	}
	for rule, change := range map[string]func(*Policy, *federation.Header, *int){
		"paused":      func(p *Policy, _ *federation.Header, _ *int) { p.Paused = true },
		"plans":       func(p *Policy, _ *federation.Header, _ *int) { p.Plans = nil },
		"kinds":       func(_ *Policy, h *federation.Header, _ *int) { h.Kind = federation.Evaluate },
		"min_cohort":  func(p *Policy, _ *federation.Header, _ *int) { p.MinCohort = 4 },
		"min_bits":    func(p *Policy, _ *federation.Header, _ *int) { p.MinBits = 24 },
		"min_records": func(_ *Policy, _ *federation.Header, n *int) { *n = 9 },
	} {
		p, h, n := allow, header, 10
		change(&p, &h, &n)
		var refusal *Refusal
		if err := p.Judge(plan, h, n); !errors.As(err, &refusal) || refusal.Rule != rule {
			t.Errorf("rule %s: got %v", rule, err)
		}
	}
	if err := (Policy{}).Judge(plan, header, 100); err == nil {
		t.Error("the zero policy allows a round")
	}
}

func TestValidate(t *testing.T) {
	for _, p := range []Policy{{Kinds: []federation.RoundKind{"gossip"}}, {MinCohort: -1}, {MinBits: 33}} {
		if err := p.Validate(); !errors.Is(err, ErrPolicy) {
			t.Errorf("%+v: got %v", p, err)
		}
	}
}
