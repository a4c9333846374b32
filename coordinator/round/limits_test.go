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
		Deadline: federation.FormatTime(start), Cohort: c.Groups, S: c.Groups}
	for _, id := range all {
		s.Round.Joined = append(s.Round.Joined, round.Joined{Hospital: id})
		s.Round.Updates = append(s.Round.Updates, round.Held{Hospital: id})
	}
	w := round.When{Now: start}
	most := all[:round.MaxUnreadable]
	for i, id := range c.Custodians {
		ev := round.ReadyVerified{Ready: federation.Ready{V: 1, Manifest: s.Round.Manifest,
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
			t.Fatalf("ready: %v", err)
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

// TestWake: the machine names the deadline of the phase, then the earliest next round.
func TestWake(t *testing.T) {
	s := newStory(t, 4, 0)
	if got := round.Wake(s.state); !got.IsZero() {
		t.Errorf("idle: %v", got)
	}
	at := func(seconds int) {
		t.Helper()
		if got := round.Wake(s.state).Sub(start).Seconds(); got != float64(seconds) {
			t.Errorf("%s: wakes at %v s, want %d", s.state.Round.Phase, got, seconds)
		}
	}
	s.own(round.TaskOpen)
	at(20)
	s.join("ABCD")
	s.pass(5)
	s.own(round.TaskManifest)
	at(25)
	s.update("ABCD")
	s.own(round.TaskPropose)
	at(15)
	s.pass(10)
	s.own(round.TaskAbandon)
	at(15)
	s.own(round.TaskOpen)
	s.must("A declines", s.declineEvent("A", federation.RoleUpdate))
	s.must("B declines", s.declineEvent("B", federation.RoleUpdate))
	s.own(round.TaskAbandon) // the second in a row
	at(16)
}
