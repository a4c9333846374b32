package round

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"atrium/coordinator/federation"
)

// Withheld is a hospital that declined to send an update where the charter sums all of a
// group or none of it.
type Withheld struct {
	Hospital federation.HospitalID `json:"hospital"`
	Since    string                `json:"since"` // its first decline since its last update
	Reason   string                `json:"reason"`
}

// rules is the charter as the round under way takes it.
func (s State) rules() federation.Charter { return s.Round.Part.Rules(s.Charter) }

// whole reports whether the sums of the round under way are over all of a group or none of it.
func (s State) whole() bool { return s.rules().Cohort == federation.CohortAll }

// withhold notes a decline.
func (s State) withhold(e Entry) State {
	if !s.whole() || e.Role != federation.RoleUpdate {
		return s
	}
	w := Withheld{e.Hospital, e.Time, e.Reason}
	if i := s.withheld(e.Hospital); i >= 0 {
		w.Since = s.Withheld[i].Since
	}
	s = s.gives(e.Hospital)
	s.Withheld = append(slices.Clone(s.Withheld), w)
	return s
}

// gives forgets that a hospital declined: it sent an update.
func (s State) gives(id federation.HospitalID) State {
	if i := s.withheld(id); i >= 0 {
		s.Withheld = slices.Delete(slices.Clone(s.Withheld), i, i+1)
	}
	if len(s.Withheld) == 0 {
		s.Withheld = nil
	}
	return s
}

func (s State) withheld(id federation.HospitalID) int {
	return slices.IndexFunc(s.Withheld, func(w Withheld) bool { return w.Hospital == id })
}

// absent lists the hospitals of groups that did not join, and those that declined, in this
// round.
func (s State) absent() (silent, declined []federation.HospitalID) {
	joined := s.joinedSet()
	for _, id := range slices.Concat(s.Charter.Groups...) {
		switch {
		case s.Round.HasDeclined(id, federation.RoleUpdate):
			declined = append(declined, id)
		case !joined[id]:
			silent = append(silent, id)
		}
	}
	return silent, declined
}

// wholeWaits says whom a round that gathers waits for, by name, and by reason where it said
// one; "" when all are there. No deadline ends this: who is away for a night is waited for.
func (s State) wholeWaits() string {
	silent, declined := s.absent()
	var parts []string
	if len(silent) > 0 {
		parts = append(parts, s.nameList(silent)+" did not join")
	}
	if len(declined) > 0 {
		parts = append(parts, s.whys(declined))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "; ") + ": the charter sums all of a group or none"
}

// wholeDefeat ends a round that gathered for its time and in which somebody declined, so that
// the next one asks again.
func (s State) wholeDefeat(w When) string {
	if _, declined := s.absent(); len(declined) > 0 && w.past(s.Round.Deadline) {
		return s.wholeWaits()
	}
	return ""
}

// wholeMissing says without whom a round that collects ends, since no group can be whole:
// those who declined, or whose connection is gone. The next round begins at once and waits
// for them.
func (s State) wholeMissing(c collecting, reachable [][]federation.HospitalID, w When) string {
	s.dropSmall(reachable)
	if s.enough(reachable) && !w.past(s.Round.Deadline) {
		return ""
	}
	var parts []string
	for _, id := range slices.Concat(s.Round.Cohort...) {
		switch {
		case s.Round.HasDeclined(id, federation.RoleUpdate):
			parts = append(parts, s.why(id))
		case slices.Contains(c.waiting, id) && w.gone(id):
			parts = append(parts, s.nameList([]federation.HospitalID{id})+" is gone")
		case slices.Contains(c.waiting, id) && w.past(s.Round.Deadline):
			parts = append(parts, s.nameList([]federation.HospitalID{id})+" sent nothing before the deadline")
		}
	}
	return fmt.Sprintf("%d updates; %s: the charter sums all of a group or none", len(s.Round.Updates), strings.Join(parts[:min(len(parts), shownNames)], "; "))
}

// askAgain is the pause before hospitals that declined are asked again: longer each time, at
// most MaxAskAgain. 0 is nobody declined.
func (s State) askAgain() time.Duration {
	if !s.whole() || len(s.Round.Declined) == 0 || len(s.Withheld) == 0 {
		return 0
	}
	return s.pauseAfter(s.Failures)
}

// pauseAfter is how long people have to act before a round is tried again after so many failures
// in a row: the plan's time to gather, twice as long each time, at most MaxAskAgain.
func (s State) pauseAfter(failures int) time.Duration {
	gather := time.Duration(max(1, s.Schedule.GatherSeconds)) * time.Second
	return max(gather, min(gather<<min(failures, 12), MaxAskAgain))
}

// Paused lists the hospitals that withhold their updates for longer than the plan's patience:
// until they send one the plan makes no versions. It is asked of them again all the while.
func Paused(s State, w When) []Withheld {
	if s.Finished != "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.Withheld), func(h Withheld) bool {
		since, err := federation.ParseTime(h.Since)
		return err != nil || w.Now.Before(since.Add(s.Schedule.Patience()))
	})
}

// pausedAdvice says what goes on without hospitals that withhold their updates; "" while the
// plan has patience.
func (s State) pausedAdvice(w When) string {
	paused := Paused(s, w)
	if len(paused) == 0 {
		return ""
	}
	var ids []federation.HospitalID
	for _, h := range paused {
		ids = append(ids, h.Hospital)
	}
	return "the plan is paused: " + s.whys(ids) + ". Their people decide: it goes on when they send, and another plan that they take part in goes on with them. " +
		"Only where they want to leave does a charter go on without them: " + s.removal(ids) + ", or, where others may see by the difference who is missing, --cohort k"
}

func invariantWithheld(s State) error {
	if len(s.Withheld) > 0 && s.Charter.Cohort != federation.CohortAll {
		return fmt.Errorf("%s withholds what is not wanted of all", s.Withheld[0].Hospital)
	}
	var ids []federation.HospitalID
	for _, w := range s.Withheld {
		ids = append(ids, w.Hospital)
	}
	return within("decline", ids, slices.Concat(s.Charter.Groups...))
}
