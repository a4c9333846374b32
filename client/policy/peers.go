package policy

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// JudgeGroup returns nil if enough of the hospitals of one group are known here, or a
// *Refusal of rule peers. Whoever decides over the roster could fill a group with
// hospitals that it invented; those that this hospital pinned it cannot invent. self
// counts as known. The charter's K is how many are needed.
func (p Policy) JudgeGroup(c federation.Charter, self federation.HospitalID, group []federation.HospitalID) error {
	if len(p.Peers) == 0 {
		return nil
	}
	known := 0
	for _, id := range group {
		if id == self || p.knows(c, id) {
			known++
		}
	}
	if known < c.MinCohort {
		return &Refusal{"peers", fmt.Sprintf("of the %d hospitals in the sum %d are known here, %d are needed", len(group), known, c.MinCohort)}
	}
	return nil
}

func (p Policy) knows(c federation.Charter, id federation.HospitalID) bool {
	member, ok := c.Member(id)
	return ok && (slices.Contains(p.Peers, string(id)) || slices.Contains(p.Peers, member.Fingerprint().String()))
}
