package policy

import (
	"bytes"
	"errors"
	"slices"
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
	for _, p := range []Policy{{Kinds: []federation.RoundKind{"gossip"}}, {MinCohort: -1}, {MinBits: 33}, {Peers: []string{"northgate"}}} {
		if err := p.Validate(); !errors.Is(err, ErrPolicy) {
			t.Errorf("%+v: got %v", p, err)
		}
	}
}

// TestReleased: a Join carries what is released for its plan, sorted and once.
func TestReleased(t *testing.T) {
	a, b, plan, other := federation.Digest{1}, federation.Digest{2}, federation.Digest{3}, federation.Digest{4}
	p := Policy{Releases: []Release{{plan, b}, {other, a}, {plan, a}, {plan, b}}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := p.Released(plan); !slices.Equal(got, []federation.Digest{a, b}) {
		t.Errorf("released for the plan: %v", got)
	}
	if got := p.Released(federation.Digest{5}); got != nil {
		t.Errorf("released for another plan: %v", got)
	}
	for i := range federation.MaxReleases {
		p.Releases = append(p.Releases, Release{plan, federation.Digest{9, byte(i)}})
	}
	if err := p.Validate(); !errors.Is(err, ErrPolicy) || !errors.Is(err, federation.ErrRelease) {
		t.Errorf("too many: %v", err)
	}
}

func TestJudgeGroup(t *testing.T) {
	var members []federation.Member
	for i := range 6 {
		key := bytes.Repeat([]byte{byte(i)}, 32)
		members = append(members, federation.Member{ID: federation.NewHospitalID("test", key), IdentityKey: key, TLSKey: federation.Sum(key)})
	}
	c, err := federation.NewCharter("test", "log", members, false)
	if err != nil {
		t.Fatal(err)
	}
	c = c.With(federation.Numbers{MinCohort: 3})
	id := func(i int) federation.HospitalID { return c.Members[i].ID }
	two := []string{string(id(1)), c.Members[2].Fingerprint().String()}
	for name, x := range map[string]struct {
		peers   []string
		group   []federation.HospitalID
		refused string
	}{
		"nobody is pinned":           {nil, []federation.HospitalID{id(0), id(3), id(4), id(5)}, "refused by policy rule peers: peers compared: 1 of 3, in a sum of 4 hospitals"},
		"an empty list":              {[]string{}, []federation.HospitalID{id(3), id(4), id(5)}, "refused by policy rule peers: peers compared: 0 of 3, in a sum of 3 hospitals"},
		"two known and this one":     {two, []federation.HospitalID{id(0), id(1), id(2), id(5)}, ""},
		"two known without this one": {two, []federation.HospitalID{id(1), id(2), id(3), id(4)}, "refused by policy rule peers: peers compared: 2 of 3, in a sum of 4 hospitals"},
		"strangers beside this one":  {two, []federation.HospitalID{id(0), id(2), id(4), id(5)}, "refused by policy rule peers: peers compared: 2 of 3, in a sum of 4 hospitals"},
		"a pin of someone else":      {[]string{"h-aaaaaaaaaaaaaaaa"}, []federation.HospitalID{id(0), id(1), id(2)}, "refused by policy rule peers: peers compared: 1 of 3, in a sum of 3 hospitals"},
	} {
		err := Policy{Peers: x.peers}.JudgeGroup(c, id(0), x.group)
		if (err == nil) != (x.refused == "") || (err != nil && err.Error() != x.refused) {
			t.Errorf("%s: got %v, want %q", name, err, x.refused)
		}
	}
}
