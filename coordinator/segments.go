package coordinator

import (
	"context"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
)

// segmentSizes lists the byte sizes of an update's segments in the round under way.
func segmentSizes(h federation.Header) ([]int, error) {
	params, err := opening.Parameters(h.Ring)
	if err != nil {
		return nil, err
	}
	return params.SegmentPlan(opening.SegmentTarget), nil
}

// checkSegment refuses a segment that cannot be added: one that is malformed, or has
// residues that are not below their prime. It returns the header of the round.
func (c *Coordinator) checkSegment(from federation.HospitalID, header federation.Digest, index int, data []byte) (federation.Header, error) {
	v := c.View()
	if v.State.Round.Header != header {
		return federation.Header{}, fmt.Errorf("segment %d of %s: %w", index, from, round.ErrStale)
	}
	h, err := federation.DecodeHeader(v.Header)
	if err != nil {
		return h, err
	}
	if err := decodeSegment(h, index, data); err != nil {
		return h, fmt.Errorf("update of %s: %w", from, err)
	}
	return h, nil
}

// decodeSegment refuses a segment of another size or with blocks that cannot be added.
func decodeSegment(h federation.Header, index int, data []byte) error {
	params, err := opening.Parameters(h.Ring)
	if err != nil {
		return err
	}
	segments := params.Segments(opening.SegmentTarget)
	if index < 0 || index >= len(segments) || len(data) != segments[index].Bytes {
		return fmt.Errorf("segment %d of %d bytes: %w", index, len(data), ErrBounds)
	}
	s := segments[index]
	if err := params.CheckSegment(s.First, s.Last, data); err != nil {
		return fmt.Errorf("segment %d: %w", index, err)
	}
	return nil
}

// CiphertextName is the object that holds a segment of the update that a hospital has in the
// candidate under way. Ciphertexts are no secret: auditors read them too.
func (c *Coordinator) CiphertextName(ctx context.Context, candidate federation.Digest, id federation.HospitalID, index int) (string, error) {
	r := c.View().State.Round
	blob, ok := r.Update(id)
	if !ok || candidate != r.Candidate || candidate.IsZero() {
		return "", fmt.Errorf("ciphertext of %s in candidate %s: %w", id, candidate.Short(), round.ErrStale)
	}
	raw, err := storage.GetBlob(ctx, c.cfg.Bucket, blob, federation.MaxMessageBytes)
	if err != nil {
		return "", err
	}
	s, _, err := envelope.DecodeMessage[federation.Submission](c.cfg.Charter, raw)
	if err != nil {
		return "", err
	}
	return storage.UpdateSegment(r.Header, string(id), s.UpdateRoot(), index)
}
