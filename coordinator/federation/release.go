package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A question that was answered is asked once more when every hospital of the charter released
// the earlier opening for the plan that asks: its people wrote both digests into its policy
// file, and its Join says so. Whoever could be missing from the second sum is thereby somebody
// who agreed to become known. The new opening is one that nobody released.

// ReleaseConsequence is what a release gives away, in words.
const ReleaseConsequence = "whoever of the first sum is missing from the second becomes known: update and count; " +
	"where the plans differ in cap, range or clip, whoever alone exceeds the smaller"

// ErrRelease: a list of released manifests is not one.
var ErrRelease = errors.New("releases refused")

// CheckReleases judges a list of manifests that are released, or are to be.
func CheckReleases(list []Digest) error {
	if len(list) > MaxReleases {
		return fmt.Errorf("%w: %d of %d", ErrRelease, len(list), MaxReleases)
	}
	for i, d := range list {
		if d.IsZero() || i > 0 && CompareDigests(list[i-1], d) >= 0 {
			return fmt.Errorf("%w: manifest %s is zero, repeated or out of order", ErrRelease, d.Short())
		}
	}
	return nil
}

// CompareDigests orders digests by their bytes.
func CompareDigests(a, b Digest) int { return slices.Compare(a[:], b[:]) }

// Released lists the earlier manifests that every hospital of the charter released in its own
// Join of this one, for the plan of its header. The Joins were verified in full, and name that
// header, see CheckManifest.
func (m VerifiedManifest) Released(c Charter) []Digest {
	by := map[HospitalID][]Digest{}
	for _, j := range m.Joins {
		by[j.Hospital] = j.Releases
	}
	return slices.DeleteFunc(slices.Clone(by[c.Members[0].ID]), func(d Digest) bool {
		return slices.ContainsFunc(c.Members, func(member Member) bool { return !slices.Contains(by[member.ID], d) })
	})
}

// ReleaseLines is what a hospital's people add to its policy file to release manifests for a plan.
func ReleaseLines(plan Digest, manifests []Digest) string {
	lines := make([]string, len(manifests))
	for i, d := range manifests {
		lines[i] = fmt.Sprintf("{plan: %s, manifest: %s}", plan, d)
	}
	return "releases: [" + strings.Join(lines, ", ") + "]"
}
