package round

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// choice is the S that follows from the acknowledgements.
type choice struct {
	set     [][]federation.HospitalID
	dropped []federation.HospitalID // reported by more than f custodians
	excused []federation.HospitalID // custodians that cannot read someone who stays
	able    []federation.HospitalID
	problem string // why there is no S yet; empty when there is
}

// choose drops a submitter that more than f custodians could not read, and excuses a
// custodian with a complaint about a submitter that stays (design §4).
func choose(s State) choice {
	var c choice
	c.set = collected(s).groups
	complaints := map[federation.HospitalID]int{}
	for _, a := range s.Round.Acks {
		for _, id := range a.Unreadable {
			complaints[id]++
		}
	}
	for g := range c.set {
		c.set[g] = slices.DeleteFunc(c.set[g], func(id federation.HospitalID) bool {
			drop := complaints[id] > s.Charter.MaxHostile
			if drop {
				c.dropped = append(c.dropped, id)
			}
			return drop
		})
	}
	s.dropSmall(c.set)
	for _, a := range s.Round.Acks {
		if slices.ContainsFunc(a.Unreadable, func(id federation.HospitalID) bool { return contains(c.set, id) }) {
			c.excused = append(c.excused, a.Custodian)
		} else if !s.Round.HasDeclined(a.Custodian, federation.RoleCustodian) {
			c.able = append(c.able, a.Custodian)
		}
	}
	slices.Sort(c.excused)
	slices.Sort(c.able)
	switch {
	case len(c.dropped) > MaxUnreadable:
		c.problem = fmt.Sprintf("%d submitters were unreadable, more than %d", len(c.dropped), MaxUnreadable)
	case !s.enough(c.set):
		c.problem = fmt.Sprintf("%d submitters were unreadable and too few are left", len(c.dropped))
	case len(c.able) < s.Charter.Threshold:
		c.problem = fmt.Sprintf("%d of %d custodians can open the sum", len(c.able), s.Charter.Threshold)
	}
	return c
}

// mayAcknowledge lists the custodians whose acknowledgement is outstanding.
func (s State) mayAcknowledge() []federation.HospitalID {
	return slices.DeleteFunc(s.Custodians(), func(id federation.HospitalID) bool {
		return s.Round.HasDeclined(id, federation.RoleCustodian) || s.acknowledged(id)
	})
}

func (s State) acknowledged(id federation.HospitalID) bool {
	return slices.ContainsFunc(s.Round.Acks, func(a Ack) bool { return a.Custodian == id })
}

// mayAnswer lists the custodians whose answer is outstanding.
func (s State) mayAnswer() []federation.HospitalID {
	return slices.DeleteFunc(slices.Clone(s.Round.Able), func(id federation.HospitalID) bool {
		_, answered := find(s.Round.Answers, id)
		return answered || s.Round.HasDeclined(id, federation.RoleCustodian)
	})
}

// kept counts the groups that are summed.
func kept(set [][]federation.HospitalID) int {
	n := 0
	for _, group := range set {
		if len(group) > 0 {
			n++
		}
	}
	return n
}

// awaitsAnswers reports whether a custodian that is there may still answer in time.
func (s State) awaitsAnswers(w When) bool {
	return !w.past(s.Round.Deadline) && anyPresent(s.mayAnswer(), w)
}

// selectOver reports whether S can be fixed now.
func (s State) selectOver(w When) bool {
	return choose(s).problem == "" && (w.past(s.Round.Deadline) || !anyPresent(s.mayAcknowledge(), w))
}

// defeat says why the round can no longer end well, or "", with what can be done.
func defeat(s State, w When) string {
	reason := ""
	var waited []federation.HospitalID // custodians whose word is outstanding
	switch {
	case s.Round.Phase == Gathering:
		reason = s.gatheringDefeat()
	case s.Round.Phase == Collecting:
		reason = s.collectingDefeat(w)
	case s.Round.Phase == Opening && s.Round.Selected.IsZero():
		reason, waited = s.choosingDefeat(w), s.mayAcknowledge()
	case s.Round.Phase == Opening:
		reason, waited = s.answeringDefeat(w), s.mayAnswer()
	}
	if reason == "" {
		return ""
	}
	return s.advise(reason, s.silent(waited))
}

// gatheringDefeat: those who declined keep the round from ever collecting. The next
// round asks them again.
func (s State) gatheringDefeat() string {
	pin := gathered(s).pin
	groups, custodians := s.couldJoin(), s.mayAcknowledge()
	for _, id := range s.Charter.Custodians {
		if _, joined := s.Round.Join(id); !joined && contains(groups, id) && !s.Round.HasDeclined(id, federation.RoleCustodian) {
			custodians = append(custodians, id)
		}
	}
	missing := missingFrom(pin, groups)
	switch {
	case len(missing) > 0:
		return fmt.Sprintf("%s declined: exactly the hospitals of an earlier S are needed", s.nameList(missing))
	case len(custodians) < s.Charter.Threshold:
		return fmt.Sprintf("%d of %d custodians can still open the sum", len(custodians), s.Charter.Threshold)
	case !s.enoughGroups(groups):
		return s.tooFewGroups("can still reach")
	}
	return ""
}

// couldJoin is the charter's groups without those who declined to send an update.
func (s State) couldJoin() [][]federation.HospitalID {
	groups := make([][]federation.HospitalID, len(s.Charter.Groups))
	for g, group := range s.Charter.Groups {
		groups[g] = slices.DeleteFunc(slices.Clone(group), func(id federation.HospitalID) bool {
			return s.Round.HasDeclined(id, federation.RoleUpdate)
		})
	}
	return groups
}

func (s State) collectingDefeat(w When) string {
	c := collected(s)
	if n := len(s.mayAcknowledge()); n < s.Charter.Threshold {
		return fmt.Sprintf("%d of %d custodians can still open the sum", n, s.Charter.Threshold)
	}
	if s.enough(c.groups) {
		return ""
	}
	reachable := make([][]federation.HospitalID, len(s.Round.Cohort))
	for g, group := range s.Round.Cohort {
		for _, id := range group {
			if _, ok := s.Round.Update(id); ok || slices.Contains(c.waiting, id) {
				reachable[g] = append(reachable[g], id)
			}
		}
	}
	short := fmt.Sprintf("%d updates: %s", len(s.Round.Updates), s.tooFewGroups("reaches"))
	if s.Round.Pinned != nil {
		short = fmt.Sprintf("%d updates: exactly the hospitals of an earlier S are needed", len(s.Round.Updates))
	}
	s.dropSmall(reachable)
	switch {
	case !s.enough(reachable):
		return short + ", and too few can still submit"
	case w.past(s.Round.Deadline):
		return short + " before the deadline"
	}
	return ""
}

func (s State) choosingDefeat(w When) string {
	c := choose(s)
	outstanding := len(s.mayAcknowledge())
	switch {
	case c.problem == "":
		return ""
	case len(c.able)+outstanding < s.Charter.Threshold || outstanding == 0:
		return c.problem
	case w.past(s.Round.Deadline):
		return c.problem + " before the deadline"
	}
	return ""
}

func (s State) answeringDefeat(w When) string {
	have, may := len(s.Round.Answers), len(s.mayAnswer())
	switch {
	case have+may < s.Charter.Threshold:
		return fmt.Sprintf("%d of %d custodians can still answer", have+may, s.Charter.Threshold)
	case w.past(s.Round.Deadline):
		return fmt.Sprintf("%d of %d custodians answered before the deadline", have, s.Charter.Threshold)
	}
	return ""
}
