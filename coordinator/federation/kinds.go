package federation

import (
	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
)

// RoundKind is what a round computes.
type RoundKind string

// Round kinds.
const (
	Statistics RoundKind = "statistics" // sums of n, z and z² per feature
	Train      RoundKind = "train"      // weighted sum of model deltas, and what else the rule needs
	Evaluate   RoundKind = "evaluate"   // confusion counts and score histograms
)

// HistogramBins is the number of score bins per class of an evaluate round.
const HistogramBins = 1024

// Segment names of the vectors that a round sums.
const (
	SegmentSums      = "sums"      // statistics: n, Σz, Σz² per feature, in plan order
	SegmentWeight    = "weight"    // train: the hospital's weight
	SegmentSaturated = "saturated" // train: for each tensor, coordinates that met the clip, or the greatest that a field holds
	SegmentEffort    = "effort"    // train with fednova: digits of the weighted effort (aggregation.Effort)
	SegmentConfusion = "confusion" // evaluate: TP, FP, TN, FN at 0.5, of each label
	SegmentPositives = "positives" // evaluate: scores of positives by bin, of each label
	SegmentNegatives = "negatives" // evaluate: scores of negatives by bin, of each label
)

// Tensor is one named block of a flat parameter vector.
type Tensor struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
}

// Size is the product of the shape.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Format is the vector of one kind of round: which values a hospital sends, in which
// precision and within which bounds. Statistics use 32 bits, so that rounding does not
// show in a mean; counts use 24, so that 16 million records fit one bin. Where the clip
// follows the aggregate it is that of a train round before which there was none.
func (p Plan) Format(kind RoundKind) fixedpoint.Format { return p.FormatAt(kind, nil) }

// FormatAt is Format with a clip for each tensor of Shared; nil: the plan's.
func (p Plan) FormatAt(kind RoundKind, clips []float64) fixedpoint.Format {
	count := func(name string, n int) fixedpoint.Segment {
		return fixedpoint.Segment{Name: name, Count: n, Encoding: fixedpoint.Count}
	}
	switch kind {
	case Statistics:
		return fixedpoint.Format{Bits: 32, Segments: []fixedpoint.Segment{
			{Name: SegmentSums, Count: 3 * len(p.Features), Encoding: fixedpoint.Unit, Clip: float64(p.Privacy.WeightCap)}}}
	case Evaluate:
		k := p.Model.Width()
		return fixedpoint.Format{Bits: 24, Segments: []fixedpoint.Segment{
			count(SegmentConfusion, 4*k), count(SegmentPositives, k*HistogramBins), count(SegmentNegatives, k*HistogramBins)}}
	}
	f := fixedpoint.Format{Bits: p.Privacy.Bits}
	shared := p.Shared()
	vector := func(folder string, factor float64) {
		for i, t := range shared {
			clip := p.Privacy.Clip
			if clips != nil {
				clip = clips[i]
			}
			f.Segments = append(f.Segments, fixedpoint.Segment{Name: folder + t.Name, Count: t.Size(), Encoding: fixedpoint.Signed, Clip: float64(factor * clip)})
		}
	}
	vector("model/", 1)
	if p.Aggregation.Rule == Scaffold {
		vector("control/", ControlClip)
	}
	f.Segments = append(f.Segments, count(SegmentWeight, 1), count(SegmentSaturated, len(shared)))
	if p.Aggregation.Rule == FedNova {
		f.Segments = append(f.Segments, count(SegmentEffort, aggregation.EffortDigits(p.Privacy.Bits)))
	}
	return f
}

// ControlClip is the clip of a change of a control variate in clips of the parameters: c
// and the mean gradient are each of the size of a change.
const ControlClip = 2

// Questions is QuestionsOf a round about all records.
func (p Plan) Questions(kind RoundKind, parameters Digest) []string {
	return p.QuestionsOf(kind, parameters, "")
}

// QuestionsOf lists what an opened sum of a round answers, in sorted order and independent of
// plan, format and epoch (design §2). parameters is the digest of the base's parameters, which
// statistics ignores; month is what an evaluation is about, "" for all records.
func (p Plan) QuestionsOf(kind RoundKind, parameters Digest, month Month) []string {
	switch kind {
	case Train:
		return []string{"train/" + parameters.String()}
	case Evaluate:
		return []string{p.Part(month).Evaluation(parameters)}
	}
	var list []string
	for _, f := range p.Features {
		for _, statistic := range []string{"n", "x", "xx"} {
			list = append(list, statisticPrefix+f.Name+"/"+statistic)
		}
	}
	return sorted(list)
}
