package coordinator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// TestProgress: a status has who did their part of the round under way, and which custodians
// derived the last version; a hospital that asks does not get it.
func TestProgress(t *testing.T) {
	charter := federation.Charter{Members: []federation.Member{{ID: "h-a"}, {ID: "h-b"}, {ID: "h-c"}}, Threshold: 2}
	ids := func(list ...federation.HospitalID) []federation.HospitalID { return list }
	s := round.State{Charter: charter, Round: round.Round{Number: 4, Phase: round.Opening, Cohort: [][]federation.HospitalID{{"h-a", "h-b"}},
		Joined: []round.Joined{{Hospital: "h-b"}, {Hospital: "h-a"}}, Updates: []round.Held{{Hospital: "h-a"}, {Hospital: "h-b"}},
		Declined: []round.Refusal{{Hospital: "h-c", Role: federation.RoleUpdate, Reason: "policy rule plans"}}, Each: 1,
		Vouches: []round.Held{{Hospital: "h-b"}}, Readies: []round.Answer{{Custodian: "h-a"}, {Custodian: "h-b", Unreadable: ids("h-a")}}, Sends: []round.Held{{Hospital: "h-a"}}},
		Outcome: round.Outcome{Round: 3, Version: 2, Derived: []round.Held{{Hospital: "h-a"}}, Owing: ids("h-c"), Disputed: []round.Held{{Hospital: "h-b"}}}}
	c := &Coordinator{cfg: Config{}.withDefaults(), presence: newPresence(time.Now)}
	c.publish(View{Memo: round.Memo{State: s}})
	want := &Progress{Joined: ids("h-b", "h-a"), Asked: ids("h-a", "h-b"), Updates: ids("h-a", "h-b"), Declined: map[federation.HospitalID]string{"h-c": "policy rule plans"},
		Ready: ids("h-a"), Objected: ids("h-b"), Vouching: true, Vouched: ids("h-b"), Sent: ids("h-a"), Threshold: 2}
	if diff := cmp.Diff(want, c.Status().Progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&Derivation{3, 2, ids("h-a"), ids("h-c"), ids("h-b")}, c.Status().Derivation); diff != "" {
		t.Errorf("derivation (-want +got):\n%s", diff)
	}
	if own := c.StatusFor("h-a"); own.Progress != nil || own.Derivation != nil {
		t.Errorf("a hospital hears of others: %+v", own)
	}
	s.Round.Phase = round.Done
	c.publish(View{Memo: round.Memo{State: s}})
	if c.Status().Progress != nil {
		t.Error("no round is under way")
	}
}

// TestSkippedEvaluations: an inspection counts the evaluations that were left out under the plan.
func TestSkippedEvaluations(t *testing.T) {
	var i Inspection
	after := func(number uint64) round.Memo {
		return round.Memo{State: round.State{Round: round.Round{Number: number}}}
	}
	i.note(round.State{}, round.Entry{Kind: round.Abandon, Skipped: true, Reason: "of the plan before"}, after(2))
	i.note(round.State{}, round.Entry{Kind: round.PlanSet}, after(2))
	if i.Skipped != nil {
		t.Errorf("of another plan: %+v", i.Skipped)
	}
	i.note(round.State{}, round.Entry{Kind: round.Abandon, Skipped: true, Reason: "A is missing"}, after(4))
	i.note(round.State{}, round.Entry{Kind: round.Abandon, Reason: "tried again"}, after(5))
	i.note(round.State{}, round.Entry{Kind: round.Abandon, Skipped: true, Reason: "B is missing"}, after(6))
	if diff := cmp.Diff(&Skips{2, 6, "B is missing"}, i.Skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
}
