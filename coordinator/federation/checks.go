package federation

import (
	"errors"
	"fmt"
	"slices"
)

// Refusals of a manifest or of a set of submitters.
var (
	ErrManifest  = errors.New("manifest refused")
	ErrCandidate = errors.New("candidate refused")
	ErrMessage   = errors.New("message refused")
)

// VerifiedJoin is a Join whose signature was checked.
type VerifiedJoin struct {
	Join
	Blob Digest // of the Signed join
}

// VerifiedBurn is a Burn whose signature was checked.
type VerifiedBurn = Burn

// VerifiedManifest is a manifest of which every embedded signature was checked;
// whoever builds one has checked them.
type VerifiedManifest struct {
	Manifest
	Digest Digest
	Joins  []VerifiedJoin   // in the order of Manifest.Joins
	Burns  [][]VerifiedBurn // in the order of Manifest.Certificates

	Declines []VerifiedDecline // in the order of Manifest.Declines
}

// VerifiedDecline is a Decline whose signature was checked.
type VerifiedDecline struct {
	Decline
	Blob Digest // of the Signed decline
}

func (m VerifiedManifest) declined(id HospitalID) bool {
	return slices.ContainsFunc(m.Declines, func(d VerifiedDecline) bool { return d.Hospital == id })
}

// Custodian returns the one-round key of a custodian that joined, or nil.
func (m VerifiedManifest) Custodian(id HospitalID) []byte {
	for _, j := range m.Joins {
		if j.Hospital == id {
			return j.Key
		}
	}
	return nil
}

// Cohort reports whether id is to submit an update, and in which group.
func (m VerifiedManifest) Cohort(id HospitalID) (group int, ok bool) {
	for g, list := range m.Groups {
		if slices.Contains(list, id) {
			return g, true
		}
	}
	return 0, false
}

// CheckManifest judges a manifest against the pinned charter and the header that
// this hospital itself joined: every Join names that header, every hospital is a
// member, distinct and in its own group, custodians brought keys, at least t of them
// and K hospitals of some group are there, columns that fewer than K of a group have are
// masked there, and each burn certificate is complete.
func CheckManifest(c Charter, header Digest, m VerifiedManifest) error {
	if err := checkManifest(c, header, m); err != nil {
		return fmt.Errorf("manifest %s: %w: %w", m.Digest.Short(), ErrManifest, err)
	}
	return nil
}

func checkManifest(c Charter, header Digest, m VerifiedManifest) error {
	if m.V != 1 || m.Header != header {
		return fmt.Errorf("header %s: joined %s", m.Header.Short(), header.Short())
	}
	joined := map[HospitalID]bool{}
	custodians := 0
	for i, j := range m.Joins {
		_, member := c.Member(j.Hospital)
		_, custodian := c.Point(j.Hospital)
		switch {
		case j.V != 1:
			return fmt.Errorf("join of %s has format %d: this program reads 1", j.Hospital, j.V)
		case j.Header != header:
			return fmt.Errorf("join of %s names header %s: others joined %s", j.Hospital, j.Header.Short(), header.Short())
		case !member:
			return fmt.Errorf("%s is not in the pinned charter", j.Hospital)
		case i > 0 && m.Joins[i-1].Hospital >= j.Hospital:
			return fmt.Errorf("join of %s is repeated or out of order", j.Hospital)
		case custodian != (len(j.Key) > 0):
			return fmt.Errorf("join of %s: a custodian brings a key, no one else does", j.Hospital)
		case !j.Capability.Valid():
			return fmt.Errorf("join of %s: capability %+v", j.Hospital, j.Capability)
		case !j.Lacks.Valid():
			return fmt.Errorf("join of %s: it lacks columns %q", j.Hospital, string(j.Lacks))
		case CheckReleases(j.Releases) != nil:
			return fmt.Errorf("join of %s: %w", j.Hospital, CheckReleases(j.Releases))
		case custodian:
			custodians++
		}
		joined[j.Hospital] = true
	}
	if custodians < c.Threshold {
		return fmt.Errorf("%d custodians: %d must answer", custodians, c.Threshold)
	}
	if len(m.Certificates) > MaxCertificates || len(m.Certificates) != len(m.Burns) {
		return fmt.Errorf("%d burn certificates, %d of them verified: at most %d allowed", len(m.Certificates), len(m.Burns), MaxCertificates)
	}
	if err := checkGroups(c, m.Groups, joined); err != nil {
		return err
	}
	if err := checkMasks(c, m); err != nil {
		return err
	}
	for i, d := range m.Declines {
		switch {
		case d.V != 1 || d.Header != header || d.Role != RoleUpdate || !joined[d.Hospital]:
			return fmt.Errorf("decline of %s is not of an update in this round, by someone who joined", d.Hospital)
		case i > 0 && m.Declines[i-1].Hospital >= d.Hospital:
			return fmt.Errorf("decline of %s is repeated or out of order", d.Hospital)
		}
	}
	for i, cert := range m.Certificates {
		if err := CheckCertificate(c, cert.Manifest, m.Burns[i]); err != nil {
			return err
		}
	}
	return nil
}

// checkGroups: the cohort is a sub-list of each group of the charter, all joined, and
// large enough in at least one group to be summed.
func checkGroups(c Charter, groups [][]HospitalID, joined map[HospitalID]bool) error {
	if len(groups) != len(c.Groups) {
		return fmt.Errorf("%d groups: the charter has %d", len(groups), len(c.Groups))
	}
	enough := false
	for g, group := range groups {
		for i, id := range group {
			if i > 0 && group[i-1] >= id {
				return fmt.Errorf("group %d: %s is repeated or out of order", g, id)
			}
			if c.GroupOf(id) != g {
				return fmt.Errorf("group %d: %s belongs to another", g, id)
			}
			if !joined[id] {
				return fmt.Errorf("group %d: %s did not join", g, id)
			}
		}
		enough = enough || c.MaySum(g, len(group))
	}
	if !enough && c.Cohort == CohortAll {
		return errors.New("no group is whole: the charter sums all members of a group, or none")
	}
	if !enough {
		return fmt.Errorf("no group reaches the minimum cohort %d", c.MinCohort)
	}
	return nil
}

