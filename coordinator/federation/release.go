package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Release frees a question whose answered set can be neither opened again nor burned:
// the next sum may be of the same hospitals without some of them. A coordinator that
// opened the first sum after all learns the difference of the two, so the hospitals of
// the first sum approve it one by one (design §4).
type Release struct {
	V         int            `json:"v"` // 1
	Questions []string       `json:"questions"`
	Set       [][]HospitalID `json:"set"`        // who was answered for, by group, each sorted
	LeavesOut []HospitalID   `json:"leaves_out"` // of these, who is not in the next sum, sorted
}

// Digest names the release: what a hospital approves.
func (r Release) Digest() Digest { return Sum(Encode(r)) }

// Remaining is the one set that may then be answered.
func (r Release) Remaining() [][]HospitalID {
	rest := make([][]HospitalID, len(r.Set))
	for g, group := range r.Set {
		rest[g] = slices.DeleteFunc(slices.Clone(group), func(id HospitalID) bool { return slices.Contains(r.LeavesOut, id) })
	}
	return rest
}

// Size is the number of hospitals of the first sum.
func (r Release) Size() int {
	n := 0
	for _, group := range r.Set {
		n += len(group)
	}
	return n
}

// Consequence tells a hospital of the first sum, in words, what it is asked to approve.
func (r Release) Consequence(self HospitalID) string {
	names := make([]string, len(r.LeavesOut))
	for i, id := range r.LeavesOut {
		names[i] = string(id)
	}
	text := fmt.Sprintf("The next sum leaves out %s. A coordinator that opened the earlier sum of all %d learns ", strings.Join(names, ", "), r.Size())
	if len(names) == 1 {
		text += "the update of " + names[0] + " alone."
	} else {
		text += "the sum of these updates."
	}
	if slices.Contains(r.LeavesOut, self) {
		text += " That is this hospital."
	}
	return text
}

// Approval is one hospital's consent to a release, given by hand.
type Approval struct {
	V        int        `json:"v"`       // 1
	Charter  Digest     `json:"charter"` // of the epoch that ends
	Release  Digest     `json:"release"`
	Hospital HospitalID `json:"hospital"`
}

// From names who must have signed the approval.
func (a Approval) From() HospitalID { return a.Hospital }

// VerifiedApproval is an Approval whose signature was checked.
type VerifiedApproval struct {
	Approval
	Blob Digest // of the Signed approval
}

// ApprovedRelease is a release in a charter, with the approvals that it rests on.
type ApprovedRelease struct {
	Release   Release  `json:"release"`
	Approvals []Digest `json:"approvals"` // of the Signed approvals, by hospital
}

// ErrRelease wraps every refusal of a release.
var ErrRelease = errors.New("release refused")

// CheckRelease judges a release at the end of the epoch of charter c: every hospital of S
// that the next charter has approved exactly this. Who is gone cannot be asked; what becomes
// known of it stands in the terms of that charter, which the others sign.
func CheckRelease(c, next Charter, r Release, approvals []VerifiedApproval) error {
	if err := checkRelease(c, next, r, approvals); err != nil {
		return fmt.Errorf("%w: %w", ErrRelease, err)
	}
	return nil
}

func checkRelease(c, next Charter, r Release, approvals []VerifiedApproval) error {
	if r.V != 1 || len(r.Questions) == 0 || len(r.LeavesOut) == 0 || len(r.LeavesOut) >= r.Size() {
		return fmt.Errorf("format %d, %d questions, %d of %d left out", r.V, len(r.Questions), len(r.LeavesOut), r.Size())
	}
	in := map[HospitalID]bool{}
	for _, group := range r.Set {
		for _, id := range group {
			in[id] = true
		}
	}
	for i, id := range r.LeavesOut {
		if !in[id] || (i > 0 && r.LeavesOut[i-1] >= id) {
			return fmt.Errorf("left out %s is not in the set, repeated or out of order", id)
		}
	}
	approved := map[HospitalID]bool{}
	for _, a := range approvals {
		switch {
		case a.V != 1 || a.Release != r.Digest() || a.Charter != c.Digest():
			return fmt.Errorf("approval of %s is of release %s after charter %s", a.Hospital, a.Release.Short(), a.Charter.Short())
		case !in[a.Hospital] || approved[a.Hospital]:
			return fmt.Errorf("approval of %s: not in the set, or repeated", a.Hospital)
		}
		approved[a.Hospital] = true
	}
	for _, m := range next.Members {
		if in[m.ID] && !approved[m.ID] {
			return fmt.Errorf("approval of %s is missing: each of the first sum that stays approves", m.ID)
		}
	}
	return nil
}
