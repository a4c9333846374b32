package participant

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// NeedsEarlier reports whether a manifest can only be judged beside the one that it is
// pinned to. A pin of an earlier epoch is judged by what this hospital brought from there.
func NeedsEarlier(s State, m federation.VerifiedManifest) bool {
	return !m.Pin.IsZero() && !s.pinnedBefore(m)
}

// pinnedBefore reports whether a manifest is pinned to an answer of an earlier epoch.
func (s State) pinnedBefore(m federation.VerifiedManifest) bool {
	return slices.ContainsFunc(s.Bound, func(b Bound) bool { return b.Manifest == m.Pin })
}

// checkCohort judges whom a manifest asks.
func (s State) checkCohort(plan federation.Plan, h federation.Header, m federation.VerifiedManifest, earlier *federation.Earlier) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("manifest %s: %w: %s", m.Digest.Short(), federation.ErrManifest, fmt.Sprintf(format, args...))
	}
	switch before := s.pinnedBefore(m); {
	case h.Digest() != m.Header:
		return refuse("its header %s is not the one beside it", m.Header.Short())
	case before && !s.boundToSet(h.Questions, m):
		return refuse("its cohort is not that of the answer of an earlier epoch, to which it is pinned")
	case before:
		earlier = nil
	case !m.Pin.IsZero() && earlier == nil:
		return refuse("manifest %s, to which it is pinned, is missing", m.Pin.Short())
	}
	return federation.CheckCohort(s.Charter, plan, h, m, earlier)
}

// boundToSet reports whether an answer of an earlier epoch on these questions, under the
// manifest that m is pinned to, is released to exactly its cohort: by the hospitals that were
// summed, or because no group held.
func (s State) boundToSet(questions []string, m federation.VerifiedManifest) bool {
	set := federation.SetDigest(m.Groups)
	return slices.ContainsFunc(s.Bound, func(b Bound) bool {
		return b.Manifest == m.Pin && federation.Overlap(b.Questions, questions) && b.Allows(questions, set)
	})
}
