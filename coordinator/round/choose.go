package round

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// choice is the S of the next candidate.
type choice struct {
	set     [][]federation.HospitalID
	dropped []federation.HospitalID // whom it leaves out of the candidate before, sorted
	problem string                  // why it cannot be opened; empty when it can
}

// choose leaves out of the candidate whom more than f custodians could not read, those of
// silent that did not vouch, and, where fewer than t custodians would be left without a
// complaint, more until t are: first whom the custodians with the fewest complaints could
// not read (design §4).
func choose(s State, silent []federation.HospitalID) choice {
	out := map[federation.HospitalID]bool{}
	for _, id := range silent {
		if contains(s.unvouched(), id) {
			out[id] = true
		}
	}
	complaints := map[federation.HospitalID]int{}
	for _, a := range s.Round.Readies {
		for _, id := range a.Unreadable {
			if complaints[id]++; complaints[id] > s.Charter.MaxHostile {
				out[id] = true
			}
		}
	}
	s.spare(out)
	c := choice{}
	for id := range out {
		c.dropped = append(c.dropped, id)
	}
	slices.Sort(c.dropped)
	c.set = leaveOut(s.Round.S, c.dropped)
	short := s.shortWords(c.set)
	s.dropShort(c.set)
	switch {
	case len(c.dropped) > MaxUnreadable:
		c.problem = fmt.Sprintf("%d submitters were unreadable or did not vouch, more than %d", len(c.dropped), MaxUnreadable)
	case s.Round.Tried >= MaxCandidates:
		c.problem = fmt.Sprintf("%d candidates were tried", s.Round.Tried)
	case !s.enough(c.set) && short != "":
		c.problem = fmt.Sprintf("%s cannot be summed and %s", s.nameList(c.dropped), short)
	case !s.enough(c.set):
		c.problem = fmt.Sprintf("%s cannot be summed and too few are left", s.nameList(c.dropped))
	}
	return c
}

// spare adds to out until t of the custodians that spoke have no complaint about the others.
func (s State) spare(out map[federation.HospitalID]bool) {
	for {
		clean, best := 0, []federation.HospitalID(nil)
		for _, a := range s.Round.Readies {
			left := slices.DeleteFunc(slices.Clone(a.Unreadable), func(id federation.HospitalID) bool { return out[id] })
			if len(left) == 0 {
				clean++
			} else if best == nil || len(left) < len(best) {
				best = left
			}
		}
		if clean+len(s.mayBeReady()) >= s.Charter.Threshold || best == nil {
			return
		}
		for _, id := range best {
			out[id] = true
		}
	}
}

// mayBeReady lists the custodians whose word on the candidate, or on the one to come, is
// outstanding.
func (s State) mayBeReady() []federation.HospitalID {
	return slices.DeleteFunc(s.Custodians(), func(id federation.HospitalID) bool {
		return s.Round.HasDeclined(id, federation.RoleCustodian) || s.spoke(id)
	})
}

func (s State) spoke(id federation.HospitalID) bool {
	return slices.ContainsFunc(s.Round.Readies, func(a Answer) bool { return a.Custodian == id })
}

// clean lists the custodians that are ready for the candidate.
func (s State) clean() []federation.HospitalID {
	var list []federation.HospitalID
	for _, a := range s.Round.Readies {
		if len(a.Unreadable) == 0 {
			list = append(list, a.Custodian)
		}
	}
	return list
}

// unvouched lists by group the submitters whose vouch is outstanding; nil where none is wanted.
func (s State) unvouched() [][]federation.HospitalID {
	if s.Round.Each == 0 {
		return nil
	}
	var groups [][]federation.HospitalID
	for _, group := range s.Round.S {
		groups = append(groups, slices.DeleteFunc(slices.Clone(group), func(id federation.HospitalID) bool {
			_, ok := find(s.Round.Vouches, id)
			return ok || slices.Contains(s.Round.Fetched, id)
		}))
	}
	return groups
}

// owesVouch reports whether a submitter's vouch is outstanding; it may say that it has none to
// give.
func (s State) owesVouch(id federation.HospitalID) bool {
	return s.Round.Phase == Opening && contains(s.unvouched(), id)
}

