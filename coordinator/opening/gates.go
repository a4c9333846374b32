package opening

import (
	"slices"
	"sync"

	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
)

// ErrGate is wrapped where a sum opens and fails a gate: more share sums will not help.
var ErrGate = aggregation.ErrGate

// gates read the opened fields of one group, piece by piece and in any order, and judge them
// by package aggregation's gates. Of vectors they keep the extremes, of the other numbers all.
// A segment that has no gate has its range alone; plans have none.
type gates struct {
	plan      federation.Plan
	format    fixedpoint.Format
	kind      federation.RoundKind
	hospitals int
	declared  []int // bands of the hospitals, where the plan has weights declared

	mu     sync.Mutex
	least  []int64     // by segment: of a vector, in steps from 0
	most   []int64     // by segment
	counts [][]float64 // by segment: of what is no vector, in steps
}

func newGates(p federation.Plan, h federation.Header, declared []int, hospitals int) *gates {
	n := len(h.Format.Segments)
	g := &gates{plan: p, format: h.Format, kind: h.Kind, hospitals: hospitals, declared: declared,
		least: make([]int64, n), most: make([]int64, n), counts: make([][]float64, n)}
	for i, s := range h.Format.Segments {
		if slices.Contains(single, s.Name) {
			g.counts[i] = make([]float64, s.Count)
		}
	}
	return g
}

// single are the segments of which each number is judged by itself.
var single = []string{federation.SegmentSums, federation.SegmentWeight, federation.SegmentSaturated, federation.SegmentEffort,
	federation.SegmentConfusion, federation.SegmentPositives, federation.SegmentNegatives}

// gates are those of a group of a round.
func (r Round) gates(group int) *gates {
	var declared []int
	members := r.Candidate.Groups[group]
	for _, m := range members {
		declared = append(declared, r.Submissions[m.Hospital].Band)
	}
	return newGates(r.Plan, r.Header, declared, len(members))
}

// add reads fields from an index on. Several goroutines may add.
func (g *gates) add(from int, fields []uint64) {
	first := 0
	for i, s := range g.format.Segments {
		begin, end := max(from, first), min(from+len(fields), first+s.Count)
		if begin < end {
			g.read(i, begin-first, fields[begin-from:end-from])
		}
		first += s.Count
	}
}

func (g *gates) read(segment, at int, fields []uint64) {
	if counts := g.counts[segment]; counts != nil {
		for i, f := range fields { // no two goroutines have the same
			counts[at+i] = float64(f)
		}
		return
	}
	least, most := slices.Min(fields), slices.Max(fields)
	zero := int64(g.hospitals) * int64(g.format.Segments[segment].Zero(g.format.Bits))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.least[segment], g.most[segment] = min(g.least[segment], int64(least)-zero), max(g.most[segment], int64(most)-zero)
}

// judge returns the first gate that the fields fail, nil if none. The error is an
// *aggregation.GateError. All fields were added.
func (g *gates) judge() error {
	switch g.kind {
	case federation.Statistics:
		return g.statistics()
	case federation.Evaluate:
		return g.evaluate()
	}
	return g.train()
}

