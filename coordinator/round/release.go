package round

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// again reports whether exactly S of an attempt is asked once more by rule: no group of it held,
// in this epoch and under this plan, so that its hospitals encrypt what they kept.
func (s State) again(a *Attempt) bool { return s.open(a) && a.Failed && a.Plan == s.Plan }

// answers lists under which manifests a question was answered, or may have been, so that it
// is asked again only when every hospital released each of them.
func (s State) answers(kind federation.RoundKind, questions federation.Digest) (list []Attempt) {
	for i := range s.Attempts {
		if a := &s.Attempts[i]; a.asks(kind, questions) && s.open(a) && !s.again(a) {
			list = append(list, *a)
		}
	}
	return list
}

// AnsweredBefore says in words that a question is not asked again, and "" where it is: where
// it was answered under the same plan and its sum is public, asking again would give the same.
func (s State) AnsweredBefore(kind federation.RoundKind, questions federation.Digest) string {
	answers := s.answers(kind, questions)
	for _, a := range answers {
		if a.Public && a.Plan == s.Plan {
			return fmt.Sprintf("what the next %s round asks was answered in round %d under the same plan: its sum is public and is not asked for again", kind, a.Round)
		}
	}
	if len(answers) > federation.MaxReleases {
		return fmt.Sprintf("what the next %s round asks was answered %d times and is not asked again", kind, len(answers))
	}
	return ""
}

// ToRelease lists the manifests that every hospital is to release before a question is asked
// again, sorted: what the header of a round on it names.
func (s State) ToRelease(kind federation.RoundKind, questions federation.Digest) []federation.Digest {
	var list []federation.Digest
	for _, a := range s.answers(kind, questions) {
		list = append(list, a.Manifest)
	}
	slices.SortFunc(list, federation.CompareDigests)
	return list
}

// withholding lists the hospitals that did not release all of these manifests in their Joins of
// this round, in the charter's order.
func (s State) withholding(manifests ...federation.Digest) []federation.HospitalID {
	releases := map[federation.HospitalID][]federation.Digest{}
	for _, j := range s.Round.Joined {
		releases[j.Hospital] = j.Releases
	}
	var list []federation.HospitalID
	for _, m := range s.Charter.Members {
		if slices.ContainsFunc(manifests, func(d federation.Digest) bool { return !slices.Contains(releases[m.ID], d) }) {
			list = append(list, m.ID)
		}
	}
	return list
}

// released reports whether every hospital released a manifest in its Join of this round.
func (s State) released(manifest federation.Digest) bool { return len(s.withholding(manifest)) == 0 }

// unreleased says that the question of the round under way was answered, and by whom a release
// is missing; "" where nothing is.
func (s State) unreleased() string {
	answers := s.answers(s.Round.Kind, s.Round.Questions)
	missing := s.withholding(s.ToRelease(s.Round.Kind, s.Round.Questions)...)
	if len(missing) == 0 {
		return ""
	}
	last := answers[len(answers)-1]
	how := "was answered in round %d"
	if !last.Public {
		how = "was sent for in round %d, and nothing followed"
	}
	return fmt.Sprintf("what this %s round asks "+how+": it is asked again when every hospital releases that; not yet: %s",
		s.Round.Kind, last.Round, s.nameList(missing))
}

// failed lists the manifests of the question of the round under way whose S is asked again by
// rule.
func (s State) failed() []federation.Digest {
	var list []federation.Digest
	for i := range s.Attempts {
		if a := &s.Attempts[i]; a.asks(s.Round.Kind, s.Round.Questions) && s.again(a) {
			list = append(list, a.Manifest)
		}
	}
	return list
}

// releaseAdvice says which lines bring a question on that was answered, or whose sum fails
// again and again and may be of others; "" where none are missing.
func (s State) releaseAdvice() string {
	manifests := s.ToRelease(s.Round.Kind, s.Round.Questions)
	if s.Failures >= patience && !s.whole() {
		manifests = append(manifests, s.failed()...)
	}
	missing := s.withholding(manifests...)
	if s.Round.Phase != Gathering || len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("to have the question asked again people at every hospital write into its policy.yaml %s and start its daemon again; what that gives away: %s; not yet: %s",
		federation.ReleaseLines(s.Plan, manifests), federation.ReleaseConsequence, s.nameList(missing))
}