// silentVouchers lists the submitters whose vouch is no longer waited for.
func (s State) silentVouchers(w When) []federation.HospitalID {
	waiting := slices.Concat(s.unvouched()...)
	may := slices.DeleteFunc(slices.Clone(waiting), func(id federation.HospitalID) bool { return s.Round.HasDeclined(id, federation.RoleUpdate) })
	if w.past(s.Round.Deadline) || !anyPresent(may, w) {
		return waiting
	}
	return nil
}

// toFetch lists, once vouches are all that is missing, the submitters whose vouch is no longer
// waited for and whose ciphertexts custodians fetch instead. Nil where that is not to be: they
// are left out of another candidate.
func (s State) toFetch(w When) []federation.HospitalID {
	silent := s.silentVouchers(w)
	if len(s.clean()) < s.Charter.Threshold || !s.mayFetch(silent) {
		return nil
	}
	slices.Sort(silent)
	return silent
}

// mayFetch reports whether custodians fetch the ciphertexts of more submitters: with those of
// whom they do already these are below the bound, and in some group so many vouched that one
// of them is honest, so that the points are those that follow from the log.
func (s State) mayFetch(more []federation.HospitalID) bool {
	if len(more) == 0 || s.Round.Each*int64(len(s.Round.Fetched)+len(more)) > federation.AddBytes {
		return false
	}
	return slices.ContainsFunc(s.Round.S, func(group []federation.HospitalID) bool {
		n := 0
		for _, id := range group {
			if _, ok := find(s.Round.Vouches, id); ok {
				n++
			}
		}
		return n > s.Charter.MaxHostileMembers
	})
}

// leftSilent lists the submitters that another candidate leaves out because they do not vouch.
func (s State) leftSilent(w When) []federation.HospitalID {
	if len(s.toFetch(w)) > 0 {
		return nil
	}
	return s.silentVouchers(w)
}

// Stands reports whether custodians may send: t of them are ready for the candidate, and
// everyone vouched who has to. From then on the round ends by t sends or by a certificate
// that fewer can come, never by a deadline.
func (s State) Stands() bool {
	return len(s.clean()) >= s.Charter.Threshold && len(slices.Concat(s.unvouched()...)) == 0
}

// maySend lists the custodians that are ready and did not send yet. One that declined is
// asked all the same once so many sent that no certificate can free the question.
func (s State) maySend() []federation.HospitalID {
	return slices.DeleteFunc(s.clean(), func(id federation.HospitalID) bool {
		_, sent := find(s.Round.Sends, id)
		return sent || s.burned(id) || (s.Round.HasDeclined(id, federation.RoleCustodian) && s.burnable())
	})
}

// burnable reports whether a burn certificate may still come: who sent does not burn.
func (s State) burnable() bool {
	return len(s.Charter.Custodians)-len(s.Round.Sends) >= s.Charter.BurnQuorum()
}

func (s State) burned(id federation.HospitalID) bool {
	_, ok := find(s.Round.Burns, id)
	return ok
}

// burning reports whether t share sums can no longer come and a certificate of it may, so
// that this is what the round waits for.
func (s State) burning() bool {
	return s.Round.Phase == Opening && s.Stands() && s.burnable() &&
		len(s.Round.Sends)+len(s.maySend())+len(s.mayBeReady()) < s.Charter.Threshold
}

// asksBurn reports whether a custodian is to burn. One that was ready and declined waits until
// it is known how many sent: while a certificate is not sure to come, its share sum may be
// what the others lack.
func (s State) asksBurn(id federation.HospitalID) bool {
	_, sent := find(s.Round.Sends, id)
	if _, custodian := s.Charter.Point(id); !custodian || sent || s.burned(id) || !s.burning() {
		return false
	}
	may := s.maySend() // each of these may have sent
	sure := len(s.Charter.Custodians)-len(s.Round.Sends)-len(may) >= s.Charter.BurnQuorum()
	return sure || slices.Contains(may, id) || !slices.Contains(s.clean(), id)
}

func (s State) askedToBurn() []federation.HospitalID {
	return slices.DeleteFunc(slices.Clone(s.Charter.Custodians), func(id federation.HospitalID) bool { return !s.asksBurn(id) })
}

// Kept counts the groups that are summed.
func Kept(set [][]federation.HospitalID) int {
	n := 0
	for _, group := range set {
		if len(group) > 0 {
			n++
		}
	}
	return n
}