// segment is a single segment's numbers, nil where there is none.
func (g *gates) segment(name string) []float64 {
	i := slices.IndexFunc(g.format.Segments, func(s fixedpoint.Segment) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return g.counts[i]
}

func (g *gates) statistics() error {
	sums := g.segment(federation.SegmentSums)
	if sums == nil {
		return nil
	}
	top, all := float64(fixedpoint.Max(g.format.Bits)), float64(g.hospitals)
	for i, f := range g.plan.Features {
		least := 0.0
		if f.Missing == federation.MissingReject { // every eligible record has it
			least = float64(float64(float64(top*all)*float64(g.plan.Privacy.MinRecords)) / float64(g.plan.Privacy.WeightCap))
		}
		s := sums[aggregation.SumsPerFeature*i:]
		if err := aggregation.CheckMoments(f.Name, s[0], s[1], s[2], least, float64(top*all), g.hospitals); err != nil {
			return err
		}
	}
	return nil
}

func (g *gates) evaluate() error {
	confusion := g.segment(federation.SegmentConfusion)
	positives, negatives := g.segment(federation.SegmentPositives), g.segment(federation.SegmentNegatives)
	if confusion == nil {
		return nil
	}
	const bins = federation.HistogramBins
	all := 0.0
	for i, name := range g.plan.Label.Names() {
		c := aggregation.Confusion{TP: confusion[4*i], FP: confusion[4*i+1], TN: confusion[4*i+2], FN: confusion[4*i+3]}
		records, err := aggregation.CheckScores(name, c, positives[i*bins:(i+1)*bins], negatives[i*bins:(i+1)*bins],
			float64(g.hospitals*g.plan.Privacy.MinRecords))
		if err != nil {
			return err
		}
		if i > 0 && records != all {
			return &aggregation.GateError{Gate: aggregation.GateScores, Reason: "the labels are of different numbers of records"}
		}
		all = records
	}
	return nil
}

func (g *gates) train() error {
	weights := g.segment(federation.SegmentWeight)
	if weights == nil {
		return nil
	}
	weight := weights[0]
	if err := g.weight(weight); err != nil {
		return err
	}
	if err := g.saturated(); err != nil {
		return err
	}
	if digits := g.segment(federation.SegmentEffort); digits != nil {
		p := g.plan
		if err := aggregation.CheckEffort(digits, g.format.Bits, weight, p.LeastEffort(), p.FullEffort(p.Privacy.WeightCap), g.hospitals); err != nil {
			return err
		}
	}
	for i, s := range g.format.Segments {
		if g.counts[i] != nil || s.Encoding != fixedpoint.Signed {
			continue
		}
		if err := aggregation.CheckMean(s.Name, g.least[i], g.most[i], MeanBound(g.plan, g.format.Bits, weight, g.hospitals)); err != nil {
			return err
		}
	}
	return nil
}

// weight compares the total with what members declared, or with what they can have.
func (g *gates) weight(total float64) error {
	p := g.plan.Privacy
	least, most := g.hospitals*p.LeastWeight(), g.hospitals*p.MostWeight()
	if p.Weight == federation.WeightBands {
		least, most = 0, 0
		for _, band := range g.declared {
			if err := g.plan.CheckBand(g.kind, federation.Submission{Band: band}); err != nil {
				return &aggregation.GateError{Gate: aggregation.GateWeight, Reason: err.Error()}
			}
			least, most = least+band, most+band
		}
	}
	return aggregation.CheckWeight(total, float64(least), float64(most))
}

func (g *gates) saturated() error {
	counts, vectors := g.segment(federation.SegmentSaturated), 1
	if g.plan.Aggregation.Rule == federation.Scaffold {
		vectors = 2
	}
	for i, t := range g.plan.Shared() {
		most := min(uint64(vectors*t.Size()), fixedpoint.Max(g.format.Bits))
		if err := aggregation.CheckSaturated(t.Name, counts[i], float64(g.hospitals)*float64(most)); err != nil {
			return err
		}
	}
	return nil
}

// MeanBound is how far, in steps, one coordinate of a train round's sum can be from 0 that so
// many hospitals of this total weight make in fields of so many bits. With fednova hospitals send
// the share of their work, not of their records, so that it is less tight.
func MeanBound(p federation.Plan, bits int, weight float64, hospitals int) float64 {
	share := float64(weight / float64(p.Privacy.MostWeight()))
	if p.Aggregation.Rule == federation.FedNova {
		share = min(float64(hospitals), float64(share*float64(p.FullEffort(p.Privacy.WeightCap)/p.LeastEffort())))
	}
	return aggregation.MeanBound(float64(fixedpoint.Max(bits-1)), share, hospitals)
}

// CheckOwn holds what one hospital is about to encrypt against every gate: whether a group
// holds it must not fail. read returns values [from, from+len(dst)) of its vector, in the layout
// of the header's format; band is what it declares. The error is an *aggregation.GateError, or
// fixedpoint.ErrNotFinite.
func CheckOwn(p federation.Plan, h federation.Header, band int, read func(dst []float64, from int)) error {
	g := newGates(p, h, []int{band}, 1)
	values, fields := make([]float64, stepFields), make([]uint32, stepFields)
	words := make([]uint64, stepFields)
	defer func() { clear(values); clear(fields); clear(words) }()
	for from, all := 0, h.Format.Count(); from < all; from += stepFields {
		n := min(stepFields, all-from)
		read(values[:n], from)
		if _, err := h.Format.Range(from, from+n).Quantise(fields[:n], values[:n], nearest{}); err != nil {
			return err
		}
		for i, f := range fields[:n] {
			words[i] = uint64(f)
		}
		g.add(from, words[:n])
	}
	return g.judge()
}

// nearest rounds to the nearest step.
type nearest struct{}

func (nearest) Uint64() uint64 { return 1 << 63 }
