package round_test

import (
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// TestComplaintsAreBounded: however many submitters custodians complain about, every
// entry stays under the log's limit; with too many of them the round ends.
func TestComplaintsAreBounded(t *testing.T) {
	c := testCharter(t, 300, 1)
	all := c.Groups[0]
	s := round.State{Charter: c, Genesis: true, Plan: federation.Sum([]byte("plan"))}
	s.Round = round.Round{Number: 1, Phase: round.Opening, Manifest: federation.Sum([]byte("M")), Candidate: federation.Sum([]byte("S")),
		Deadline: federation.FormatTime(start), Cohort: c.Groups}
	for _, id := range all {
		s.Round.Joined = append(s.Round.Joined, round.Joined{Hospital: id})
		s.Round.Updates = append(s.Round.Updates, round.Held{Hospital: id})
	}
	w := round.When{Now: start}
	most := all[:round.MaxUnreadable]
	for i, id := range c.Custodians {
		ev := round.AcknowledgementVerified{Acknowledgement: federation.Acknowledgement{V: 1, Manifest: s.Round.Manifest,
			Candidate: s.Round.Candidate, Custodian: id, Unreadable: all[:round.MaxUnreadable+1]}}
		if _, err := round.Decide(s, ev, w); err == nil {
			t.Fatal("too many complaints were taken")
		}
		ev.Unreadable = most
		if i%2 == 1 {
			ev.Unreadable = all[len(all)-round.MaxUnreadable-3 : len(all)-3]
		}
		entries, err := round.Decide(s, ev, w)
		if err != nil || len(entries[0].Encode()) > round.MaxEntryBytes {
			t.Fatalf("acknowledgement: %v", err)
		}
		if s, err = round.Apply(s, entries[0]); err != nil {
			t.Fatal(err)
		}
	}
	tasks := round.Pending(s, w)
	if len(tasks) == 0 || tasks[0].Kind != round.TaskAbandon {
		t.Errorf("297 submitters were unreadable, owed: %+v", tasks[0].Kind)
	}
}