// another reports whether another candidate takes the place of this one now: t custodians
// cannot be ready for it, or nobody else is waited for.
func (s State) another(w When) bool {
	if s.Stands() || len(s.leftSilent(w)) == 0 && len(s.clean()) >= s.Charter.Threshold {
		return false
	}
	c := choose(s, s.leftSilent(w))
	if c.problem != "" || len(c.dropped) == 0 {
		return false
	}
	short := len(s.clean())+len(s.mayBeReady()) < s.Charter.Threshold
	return short || w.past(s.Round.Deadline) || !anyPresent(s.mayBeReady(), w)
}

// defeat says why the round can no longer end well, or "", with what can be done.
func defeat(s State, w When) string {
	reason := ""
	var waited []federation.HospitalID // custodians whose word is outstanding
	switch {
	case s.Round.Phase == Gathering:
		reason = s.gatheringDefeat(w)
	case s.Round.Phase == Collecting:
		reason = s.collectingDefeat(w)
	case s.Round.Phase == Opening && !s.Stands():
		reason, waited = s.readyDefeat(w), s.mayBeReady()
	case s.Round.Phase == Opening && s.burning() && len(s.Round.Burns) >= s.Charter.BurnQuorum():
		reason = fmt.Sprintf("%d of %d custodians sent nothing and never will: %d share sums cannot come", len(s.Round.Burns), len(s.Charter.Custodians), s.Charter.Threshold)
	}
	if reason == "" {
		return ""
	}
	return s.advise(reason, s.withUpdates(s.lacking(waited, w)))
}

// gatheringDefeat: those who declined keep the round from ever collecting. The next
// round asks them again.
func (s State) gatheringDefeat(w When) string {
	if reason := s.evaluationDefeat(w); reason != "" {
		return reason
	}
	if s.whole() {
		return s.wholeDefeat(w)
	}
	pin := gathered(s).pin
	groups, custodians := s.couldJoin(), s.mayBeReady()
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
	if n := len(s.mayBeReady()); n < s.Charter.Threshold {
		return fmt.Sprintf("%d of %d custodians can still open the sum", n, s.Charter.Threshold)
	}
	if s.enough(c.groups) {
		return ""
	}
	reachable := make([][]federation.HospitalID, len(s.Round.Cohort))
	for g, group := range s.Round.Cohort {
		for _, id := range group {
			if _, ok := s.Round.Update(id); ok || slices.Contains(c.waiting, id) && !(s.whole() && w.gone(id)) {
				reachable[g] = append(reachable[g], id)
			}
		}
	}
	if s.whole() {
		return s.wholeMissing(c, reachable, w)
	}
	short := fmt.Sprintf("%d updates: %s", len(s.Round.Updates), s.tooFewGroups("reaches"))
	if s.Round.Pinned != nil {
		short = fmt.Sprintf("%d updates: exactly the hospitals of an earlier S are needed", len(s.Round.Updates))
	}
	words := s.shortWords(reachable)
	s.dropShort(reachable)
	if _, met := s.meets(c.groups); met {
		short = fmt.Sprintf("%d updates: %s of nearly the same hospitals", len(s.Round.Updates), guardWords)
	}
	switch {
	case !s.enough(reachable) && words != "":
		return fmt.Sprintf("%d updates, and of those who can still be summed %s", len(s.Round.Updates), words)
	case !s.enough(reachable):
		return short + ", and too few can still submit"
	case w.past(s.Round.Deadline) && s.shortSent() != "":
		return fmt.Sprintf("%d updates before the deadline, and %s", len(s.Round.Updates), s.shortSent())
	case w.past(s.Round.Deadline):
		return short + " before the deadline"
	}
	return ""
}

func (s State) readyDefeat(w When) string {
	if s.another(w) || len(s.toFetch(w)) > 0 {
		return ""
	}
	c := choose(s, s.leftSilent(w))
	clean, may := len(s.clean()), len(s.mayBeReady())
	reason := fmt.Sprintf("%d of %d custodians are ready", clean, s.Charter.Threshold)
	if clean >= s.Charter.Threshold {
		reason = fmt.Sprintf("%s did not vouch", s.nameList(slices.Concat(s.unvouched()...)))
	}
	if c.problem != "" && len(c.dropped) > 0 {
		reason += ": " + c.problem
	}
	switch {
	case clean+may < s.Charter.Threshold, clean >= s.Charter.Threshold && len(c.dropped) > 0:
		return reason
	case w.past(s.Round.Deadline):
		return reason + " before the deadline"
	}
	return ""
}
