package coordinator

import (
	"testing"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// TestStatusFor: a hospital hears of itself alone, and whether the last round with a result
// asked it and has it in its sum.
func TestStatusFor(t *testing.T) {
	charter := federation.Charter{Members: []federation.Member{{ID: "h-a"}, {ID: "h-b"}, {ID: "h-c"}}}
	done := round.Round{Number: 4, Kind: federation.Train, Cohort: [][]federation.HospitalID{{"h-a", "h-b"}}, S: [][]federation.HospitalID{{"h-a"}}}
	c := &Coordinator{cfg: Config{}.withDefaults(), presence: newPresence(time.Now)}
	c.publish(View{Memo: round.Memo{State: round.State{Charter: charter}}})
	if c.StatusFor("h-a").Last != nil {
		t.Error("there was no round")
	}
	c.publish(View{Memo: round.Memo{State: round.State{Charter: charter}}, ended: &ended{done, round.Entry{Kind: round.Publish, Round: 4, Groups: []int{0}}}})
	for id, want := range map[federation.HospitalID][2]bool{"h-a": {true, true}, "h-b": {true, false}, "h-c": {false, false}} {
		s := c.StatusFor(id)
		if s.Last == nil || s.Last.Round != 4 || [2]bool{s.Last.Asked, s.Last.Summed} != want || len(s.Hospitals) != 1 || s.Hospitals[0].ID != id {
			t.Errorf("%s: %+v of %+v", id, s.Last, s.Hospitals)
		}
	}
}
