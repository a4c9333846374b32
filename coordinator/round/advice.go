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
		return s.standing()
	}
	if words := s.releaseAdvice(); words != "" {
		return words
	}
	if s.Round.Phase != Gathering || !w.past(s.Round.Deadline) {
		return ""
	}
	g := gathered(s)
	if missing := missingFrom(g.pin, g.cohort); len(missing) > 0 {
		return s.stuck(missing)
	}
	if silent, _ := s.absent(); s.whole() && len(silent) > 0 {
		return s.withoutCustodians(silent)
	}
	if len(s.mayBeReady()) >= s.Charter.Threshold {
		return ""
	}
	return s.withoutCustodians(s.absentCustodians())
}

// standing is the way on from a candidate for which custodians were ready and did not send, or
// sent what does not open.
func (s State) standing() string {
	who := slices.Concat(s.maySend(), s.mayBeReady())
	if s.burning() {
		who = s.askedToBurn()
	}
	switch {
	case !s.Round.Phase.Running(), s.Round.Phase == Publishing && s.settled(len(s.Round.Sends)):
		return ""
	case len(who) > 0:
		return fmt.Sprintf("%s can still end this round. %s", s.nameList(who), s.withoutCustodians(who)) + ". " + askedAgain
	}
	return "Nobody is left who can send: the next charter ends this round. " + askedAgain
}

// patience is how many rounds are abandoned in a row before a reason says what to do.
const patience = 3

// advise adds to the reason of a round that is being abandoned what can be done, from
// the third in a row on.
func (s State) advise(reason string, silent []federation.HospitalID) string {
	if len(silent) > 0 {
		reason += " (silent: " + s.nameList(silent) + ")"
	}
	if s.Failures+1 < patience {
		return reason
	}
	switch failing := s.Round.Pinned != nil && s.failed() != nil; {
	case failing && s.whole():
		return reason + ". Hospitals encrypt what they did before: another plan has them compute anew, when every hospital releases what failed: status says then which lines their policy.yaml needs"
	case failing:
		return reason + ". As long as this lasts it is asked of exactly these hospitals; of others when every hospital releases it: status says which lines their policy.yaml needs"
	}
	if len(silent) == 0 {
		return reason
	}
	return reason + ". " + s.withoutCustodians(silent)
}

// withoutCustodians is the way on without custodians that never come back. A charter that
// leaves them out needs the closing statements of as many others as a burn certificate.
func (s State) withoutCustodians(gone []federation.HospitalID) string {
	c := s.Charter
	left := len(c.Custodians) - len(gone)
	if need := c.BurnQuorum(); left < need {
		return fmt.Sprintf("If they never come back this federation ends here: %d of %d custodians would have to close its epoch, %d are left. "+
			"Its versions and its log stay; atrium coordinator init begins another", need, len(c.Custodians), left)
	}
	if len(c.Members)-len(gone) < 3 {
		return "If they never come back, others must take their places: atrium coordinator charter propose --add NAMES --remove " + s.flagList(gone)
	}
	return "If they never come back, go on without them: atrium coordinator charter propose --remove " + s.flagList(gone)
}

// askedAgain is the way on from a question that can be neither opened nor burned.
const askedAgain = "Under that charter the question is asked again when every hospital releases it: status says which lines their policy.yaml needs"

// stuck is the way on from a question that is asked of exactly the hospitals of an earlier sum.
func (s State) stuck(missing []federation.HospitalID) string {
	return fmt.Sprintf("The question is asked of exactly the hospitals of an earlier sum, and %s must be there. If they never come back, go on without them: "+
		"atrium coordinator charter propose --remove %s. %s", s.nameList(missing), s.flagList(missing), askedAgain)
}

// silent lists the custodians that did not join, and those of waited, in charter order.
func (s State) silent(waited []federation.HospitalID) []federation.HospitalID {
	return slices.DeleteFunc(slices.Clone(s.Charter.Custodians), func(id federation.HospitalID) bool {
		_, joined := s.Round.Join(id)
		return (joined && !slices.Contains(waited, id)) || s.Round.HasDeclined(id, federation.RoleCustodian)
	})
}

// absentCustodians lists the custodians that did not join, or declined.
func (s State) absentCustodians() []federation.HospitalID {
	there := s.mayBeReady()
	return slices.DeleteFunc(slices.Clone(s.Charter.Custodians), func(id federation.HospitalID) bool { return slices.Contains(there, id) })
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
