package round

import (
	"fmt"
	"slices"
	"strings"

	"atrium/coordinator/federation"
)

// lacks is what a hospital that joined has too little of.
func (s State) lacks(id federation.HospitalID) federation.Columns {
	j, _ := s.Round.Join(id)
	return j.Lacks
}

// masks is what the manifest of a cohort masks by group: what fewer than K of it have, and
// what fell short under the plan when hospitals did not answer.
func (s State) masks(cohort [][]federation.HospitalID) []federation.Columns {
	return s.Charter.Masks(cohort, s.lackLookup(), s.Short)
}

// lackLookup is lacks for many hospitals.
func (s State) lackLookup() func(federation.HospitalID) federation.Columns {
	lacks := map[federation.HospitalID]federation.Columns{}
	for _, j := range s.Round.Joined {
		if j.Lacks != "" {
			lacks[j.Hospital] = j.Lacks
		}
	}
	return func(id federation.HospitalID) federation.Columns { return lacks[id] }
}

// short is by group the columns that are not masked and that fewer than K of a set have,
// where the set is large enough to be summed; nil where there are none.
func (s State) short(set [][]federation.HospitalID) []federation.Columns {
	lacks := s.lackLookup()
	var short []federation.Columns
	for g, group := range set {
		if !s.rules().MaySum(g, len(group)) {
			continue
		}
		if c := federation.Short(group, lacks, s.Charter.MinCohort).But(federation.MaskOf(s.Round.Masked, g)); c != "" {
			if short == nil {
				short = make([]federation.Columns, len(set))
			}
			short[g] = c
		}
	}
	return short
}

// shortWords says which columns of a set have too few holders; "" where none has.
func (s State) shortWords(set [][]federation.HospitalID) string {
	var parts []string
	for g, columns := range s.short(set) {
		for _, i := range columns.List() {
			holders := 0
			for _, id := range set[g] {
				if !s.lacks(id).Has(i) {
					holders++
				}
			}
			parts = append(parts, fmt.Sprintf("column %d of the plan has %d holders in group %d, fewer than K = %d", i+1, holders, g, s.Charter.MinCohort))
		}
	}
	if n := len(parts) - shownNames; n > 0 {
		parts = append(parts[:shownNames], fmt.Sprintf("%d more", n))
	}
	return strings.Join(parts, ", ")
}

// submitted is the cohort's part that sent updates, and may the part that did or still may:
// who is only slow is in it.
func (s State) submitted() (sent, may [][]federation.HospitalID) {
	sent, may = make([][]federation.HospitalID, len(s.Round.Cohort)), make([][]federation.HospitalID, len(s.Round.Cohort))
	for g, group := range s.Round.Cohort {
		for _, id := range group {
			_, ok := s.Round.Update(id)
			if ok {
				sent[g] = append(sent[g], id)
			}
			if ok || !s.Round.HasDeclined(id, federation.RoleUpdate) {
				may[g] = append(may[g], id)
			}
		}
	}
	return sent, may
}

// shortSent says which columns have too few holders among those who submitted.
func (s State) shortSent() string {
	sent, _ := s.submitted()
	return s.shortWords(sent)
}

// leftShort is the set in which a column falls short if the round under way ends now: nil where
// none does. While it collects that is who can still submit, or behind the deadline who did;
// while it opens, what is left without out.
func (s State) leftShort(out []federation.HospitalID, late bool) [][]federation.HospitalID {
	switch s.Round.Phase {
	case Collecting:
		sent, may := s.submitted()
		if s.short(may) != nil {
			return may
		}
		if late && s.short(sent) != nil {
			return sent
		}
	case Opening:
		left := leaveOut(s.Round.S, out)
		if len(out) > 0 && len(out) <= MaxUnreadable && s.short(left) != nil {
			return left
		}
	}
	return nil
}

func leaveOut(set [][]federation.HospitalID, out []federation.HospitalID) [][]federation.HospitalID {
	left := make([][]federation.HospitalID, len(set))
	for g, group := range set {
		left[g] = slices.DeleteFunc(slices.Clone(group), func(id federation.HospitalID) bool { return slices.Contains(out, id) })
	}
	return left
}

// fellShort keeps what a set had too few holders of: it is masked in these groups from the next
// round on. So each round that a column costs masks one, and the hospitals without which it fell
// short need not answer again; when they did it comes back (cameBack).
func (s State) fellShort(set [][]federation.HospitalID) State {
	short := s.short(set)
	if short == nil {
		return s
	}
	for g := range short {
		short[g] = short[g].Or(federation.MaskOf(s.Short, g))
	}
	s.Short = short
	return s
}

// dropShort empties groups that are too small to be summed, or in which a column that is not
// masked has too few holders.
func (s State) dropShort(groups [][]federation.HospitalID) {
	short := s.short(groups)
	s.dropSmall(groups)
	for g := range short {
		if short[g] != "" {
			groups[g] = []federation.HospitalID{}
		}
	}
}

// cameBack forgets, by group, what fell short before and of which K holders are in the sum that
// is published: they are there again, and the next round has the column, about another base. It
// is masked until then, or until another plan or epoch.
func (s State) cameBack() State {
	if s.Short == nil {
		return s
	}
	left, any := make([]federation.Columns, len(s.Short)), false
	lacks := s.lackLookup()
	for g, short := range s.Short {
		left[g] = short
		if g < len(s.Round.S) && len(s.Round.S[g]) >= s.Charter.MinCohort {
			left[g] = short.And(federation.Short(s.Round.S[g], lacks, s.Charter.MinCohort))
		}
		any = any || left[g] != ""
	}
	if s.Short = left; !any {
		s.Short = nil
	}
	return s
}
