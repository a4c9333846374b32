package policy

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// JudgeGroup returns nil if the people of this hospital compared the keys of enough of
// the hospitals of one group, or a *Refusal of rule peers. Whoever decides over the roster
// could fill a group with hospitals that it invented; those whose fingerprints people read
// to each other it cannot invent. self counts as compared; without peers nobody else does.
// The charter's K is how many are needed.
func (p Policy) JudgeGroup(c federation.Charter, self federation.HospitalID, group []federation.HospitalID) error {
	known := 0
	for _, id := range group {
		if id == self || p.knows(c, id) {
			known++
		}
	}
	if known < c.MinCohort {
		return &Refusal{Rule: "peers", Reason: fmt.Sprintf("peers compared: %d of %d, in a sum of %d hospitals", known, c.MinCohort, len(group))}
	}
	return nil
}

func (p Policy) knows(c federation.Charter, id federation.HospitalID) bool {
	member, ok := c.Member(id)
	return ok && (slices.Contains(p.Peers, string(id)) || slices.Contains(p.Peers, member.Fingerprint().String()))
}
