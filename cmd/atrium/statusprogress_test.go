package main

import (
	"bytes"
	"strings"
	"testing"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// TestStatusOfARound: a line for each part of the round under way, by names, and for the last
// version who derived it, who owes that and who disputes it.
func TestStatusOfARound(t *testing.T) {
	i := coordinator.Inspection{Skipped: &coordinator.Skips{Count: 7, Round: 40, Why: "the evaluation of version 9 is skipped: d must be there again"}}
	i.Phase, i.Round = round.Opening, 41
	for _, name := range []string{"a", "b", "c", "d"} {
		i.Hospitals = append(i.Hospitals, coordinator.InspectedHospital{ID: federation.HospitalID("h-" + name), Name: name})
	}
	i.Hospitals[3].Name = "" // the charter shows no name
	i.Progress = &coordinator.Progress{Joined: []federation.HospitalID{"h-a", "h-b", "h-c"}, Asked: []federation.HospitalID{"h-a", "h-b", "h-c"},
		Updates: []federation.HospitalID{"h-a", "h-b"}, Declined: map[federation.HospitalID]string{"h-c": "policy rule kinds"},
		Ready: []federation.HospitalID{"h-a"}, Objected: []federation.HospitalID{"h-d"}, Vouching: true, Threshold: 3}
	i.Derivation = &coordinator.Derivation{Round: 39, Version: 12, Derived: []federation.HospitalID{"h-a", "h-b"}, Owing: []federation.HospitalID{"h-d"}, Disputed: []federation.HospitalID{"h-c"}}
	i.Version, i.Signed = 12, i.Derivation.Derived
	show := func() string {
		var b bytes.Buffer
		(&output{out: &b}).inspection(i)
		return strings.Join(strings.Fields(b.String()), " ")
	}
	text := show()
	for _, want := range []string{"joined 3 of 4: a, b, c ", "updates 2 of 3: a, b ", "declined c (policy rule kinds) ", "ready a; 3 must be; cannot read somebody: h-d ",
		"vouched nobody yet ", "sent nobody yet; 3 must ", "derived version 12 by a, b; owed by h-d; DISPUTED by c, see audit show 39 ",
		"evaluations skipped 7 under this plan; the last, round 40: the evaluation of version 9 is skipped: d must be there again "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	i.Derivation.Version, i.Derivation.Round, i.Derivation.Derived = 0, 41, nil // an evaluation
	if text, want := show(), "derived version 12 by a, b; round 41 by nobody yet; owed by h-d; DISPUTED"; !strings.Contains(text, want) {
		t.Errorf("%q is not in\n%s", want, text)
	}
	i.Phase, i.Progress = round.Done, nil
	if text := show(); strings.Contains(text, "joined") || strings.Contains(text, "sent ") {
		t.Errorf("between rounds:\n%s", text)
	}
}
