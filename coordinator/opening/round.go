package opening

import (
	"context"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/privacy/he"
	"atrium/storage"
)

// SegmentTarget is the size that segments aim at; a segment holds whole blocks.
const SegmentTarget = 8 << 20

// Round is what defines a sum. All of it was verified.
type Round struct {
	Charter     federation.Charter
	Plan        federation.Plan
	Header      federation.Header
	Manifest    federation.Digest
	Submitters  federation.Submitters
	Submissions map[federation.HospitalID]federation.Submission
}

// ShareSums is one custodian's answer; ByGroup[g] is nil for a dropped group and has
// one element a ring coefficient otherwise.
type ShareSums struct {
	Custodian federation.HospitalID
	ByGroup   [][]uint16
}

// groupSum is the sum of a group's ciphertexts, by segment.
type groupSum []*he.Sum

// sumGroup adds the ciphertexts of one group, one segment of one hospital at a time.
func (r Round) sumGroup(ctx context.Context, b storage.Bucket, params *he.Parameters, group int) (groupSum, error) {
	header := r.Header.Digest()
	var total groupSum
	for index, segment := range params.Segments(SegmentTarget) {
		sum, err := params.NewSegmentSum(segment.First, segment.Last)
		if err != nil {
			return nil, err
		}
		for _, member := range r.Submitters.Groups[group] {
			submission := r.Submissions[member.Hospital]
			name, err := storage.UpdateSegment(header, string(member.Hospital), submission.UpdateRoot(), index)
			if err != nil {
				return nil, err
			}
			data, err := storage.GetVerified(ctx, b, name, submission.Segments[index], int64(segment.Bytes))
			if err != nil {
				return nil, err
			}
			if err := sum.Add(data); err != nil {
				return nil, fmt.Errorf("segment %d of %s: %w", index, member.Hospital, err)
			}
		}
		total = append(total, sum)
	}
	return total, nil
}

func (g groupSum) marshal() []byte {
	var out []byte
	for _, s := range g {
		out = append(out, s.Marshal()...)
	}
	return out
}

// open decodes the sum of n ciphertexts into fields.
func (g groupSum) open(params *he.Parameters, seed [32]byte, keySum []int32, n int, fields []uint64) error {
	for i, segment := range params.Segments(SegmentTarget) {
		from, to := params.Fields(segment.First, segment.Last)
		if err := params.Open(seed, keySum, g[i], n, fields[from:to]); err != nil {
			return err
		}
	}
	return nil
}
