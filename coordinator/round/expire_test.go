package round_test

import (
	"errors"
	"testing"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// keeping is a story under a charter with a retention, after its statistics round.
func keeping(t *testing.T, keep federation.Retention) *story {
	t.Helper()
	s := newStory(t, 4, 0)
	s.w.charter.Retention = keep
	s.coordinator = &coordinator{w: s.w, up: true, state: round.State{Charter: s.w.charter}}
	s.must("start", round.Started{Charter: s.w.charter.Digest()})
	s.must("lead", round.Led{})
	s.must("plan", round.PlanAccepted{Plan: s.w.plan.Digest(), Schedule: s.w.plan.Schedule})
	s.statistics("ABCD")
	return s
}

// abandoned is one more round, in which too few hospitals take part.
func (s *story) abandoned() {
	s.t.Helper()
	s.own(round.TaskOpen)
	s.must("A declines", s.declineEvent("A", federation.RoleUpdate))
	s.must("B declines", s.declineEvent("B", federation.RoleUpdate))
	s.own(round.TaskAbandon)
	s.pass(64)
}

func (s *story) owes(kind round.TaskKind) bool {
	for _, t := range round.Pending(s.state, s.moment()) {
		if t.Kind == kind {
			return true
		}
	}
	return false
}

// TestExpireAfterRounds: ciphertexts go once enough rounds ended after theirs, and not before.
func TestExpireAfterRounds(t *testing.T) {
	s := keeping(t, federation.Retention{Rounds: 2})
	for n := uint64(2); n <= 5; n++ {
		if s.state.Expired != max(n, 3)-3 || s.owes(round.TaskExpire) {
			t.Fatalf("after round %d: %d expired", n-1, s.state.Expired)
		}
		s.abandoned()
		if n > 2 {
			s.own(round.TaskExpire)
		}
	}
	s.refused("again", round.ErrNotDue, round.ExpiryReached{})
	s.own(round.TaskOpen) // a round under way is no reason not to say it
	if _, err := round.Apply(s.state, round.Entry{V: 1, Kind: round.Expire, Time: federation.FormatTime(start.Add(s.w.now)), Round: 4}); !errors.Is(err, round.ErrEntry) {
		t.Errorf("an entry beyond the charter's rule: %v", err)
	}
	if round.ExpiryWake(s.state) != (time.Time{}) {
		t.Error("rounds expire with time")
	}
}

// TestExpireAfterDays: as many days after the day of the round's end are over; a clock that
// is set back lets nothing go early.
func TestExpireAfterDays(t *testing.T) {
	s := keeping(t, federation.Retention{Days: 2}) // it begins at 08:00
	day := 24 * time.Hour
	s.w.now += day
	s.abandoned()
	s.own(round.TaskOpen)
	s.must("A declines", s.declineEvent("A", federation.RoleUpdate))
	s.must("B declines", s.declineEvent("B", federation.RoleUpdate))
	s.w.now -= 2 * day
	s.own(round.TaskAbandon) // counts as of the second day
	s.w.now += 2 * day
	midnight := start.Truncate(day)
	for _, step := range []struct {
		at      time.Time
		expired uint64
		wake    time.Time
	}{
		{midnight.Add(3*day - time.Millisecond), 0, midnight.Add(3 * day)},
		{midnight.Add(3 * day), 1, midnight.Add(4 * day)},
		{midnight.Add(4*day - time.Millisecond), 1, midnight.Add(4 * day)},
		{midnight.Add(4 * day), 3, time.Time{}},
	} {
		s.w.now = step.at.Sub(start)
		if s.owes(round.TaskExpire) {
			s.own(round.TaskExpire)
		}
		if got := round.ExpiryWake(s.state); s.state.Expired != step.expired || !got.Equal(step.wake) {
			t.Errorf("at %s: %d expired, wakes at %s; want %d, %s", step.at, s.state.Expired, got, step.expired, step.wake)
		}
	}
}

// TestExpireAfterBoth: rounds and days must both be over.
func TestExpireAfterBoth(t *testing.T) {
	s := keeping(t, federation.Retention{Rounds: 2, Days: 1})
	s.abandoned()
	s.w.now += 10 * 24 * time.Hour
	if s.owes(round.TaskExpire) {
		t.Error("a round expires although one ended after it")
	}
	s.abandoned()
	if !s.owes(round.TaskExpire) {
		t.Error("nothing expires")
	}
	s.own(round.TaskExpire)
	if s.state.Expired != 1 {
		t.Errorf("%d expired", s.state.Expired)
	}
}

// TestKeptForEver: without a retention nothing ever expires.
func TestKeptForEver(t *testing.T) {
	s := keeping(t, federation.Retention{})
	s.abandoned()
	s.w.now += 1000 * 24 * time.Hour
	s.refused("expire", round.ErrNotDue, round.ExpiryReached{})
}
