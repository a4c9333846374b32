package opening

import (
	"errors"
	"math"
	"testing"

	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// TestClipFollowsTheSum: of every rule, the next clip of a tensor is four times its largest
// mean change, over all groups, or twice the last where too many coordinates met it; a
// header with any other is refused.
func TestClipFollowsTheSum(t *testing.T) {
	for _, rule := range []string{federation.FedAvg, federation.FedAdam, federation.Median} {
		p := rulePlan(federation.Aggregation{Rule: rule, LearningRate: 1, Beta1: 0.9, Beta2: 0.99, Tau: 0.1}, stepFields+2)
		p.Privacy.ClipLeast = 0.001
		delta := func(x float64) []float64 {
			d := make([]float64, len(p.Features)+1)
			d[0], d[stepFields+1] = x/2, -x // the largest is in the second run
			return d
		}
		r, sum := sumOf(t, p, 3, change{group: 0, weight: 50, delta: delta(0.8)}, change{group: 1, weight: 100, delta: delta(0.2), clipped: []float64{1}},
			change{group: 2, weight: 100, delta: delta(0.4)})
		out, err := Conclude(r, sum, baseOf(t, p))
		if err != nil {
			t.Fatal(err)
		}
		clips, err := models.Clips(p, *out.Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		weight := 4 * (50*0.8 + 100*0.2 + 100*0.4) / 250
		if math.Abs(clips[0].Clip-weight) > 1e-5 || clips[0].Floor != 0 {
			t.Errorf("%s: clip of the weights %+v, want %v", rule, clips[0], weight)
		}
		if clips[1].Clip != 2 || clips[1].Floor != 2 || out.Result.Train.Saturated != 1 {
			t.Errorf("%s: clip of the bias %+v: it was met, and the plan's greatest is 2; %+v", rule, clips[1], out.Result.Train)
		}
		if want := "1 coordinates clipped (bias 1)"; out.Result.Train.ClippedText() != want {
			t.Errorf("%s, want %s", out.Result.Train.ClippedText(), want)
		}
		next := federation.Header{Round: 10, Kind: federation.Train}
		if next.Format, err = Format(p, federation.Train, *out.Snapshot); err != nil {
			t.Fatal(err)
		}
		if err := CheckClips(p, next, *out.Snapshot); err != nil {
			t.Error(err)
		}
		if err := CheckClips(p, r.Header, *out.Snapshot); !errors.Is(err, federation.ErrHeader) {
			t.Errorf("%s: the clips of the round before: %v", rule, err)
		}
	}
}
