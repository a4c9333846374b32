package round

import (
	"fmt"
	"slices"
	"strings"

	"atrium/coordinator/federation"
)

// lack is whose part a round lacks, in the words that are kept apart wherever people read
// them: who declined is there and said no, with its reason, a pause among them; who is
// absent has no connection; who is silent has one, as far as is known, and did not answer before
// the deadline; who is early still has time.
type lack struct{ declined, silent, absent, early []federation.HospitalID }

// unseen lists who said nothing: of them nobody knows whether they ever come back.
func (l lack) unseen() []federation.HospitalID { return slices.Concat(l.silent, l.absent) }

// lackOf sorts those whose part in a role is missing.
func (s State) lackOf(role string, ids []federation.HospitalID, w When) lack {
	var l lack
	for _, id := range ids {
		switch {
		case s.declines(id, role):
			l.declined = append(l.declined, id)
		case w.gone(id):
			l.absent = append(l.absent, id)
		case s.hasTime(id, w):
			l.early = append(l.early, id)
		default:
			l.silent = append(l.silent, id)
		}
	}
	return l
}

// hasTime reports whether the deadline for a hospital's part has not come: who did not join is
// late once the round has gathered.
func (s State) hasTime(id federation.HospitalID, w When) bool {
	_, joined := s.Round.Join(id)
	return (joined || s.Round.Phase == Gathering) && !w.past(s.Round.Deadline)
}

// declines reports whether a hospital said that it does not do its part in a role. A custodian
// that sends no update and therefore did not join said so of both.
func (s State) declines(id federation.HospitalID, role string) bool {
	_, joined := s.Round.Join(id)
	return s.Round.HasDeclined(id, role) || !joined && s.Round.HasDeclined(id, federation.RoleUpdate)
}

// lackWords says in a few words whose part is missing.
func (s State) lackWords(l lack) string {
	var parts []string
	if len(l.declined) > 0 {
		parts = append(parts, s.whys(l.declined))
	}
	if len(l.silent) > 0 {
		parts = append(parts, "silent: "+s.nameList(l.silent))
	}
	if len(l.absent) > 0 {
		parts = append(parts, "not connected: "+s.nameList(l.absent))
	}
	if len(l.early) > 0 {
		parts = append(parts, "no word yet: "+s.nameList(l.early))
	}
	return strings.Join(parts, "; ")
}

// lacking is the custodians that did not join or declined, and those of waited, in charter
// order. Where sums are over all of a group, who sends no update is not repeated.
func (s State) lacking(waited []federation.HospitalID, w When) lack {
	return s.lackOf(federation.RoleCustodian, slices.DeleteFunc(slices.Clone(s.Charter.Custodians), func(id federation.HospitalID) bool {
		_, joined := s.Round.Join(id)
		if s.declines(id, federation.RoleCustodian) {
			return s.whole() && !s.Round.HasDeclined(id, federation.RoleCustodian)
		}
		return joined && !slices.Contains(waited, id)
	}), w)
}

// withUpdates adds who declined to send an update, a custodian that joined all the same among
// them, before everybody else: they are the cause. Where sums are over all of a group the reason
// names them already.
func (s State) withUpdates(l lack) lack {
	if _, declined := s.absent(); !s.whole() && (s.Round.Phase == Gathering || s.Round.Phase == Collecting) {
		l.declined = append(declined, slices.DeleteFunc(l.declined, func(id federation.HospitalID) bool { return slices.Contains(declined, id) })...)
	}
	return l
}

// absentCustodians lists the custodians that did not join, or declined.
func (s State) absentCustodians() []federation.HospitalID {
	there := s.mayBeReady()
	return slices.DeleteFunc(slices.Clone(s.Charter.Custodians), func(id federation.HospitalID) bool { return slices.Contains(there, id) })
}

// whys is each hospital's name with its reason.
func (s State) whys(declined []federation.HospitalID) string {
	var parts []string
	for _, id := range declined[:min(len(declined), shownNames)] {
		parts = append(parts, s.why(id))
	}
	if n := len(declined) - shownNames; n > 0 {
		parts = append(parts, fmt.Sprintf("%d more declined", n))
	}
	return strings.Join(parts, "; ")
}

// why is a hospital's name with its reason. A pause is a word of its own: nobody objects to
// the round.
func (s State) why(id federation.HospitalID) string {
	name, reason, since := s.nameList([]federation.HospitalID{id}), s.Round.reason(id), ""
	if i := s.withheld(id); i >= 0 {
		reason, since = s.Withheld[i].Reason, ", since "+s.Withheld[i].Since
	}
	switch reason {
	case "":
		return name + " declined"
	case federation.ReasonPaused:
		return name + " is paused by its people" + since
	}
	return fmt.Sprintf("%s declined (%s%s)", name, reason, since)
}

// reason is why a hospital declined, of either role; "" where it gave none.
func (r Round) reason(id federation.HospitalID) string {
	i := slices.IndexFunc(r.Declined, func(d Refusal) bool { return d.Hospital == id && d.Reason != "" })
	if i < 0 {
		return ""
	}
	return r.Declined[i].Reason
}
