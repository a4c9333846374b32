package participant

import (
	"fmt"

	"atrium/coordinator/federation"
)

// checkCohort judges whom a manifest asks, beside the one that it is pinned to.
func (s State) checkCohort(plan federation.Plan, h federation.Header, m federation.VerifiedManifest, earlier *federation.Earlier) error {
	if h.Digest() != m.Header {
		return fmt.Errorf("manifest %s: %w: its header %s is not the one beside it", m.Digest.Short(), federation.ErrManifest, m.Header.Short())
	}
	return federation.CheckCohort(s.Charter, plan, h, m, earlier)
}
