package models

import (
	"fmt"
	"math"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// TensorClip is the clip of a tensor in the train round on a version.
type TensorClip struct {
	Tensor string `json:"tensor"`
	aggregation.Clip
}

// Clips returns the clip of each tensor of Plan.Shared in the train round on s, nil where
// the plan fixes it. A tensor of which s says nothing begins at the plan's greatest.
func Clips(p federation.Plan, s Snapshot) ([]aggregation.Clip, error) {
	if !p.Privacy.AutoClip() {
		return nil, nil
	}
	known := map[string]aggregation.Clip{}
	if text, ok := s.Metadata[MetadataClip]; ok {
		list, err := parseClips([]byte(text))
		if err != nil {
			return nil, err
		}
		for _, t := range list {
			known[t.Tensor] = t.Clip
		}
	}
	var clips []aggregation.Clip
	for _, t := range p.Shared() {
		c, ok := known[t.Name]
		if !ok {
			c.Clip = p.Privacy.Clip
		}
		clips = append(clips, c.Within(p.Privacy.ClipLeast, p.Privacy.Clip))
	}
	return clips, nil
}

func parseClips(text []byte) ([]TensorClip, error) {
	list, err := federation.Decode[[]TensorClip](text, MaxHeaderBytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSnapshot, MetadataClip, err)
	}
	positive := func(x float64) bool { return x >= 0 && !math.Signbit(x) }
	for _, t := range list {
		if !positive(t.Clip.Clip) || !positive(t.Floor) {
			return nil, fmt.Errorf("%w: %s: %v and floor %v of tensor %.80q", ErrSnapshot, MetadataClip, t.Clip.Clip, t.Floor, t.Tensor)
		}
	}
	return list, nil
}

// SetClips notes in s the clip of each tensor of Plan.Shared in the next round.
func (s Snapshot) SetClips(p federation.Plan, clips []aggregation.Clip) {
	list := make([]TensorClip, len(clips))
	for i, t := range p.Shared() {
		list[i] = TensorClip{Tensor: t.Name, Clip: clips[i]}
	}
	s.Metadata[MetadataClip] = string(federation.Encode(list))
}

// ClipValues are the clips as a format has them.
func ClipValues(clips []aggregation.Clip) []float64 {
	var values []float64
	for _, c := range clips {
		values = append(values, c.Clip)
	}
	return values
}
