package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
)

// Policy is one hospital's rules. The zero value allows nothing.
type Policy struct {
	Plans      []federation.Digest    // approved plans, by digest
	Kinds      []federation.RoundKind // allowed round kinds
	MinCohort  int                    // fewest hospitals in a sum; 0: the charter's K
	MinRecords int                    // fewest own records that are used; 0: the plan's
	MinBits    int                    // coarsest precision allowed; 0: any
	Paused     bool                   // nothing leaves
	Capability bool                   // whether Joins say how fast this hospital is, and its link and memory
	Peers      []string               // hospitals that count in a sum, by pseudonym or identity-key fingerprint; none: nobody but this one
	Releases   []Release              // earlier openings that its people let be asked again
}

// Release lets the question that was opened under a manifest be asked again by a plan. No other
// rule gives one.
type Release struct{ Plan, Manifest federation.Digest }

// Released lists the manifests that are released for a plan, sorted: what a Join carries.
func (p Policy) Released(plan federation.Digest) []federation.Digest {
	var list []federation.Digest
	for _, r := range p.Releases {
		if r.Plan == plan {
			list = append(list, r.Manifest)
		}
	}
	slices.SortFunc(list, federation.CompareDigests)
	return slices.Compact(list)
}

// Refusal is a veto of the hospital; Rule is the key of its policy file.
type Refusal struct {
	Rule   string
	Reason string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("refused by policy rule %s: %s", r.Rule, r.Reason)
}

// ErrPolicy: the policy file itself is wrong.
var ErrPolicy = errors.New("policy is invalid")

// Validate refuses a policy with impossible values.
func (p Policy) Validate() error {
	for _, k := range p.Kinds {
		if k != federation.Statistics && k != federation.Train && k != federation.Evaluate {
			return fmt.Errorf("%w: kinds: %q is no round kind", ErrPolicy, k)
		}
	}
	for _, peer := range p.Peers {
		if _, err := federation.ParseDigest(peer); err != nil && !federation.HospitalID(peer).Valid() {
			return fmt.Errorf("%w: peers: %.80q is neither a pseudonym nor the fingerprint of an identity key (64 hexadecimal digits)", ErrPolicy, peer)
		}
	}
	for _, r := range p.Releases {
		if err := federation.CheckReleases(p.Released(r.Plan)); err != nil || r.Plan.IsZero() {
			return fmt.Errorf("%w: releases: of plan %s: %w", ErrPolicy, r.Plan.Short(), cmp.Or(err, federation.ErrRelease))
		}
	}
	if p.MinCohort < 0 || p.MinRecords < 0 || p.MinBits < 0 || p.MinBits > 32 {
		return fmt.Errorf("%w: min_cohort %d, min_records %d, min_bits %d", ErrPolicy, p.MinCohort, p.MinRecords, p.MinBits)
	}
	return nil
}

// Judge returns nil if a round under this header may use records of this hospital, or
// a *Refusal. records is the number of eligible ones.
func (p Policy) Judge(plan federation.Plan, h federation.Header, records int) error {
	need := max(plan.Privacy.MinRecords, p.MinRecords)
	switch {
	case p.Paused:
		return &Refusal{"paused", "the hospital paused everything"}
	case !slices.Contains(p.Plans, h.Plan):
		return &Refusal{"plans", fmt.Sprintf("plan %s is not approved here", h.Plan.Short())}
	case !slices.Contains(p.Kinds, h.Kind):
		return &Refusal{"kinds", fmt.Sprintf("%s rounds are not allowed here", h.Kind)}
	case h.MinCohort < p.MinCohort:
		return &Refusal{"min_cohort", fmt.Sprintf("a sum may hold %d hospitals, this one wants %d", h.MinCohort, p.MinCohort)}
	case h.Kind == federation.Train && h.Format.Bits < p.MinBits:
		return &Refusal{"min_bits", fmt.Sprintf("%d bits, this hospital wants %d", h.Format.Bits, p.MinBits)}
	case records < need:
		return &Refusal{"min_records", fmt.Sprintf("%d eligible records, %d are needed", records, need)}
	}
	return nil
}
