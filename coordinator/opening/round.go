package opening

import (
	"atrium/coordinator/federation"
)

// SegmentTarget is the size that segments aim at; a segment holds whole blocks.
const SegmentTarget = 8 << 20

// Round is what defines a sum. All of it was verified.
type Round struct {
	Charter     federation.Charter
	Plan        federation.Plan
	Header      federation.Header
	Manifest    federation.Digest
	Candidate   federation.Candidate
	Submissions map[federation.HospitalID]federation.Submission
}

// ShareSums is what one custodian sent; ByGroup[g] is nil for a dropped group and where what it
// signed is no share sum, and has one element a ring coefficient otherwise.
type ShareSums struct {
	Custodian federation.HospitalID
	ByGroup   [][]uint16
}

// Bytes is the size of all ciphertexts that the round's candidate sums.
func (r Round) Bytes() (int64, error) {
	params, err := Parameters(r.Header.Ring)
	if err != nil {
		return 0, err
	}
	each, members := 0, 0
	for _, size := range params.SegmentPlan(SegmentTarget) {
		each += size
	}
	for _, group := range r.Candidate.Groups {
		members += len(group)
	}
	return int64(each) * int64(members), nil
}
