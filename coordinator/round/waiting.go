package round

import (
	"fmt"
	"slices"
	"strings"

	"atrium/coordinator/federation"
)

// Waiting says in words what the round under way waits for, and by name for whom; behind a
// round that was abandoned, when the next is tried. It is for status displays.
func Waiting(s State) string {
	switch s.Round.Phase {
	case Gathering:
		return s.waitingForJoins()
	case Collecting:
		return s.waitingForUpdates()
	case Opening:
		return s.waitingForCustodians()
	case Publishing:
		return "opening the sum"
	case Abandoned:
		if month, _ := s.NextMonth(); s.NotBefore != "" && (s.Finished == "" || month != "") {
			return fmt.Sprintf("the next try, at %s; round %d ended: %s", s.NotBefore, s.Round.Number, s.Round.Reason)
		}
	}
	return ""
}

// waitingForJoins names who is not there. Where somebody declined and all are needed, the next
// round asks again, behind this one's deadline.
func (s State) waitingForJoins() string {
	g := gathered(s)
	if g.waiting == "" {
		var out []federation.HospitalID
		joined := s.joinedSet()
		for _, m := range s.Charter.Members {
			if !joined[m.ID] {
				out = append(out, m.ID)
			}
		}
		text := fmt.Sprintf("%d of %d hospitals joined", len(s.Round.Joined), len(s.Charter.Members))
		return with(text, s.missingWords(out))
	}
	if at := s.nextTry(); at != "" {
		return g.waiting + ". Next try at " + at
	}
	return g.waiting
}

// nextTry is when who declined is asked again, at the earliest; "" where the round does not wait
// for anybody who did.
func (s State) nextTry() string {
	pause := s.askAgain()
	deadline, err := federation.ParseTime(s.Round.Deadline)
	if pause == 0 || err != nil {
		return ""
	}
	return federation.FormatTime(deadline.Add(pause))
}

func (s State) waitingForUpdates() string {
	c := collected(s)
	text := fmt.Sprintf("%d updates", len(s.Round.Updates))
	if s.draw().On() && s.Round.Pinned == nil {
		text += fmt.Sprintf(", content with %d of each group", s.Schedule.Cohort.Size)
	}
	if len(c.waiting) > 0 {
		text += ", waiting for " + s.nameList(c.waiting)
	}
	var declined []federation.HospitalID
	for _, id := range slices.Concat(s.Round.Cohort...) {
		if s.Round.HasDeclined(id, federation.RoleUpdate) {
			declined = append(declined, id)
		}
	}
	return with(text, s.whys(declined))
}

// waitingForCustodians names whose word or share sums are outstanding, and who is to vouch.
func (s State) waitingForCustodians() string {
	sent, ready := len(s.Round.Sends), len(s.clean())
	switch {
	case s.burning():
		return fmt.Sprintf("%d custodians sent, too few still can; %d of %d burned, waiting for %s", sent, len(s.Round.Burns), s.Charter.BurnQuorum(), s.nameList(s.askedToBurn()))
	case s.Stands():
		return fmt.Sprintf("%d of %d custodians sent, waiting for %s", sent, s.Charter.Threshold, s.nameList(slices.Concat(s.maySend(), s.mayBeReady())))
	}
	var parts []string
	if outstanding := s.mayBeReady(); len(outstanding) > 0 && ready < s.Charter.Threshold {
		parts = append(parts, "waiting for "+s.nameList(outstanding))
	}
	if missing := slices.Concat(s.unvouched()...); len(missing) > 0 {
		parts = append(parts, s.nameList(missing)+" did not vouch yet")
	}
	return with(fmt.Sprintf("%d of %d custodians are ready", ready, s.Charter.Threshold), strings.Join(parts, "; "))
}

// missingWords says of hospitals that are not there which of them declined, and why.
func (s State) missingWords(ids []federation.HospitalID) string {
	var parts []string
	l := s.lackOf(federation.RoleCustodian, ids, When{})
	if out := slices.Concat(l.silent, l.early); len(out) > 0 {
		parts = append(parts, s.nameList(out)+" did not join yet")
	}
	if len(l.declined) > 0 {
		parts = append(parts, s.whys(l.declined))
	}
	return strings.Join(parts, "; ")
}

// with is a text and what follows it, where something does.
func with(text, more string) string {
	if more == "" {
		return text
	}
	return text + "; " + more
}
