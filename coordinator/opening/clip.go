package opening

import (
	"fmt"
	"math"

	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// nextClip is what follows from a round for the clip of a tensor whose fields begin at
// from: of the sum over all groups that held, whatever the rule makes of them. memory is
// for a part of it.
func nextClip(s opened, clip aggregation.Clip, t federation.Tensor, from int, memory []float64, result TrainResult) (aggregation.Clip, error) {
	bits := s.plan.Privacy.Bits
	r := aggregation.ClipRound{Size: t.Size(), Hospitals: s.sum.Submitters, MaxCount: float64(fixedpoint.Max(bits))}
	for _, c := range result.Clipped {
		if c.Tensor == t.Name {
			r.Saturated = c.Count
		}
	}
	for at, end := from, from+t.Size(); at < end; at += len(memory) {
		part := memory[:min(len(memory), end-at)]
		if err := s.scaled(part, at); err != nil {
			return clip, err
		}
		for _, v := range part {
			r.Largest = max(r.Largest, math.Abs(v))
		}
	}
	r.Largest = float64(r.Largest / result.Weight)
	return clip.Next(r, s.plan.Privacy.ClipLeast, s.plan.Privacy.Clip)
}

// Format is that of the next round of a kind on a base, of which metadata are enough.
func Format(p federation.Plan, kind federation.RoundKind, base models.Snapshot) (fixedpoint.Format, error) {
	clips, err := models.Clips(p, base)
	return p.FormatAt(kind, models.ClipValues(clips)), err
}

// CheckClips reports whether a header that federation.CheckHeader passed has the clips
// that follow from its base. Of the base metadata are enough; it is ignored where the
// plan fixes the clip.
func CheckClips(p federation.Plan, h federation.Header, base models.Snapshot) error {
	clips, err := models.Clips(p, base)
	if err != nil {
		return fmt.Errorf("round %d: %w: %w", h.Round, federation.ErrHeader, err)
	}
	return federation.CheckClips(p, h, models.ClipValues(clips))
}