// ErrCertificate: a burn certificate is short, or not of this manifest.
var ErrCertificate = errors.New("burn certificate refused")

// CheckCertificate reports whether verified burns of one manifest make fewer than t
// answers possible under it: m−t+f+1 distinct custodians.
func CheckCertificate(c Charter, manifest Digest, burns []VerifiedBurn) error {
	seen := map[HospitalID]bool{}
	for _, b := range burns {
		if _, ok := c.Point(b.Custodian); !ok || seen[b.Custodian] {
			return fmt.Errorf("%w: %s is no custodian, or repeated", ErrCertificate, b.Custodian)
		}
		if b.V != 1 {
			return fmt.Errorf("%w: burn of %s has format %d: this program reads 1", ErrCertificate, b.Custodian, b.V)
		}
		if b.Manifest != manifest {
			return fmt.Errorf("%w: burn of %s is of manifest %s, not %s", ErrCertificate, b.Custodian, b.Manifest.Short(), manifest.Short())
		}
		seen[b.Custodian] = true
	}
	if len(seen) < c.BurnQuorum() {
		return fmt.Errorf("%w: %d of %d burns of manifest %s", ErrCertificate, len(seen), c.BurnQuorum(), manifest.Short())
	}
	return nil
}

// CheckCandidate judges a candidate against the manifest: hospitals of the
// cohort, distinct, each in its own group and with a submission that no one else in the
// list has, and in each group that is not dropped at least K, or with [CohortAll] all of
// the charter's, and at least K that have each column which is not masked there; one group
// at least. Whose submission it is only its signature says.
func CheckCandidate(c Charter, m VerifiedManifest, s Candidate) error {
	if err := checkCandidate(c, m, s); err != nil {
		return fmt.Errorf("candidate %s: %w: %w", s.Digest().Short(), ErrCandidate, err)
	}
	return nil
}

func checkCandidate(c Charter, m VerifiedManifest, s Candidate) error {
	if s.V != 1 || s.Manifest != m.Digest {
		return fmt.Errorf("manifest %s, not %s", s.Manifest.Short(), m.Digest.Short())
	}
	if len(s.Groups) != len(m.Groups) || len(s.Sums) != len(m.Groups) {
		return fmt.Errorf("%d groups and %d sums: the charter has %d groups", len(s.Groups), len(s.Sums), len(m.Groups))
	}
	kept, listed, set := 0, map[Digest]bool{}, s.Set()
	for g, group := range s.Groups {
		for i, member := range group {
			if i > 0 && group[i-1].Hospital >= member.Hospital {
				return fmt.Errorf("group %d: %s is repeated or out of order", g, member.Hospital)
			}
			if !slices.Contains(m.Groups[g], member.Hospital) {
				return fmt.Errorf("group %d: %s is not in its cohort", g, member.Hospital)
			}
			if listed[member.Submission] {
				return fmt.Errorf("group %d: submission %s of %s is listed for another hospital too", g, member.Submission.Short(), member.Hospital)
			}
			listed[member.Submission] = true
		}
		if len(group) > 0 && len(group) < c.MinCohort {
			return fmt.Errorf("group %d: %d submitters, fewer than K = %d", g, len(group), c.MinCohort)
		}
		if len(group) > 0 && !c.MaySum(g, len(group)) {
			return fmt.Errorf("group %d: %d of its %d hospitals, and the charter sums all of a group, or none", g, len(group), len(c.Groups[g]))
		}
		if err := m.fewHolders(set[g], MaskOf(m.Masked, g), c.MinCohort); err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
		if (len(group) > 0) == s.Sums[g].IsZero() {
			return fmt.Errorf("group %d: %d submitters with sum %s", g, len(group), s.Sums[g].Short())
		}
		if len(group) > 0 {
			kept++
		}
	}
	if kept == 0 {
		return errors.New("no group is left")
	}
	return nil
}

// CheckSubmission judges a submission whose signature was checked: of this manifest,
// by this hospital, for its own group, with as many segments as the header implies and
// an envelope for exactly the custodians that brought keys.
func CheckSubmission(c Charter, m VerifiedManifest, s Submission, segments int) error {
	group, ok := m.Cohort(s.Hospital)
	switch {
	case s.V != 1 || s.Manifest != m.Digest:
		return fmt.Errorf("submission of %s: %w: manifest %s, not %s", s.Hospital, ErrMessage, s.Manifest.Short(), m.Digest.Short())
	case !ok || group != s.Group:
		return fmt.Errorf("submission of %s: %w: it is not in the cohort of group %d", s.Hospital, ErrMessage, s.Group)
	case len(s.Segments) != segments:
		return fmt.Errorf("submission of %s: %w: %d segments, want %d", s.Hospital, ErrMessage, len(s.Segments), segments)
	case len(s.Envelopes) != len(c.Custodians):
		return fmt.Errorf("submission of %s: %w: %d envelopes, want %d", s.Hospital, ErrMessage, len(s.Envelopes), len(c.Custodians))
	}
	for i, id := range c.Custodians {
		if (m.Custodian(id) != nil) == s.Envelopes[i].IsZero() {
			return fmt.Errorf("submission of %s: %w: envelope for %s", s.Hospital, ErrMessage, id)
		}
	}
	return nil
}
