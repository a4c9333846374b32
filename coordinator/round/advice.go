package round

import (
	"fmt"
	"slices"
	"strings"

	"atrium/coordinator/federation"
)

// Advice says what a person can do when rounds do not end for want of somebody, and ""
// while waiting may help. It is about a plan that is paused, a question that every hospital is
// to release, and the round that gathers, or in which custodians may send, past its deadline: a round that is abandoned carries its
// advice in its reason.
func Advice(s State, w When) string {
	if paused := s.pausedAdvice(w); paused != "" {
		return paused
	}
	if s.Stands() && w.past(s.Round.Deadline) {
		return s.standing(w)
	}
	if words := s.releaseAdvice(); words != "" {
		return words
	}
	if s.Round.Phase != Gathering || !w.past(s.Round.Deadline) {
		return ""
	}
	g := gathered(s)
	if missing := missingFrom(g.pin, g.cohort); len(missing) > 0 {
		return s.stuckWithout(missing, w)
	}
	if silent, _ := s.absent(); s.whole() && len(silent) > 0 {
		return s.without(federation.RoleUpdate, silent, w)
	}
	if len(s.mayBeReady()) >= s.Charter.Threshold {
		return ""
	}
	return s.without(federation.RoleCustodian, s.absentCustodians(), w)
}

// standing is the way on from a candidate for which custodians were ready and did not send, or
// sent what does not open.
func (s State) standing(w When) string {
	who := slices.Concat(s.maySend(), s.mayBeReady())
	if s.burning() {
		who = s.askedToBurn()
	}
	switch {
	case !s.Round.Phase.Running(), s.Round.Phase == Publishing && s.settled(len(s.Round.Sends)):
		return ""
	case len(who) > 0:
		return fmt.Sprintf("%s can still end this round. %s. %s", s.nameList(who), s.without(federation.RoleCustodian, who, w), askedAgain)
	}
	return "Nobody is left who can send: the next charter ends this round. " + askedAgain
}

// patience is how many rounds are abandoned in a row before a reason says what to do.
const patience = 3

// advise adds to the reason of a round that is being abandoned whom it lacked, in the words
// that are kept apart, and from the third in a row on what can be done.
func (s State) advise(reason string, l lack) string {
	if words := s.lackWords(l); words != "" {
		reason += " (" + words + ")"
	}
	unseen := l.unseen()
	if s.Failures+1 < patience {
		return reason
	}
	switch failing := s.Round.Pinned != nil && s.failed() != nil; {
	case failing && s.whole():
		return reason + ". Hospitals encrypt what they did before: another plan has them compute anew, when every hospital releases what failed: status says then which lines their policy.yaml needs"
	case failing:
		return reason + ". As long as this lasts it is asked of exactly these hospitals; of others when every hospital releases it: status says which lines their policy.yaml needs"
	}
	if len(unseen) > 0 {
		reason += ". " + s.neverBack(unseen)
	}
	if len(l.declined) > 0 {
		reason += ". " + s.theyDecide(l.declined)
	}
	return reason
}

// without is the way on without those whose part is missing. Who declined is there and decides
// for itself; only who is not seen is a reason to go on with others.
func (s State) without(role string, missing []federation.HospitalID, w When) string {
	l := s.lackOf(role, missing, w)
	var parts []string
	if unseen := l.unseen(); len(unseen) > 0 {
		parts = append(parts, s.neverBack(unseen))
	}
	if len(l.declined) > 0 {
		parts = append(parts, s.whys(l.declined)+". "+s.theyDecide(l.declined))
	}
	return strings.Join(parts, ". ")
}

// neverBack is the way on without hospitals that never come back. A charter that leaves them
// out needs the closing statements of as many custodians as a burn certificate.
func (s State) neverBack(gone []federation.HospitalID) string {
	left := len(slices.DeleteFunc(slices.Clone(s.Charter.Custodians), func(id federation.HospitalID) bool { return slices.Contains(gone, id) }))
	if need := s.Charter.BurnQuorum(); left < need {
		return fmt.Sprintf("If they never come back this federation ends here: %d of %d custodians would have to close its epoch, %d are left. "+
			"Its versions and its log stay; atrium coordinator init begins another", need, len(s.Charter.Custodians), left)
	}
	if len(s.Charter.Members)-len(gone) < 3 {
		return "If they never come back, others must take their places: " + s.removal(gone)
	}
	return "If they never come back, go on without them: " + s.removal(gone)
}

// theyDecide is the way on where hospitals declined: their people's, or a charter without them.
func (s State) theyDecide(declined []federation.HospitalID) string {
	return "Their people decide, and are asked again in each round. Only where they want to leave: " + s.removal(declined)
}

// removal is the command for a charter without hospitals: a federation has three at least.
func (s State) removal(ids []federation.HospitalID) string {
	add := ""
	if len(s.Charter.Members)-len(ids) < 3 {
		add = "--add NAMES "
	}
	return "atrium coordinator charter propose " + add + "--remove " + s.flagList(ids)
}

// stuckWithout is stuck for a question that needs hospitals which are missing.
func (s State) stuckWithout(missing []federation.HospitalID, w When) string {
	l := s.lackOf(federation.RoleUpdate, missing, w)
	if unseen := l.unseen(); len(unseen) > 0 {
		return s.stuck(unseen)
	}
	return "The question was asked of a set with " + s.nameList(missing) + " and cannot be asked of another. " + s.whys(l.declined) + ". " + s.theyDecide(l.declined) + ". " + askedAgain
}

// askedAgain is the way on from a question that can be neither opened nor burned.
const askedAgain = "Under that charter the question is asked again when every hospital releases it: status says which lines their policy.yaml needs"

// stuck is the way on from a question that is asked of exactly the hospitals of an earlier sum.
func (s State) stuck(missing []federation.HospitalID) string {
	return fmt.Sprintf("The question is asked of exactly the hospitals of an earlier sum, and %s must be there. If they never come back, go on without them: "+
		"atrium coordinator charter propose --remove %s. %s", s.nameList(missing), s.flagList(missing), askedAgain)
}

// shownNames bounds a list of names: a reason is a sentence.
const shownNames = 5

// nameList is how people know hospitals: by name where the charter shows names.
func (s State) nameList(ids []federation.HospitalID) string { return s.join(ids, ", ", " and %d more") }

// flagList is the list as a flag takes it.
func (s State) flagList(ids []federation.HospitalID) string { return s.join(ids, ",", ",...") }

func (s State) join(ids []federation.HospitalID, separator, more string) string {
	var names []string
	for _, id := range ids[:min(len(ids), shownNames)] {
		name := string(id)
		if m, ok := s.Charter.Member(id); ok && m.Name != "" {
			name = m.Name
		}
		names = append(names, name)
	}
	text := strings.Join(names, separator)
	if rest := len(ids) - len(names); rest > 0 && strings.Contains(more, "%d") {
		return text + fmt.Sprintf(more, rest)
	} else if rest > 0 {
		return text + more
	}
	return text
}
