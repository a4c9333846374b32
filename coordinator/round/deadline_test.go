package round_test

import (
	"strings"
	"testing"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// newTimedStory is a story of five hospitals whose deadline is made for 60 % of them, 1.5
// times what these took, from 4 to 100 seconds; after the statistics.
func newTimedStory(t *testing.T) *story {
	t.Helper()
	s := newPlannedStory(t, 5, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.UpdateSeconds = 9, 100
		p.Schedule.Deadline = federation.Deadline{Mode: federation.DeadlineAuto, Least: 4, Quantile: 0.6, Factor: 1.5}
	})
	s.statistics("ABCDE")
	return s
}

// train runs a round in which A, B, C … submit after so many seconds, in that order; who
// takes 0 never does. It returns how long the round would have waited.
func (s *story) train(seconds ...int) (waits int) {
	s.t.Helper()
	s.own(round.TaskOpen)
	s.join("ABCDE")
	s.own(round.TaskManifest)
	began := s.w.now
	deadline, err := federation.ParseTime(s.state.Round.Deadline)
	if err != nil {
		s.t.Fatal(err)
	}
	waits = int(deadline.Sub(start.Add(began)) / time.Second)
	if h := s.w.blobs[s.state.Round.Header].(federation.Header); h.UpdateSeconds != waits || s.state.PhaseTime() != time.Duration(waits)*time.Second {
		s.t.Errorf("the header says %d seconds, the deadline is after %d", h.UpdateSeconds, waits)
	}
	for i, at := range seconds {
		if at > 0 {
			s.pass(at - int((s.w.now-began)/time.Second))
			s.update(string(rune('A' + i)))
		}
	}
	if !s.isOwed(round.TaskPropose) {
		s.pass(waits - int((s.w.now-began)/time.Second))
	}
	if s.isOwed(round.TaskAbandon) {
		s.own(round.TaskAbandon)
		s.pass(64)
		return waits
	}
	s.own(round.TaskPropose)
	s.ready("A", "B", "C", "D", "E")
	s.send("ABCD")
	s.publish(func(ev *round.SumOpened) { ev.Parameters = s.w.digest("parameters") })
	return waits
}

func TestDeadlineFollowsWhatRoundsTook(t *testing.T) {
	s := newTimedStory(t)
	for i, c := range []struct {
		seconds []int // that A, B, C, D, E take
		want    int   // that the round waits
		why     string
	}{
		{[]int{2, 4, 10, 20, 90}, 100, "nothing is known: the plan's longest"},
		{[]int{2, 3, 4, 5, 0}, 15, "three of five took 10 seconds"},
		{[]int{1, 2, 3, 4, 5}, 15, "the longest of the last three counts"},
		{[]int{1, 1, 2, 2, 2}, 15, "the same"},
		{[]int{1, 1, 1, 1, 1}, 6, "the first is forgotten; the longest is 4"},
		{[]int{1, 1, 1, 1, 1}, 5, "the longest is 3, half seconds are rounded up"},
		{[]int{3, 4, 0, 0, 0}, 4, "no less than the least: two updates, too few for a sum"},
		{[]int{5, 0, 0, 0, 0}, 6, "three of five took as long as the deadline or longer: it grows"},
		{[]int{1, 1, 8, 0, 0}, 9, "and grows on"},
		{[]int{1, 1, 1, 1, 1}, 12, "until they are there"},
	} {
		if waits := s.train(c.seconds...); waits != c.want {
			t.Errorf("round %d waits %d seconds, want %d: %s", i+1, waits, c.want, c.why)
		}
	}
	s.tell("deadline")
}

// TestDeadlineOfAClockThatIsSet: entries are stamped by the wall clock; one that is set
// back or forth in the middle of a round says no more than nothing or the whole deadline.
func TestDeadlineOfAClockThatIsSet(t *testing.T) {
	for hours, want := range map[int]int{-5: 4, 5: 100} {
		s := newTimedStory(t)
		s.own(round.TaskOpen)
		s.join("ABCDE")
		s.own(round.TaskManifest)
		clock := start.Add(s.w.now) // by which deadlines are judged
		for _, l := range "ABCDE" {
			ev := s.updateEvent(string(l))
			entries, err := round.Decide(s.state, ev, round.When{Now: clock.Add(time.Duration(hours) * time.Hour), Clock: clock})
			if err != nil || len(entries) != 1 {
				t.Fatal(err)
			}
			if s.state, err = round.Apply(s.state, entries[0]); err != nil {
				t.Fatal(err)
			}
		}
		s.own(round.TaskPropose)
		s.ready("A", "B", "C", "D", "E")
		s.send("ABCD")
		s.publish(func(ev *round.SumOpened) { ev.Parameters = s.w.digest("parameters") })
		if got := round.UpdateSeconds(s.state, federation.Train); got != want {
			t.Errorf("%d hours: the next round waits %d seconds, want %d", hours, got, want)
		}
	}
}

// TestDeclaredDeadline: before the first train round what hospitals said counts, and from
// then on what was seen.
func TestDeclaredDeadline(t *testing.T) {
	s := newPlannedStory(t, 5, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.UpdateSeconds = 2, 100
		p.Schedule.Deadline = federation.Deadline{Mode: federation.DeadlineAuto, Least: 4, Quantile: 0.6, Factor: 1.5}
	})
	s.own(round.TaskOpen)
	for i, seconds := range []int{2, 0, 32, 16, 1 << 20} {
		ev := s.joinEvent(string(rune('A'+i)), 1)
		ev.Capability.TrainSeconds = seconds
		s.must("join", ev)
	}
	bad := s.joinEvent("A", 2)
	bad.Capability.TrainSeconds = 3
	s.refused("an odd capability", round.ErrMismatch, bad)
	if got := round.UpdateSeconds(s.state, federation.Train); got != 48 { // three of the four who said it: 32
		t.Errorf("the first round waits %d seconds, want 48", got)
	}
	if got := round.UpdateSeconds(s.state, federation.Evaluate); got != 0 {
		t.Errorf("an evaluation waits %d seconds by itself", got)
	}
	s.own(round.TaskManifest)
	s.update("ABCDE")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C", "D", "E")
	s.send("ABCD")
	s.own(round.TaskPublish)
	if waits := s.train(6, 6, 6, 6, 6); waits != 48 {
		t.Errorf("the first train round waits %d seconds, want 48", waits)
	}
	if got := round.UpdateSeconds(s.state, federation.Train); got != 9 {
		t.Errorf("after a round of 6 seconds the next waits %d, want 9", got)
	}
	h := s.header(round.Task{Round: s.state.Round.Number + 1, RoundKind: federation.Train, Seconds: 10}, s.state).(round.HeaderStored)
	if err := s.do("another time", h); err == nil || !strings.Contains(err.Error(), round.ErrMismatch.Error()) {
		t.Errorf("a header with another time: %v", err)
	}
}
