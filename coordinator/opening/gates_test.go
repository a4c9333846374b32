package opening

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
)

// gated is a federation of n honest hospitals at random, with what each of them sends in a
// round: the layout and bounds of daemons, without their training.
type gated struct {
	plan    federation.Plan
	header  federation.Header
	records []int
	values  [][]float64 // by hospital
}

// corner says how far out honest hospitals are.
type corner int

const (
	within    corner = iota // at random inside the bounds
	saturated               // every coordinate at its clip, the same way, of every hospital
	most                    // saturated, and weights are the greatest
	least                   // saturated, and weights are the least
	corners
)

func gatedPlan(rng *rand.Rand, rule federation.Rule, bits int, weight string) federation.Plan {
	p := rulePlan(federation.Aggregation{Rule: rule.Name, LearningRate: 1}, 1+rng.IntN(6))
	p.Label = federation.Label{Name: "y"}
	top := min(1<<bits-1, 1000)
	p.Privacy = federation.Privacy{Bits: bits, Clip: math.Exp(6*rng.Float64() - 3), Weight: weight, WeightCap: 1 + rng.IntN(top)}
	p.Privacy.MinRecords = 1 + rng.IntN(p.Privacy.WeightCap)
	if rng.IntN(2) == 0 {
		p.Local.Steps, p.Local.Epochs, p.Local.Batch = 0, 1+rng.IntN(3), rng.IntN(40)
	}
	if rule.Name == federation.FedNova && rng.IntN(2) == 0 {
		p.Local.PartialWork.Least = 0.1 + 0.8*rng.Float64()
	}
	for i := range p.Features {
		p.Features[i].Missing = []string{federation.MissingMean, federation.MissingReject}[rng.IntN(2)]
	}
	return p
}

// honest draws n hospitals and what they send in a round of the kind.
func honest(rng *rand.Rand, p federation.Plan, kind federation.RoundKind, n int, at corner) gated {
	g := gated{plan: p, header: federation.Header{V: 1, Round: 3, Kind: kind, Format: p.Format(kind)}}
	for range n {
		records := p.Privacy.MinRecords + rng.IntN(2*p.Privacy.WeightCap)
		switch at {
		case most:
			records = p.Privacy.WeightCap * (1 + rng.IntN(3))
		case least:
			records = p.Privacy.MinRecords
		}
		g.records = append(g.records, records)
		g.values = append(g.values, g.contribute(rng, records, at))
	}
	return g
}

func (g gated) contribute(rng *rand.Rand, records int, at corner) []float64 {
	switch g.header.Kind {
	case federation.Statistics:
		return g.statistics(rng, records, at)
	case federation.Evaluate:
		return scoresOf(rng, records)
	}
	p := g.plan
	weight := p.Privacy.WeightOf(records)
	share := float64(weight) / float64(p.Privacy.MostWeight())
	vectors, steps := 1.0, p.MostSteps(records)
	if p.Aggregation.Rule == federation.FedNova {
		if least := p.Local.PartialWork.Least; least > 0 {
			few := int(math.Ceil(least * float64(steps)))
			steps = few + rng.IntN(steps-few+1)
			if at != within {
				steps = few
			}
		}
		share = min(1, share*p.FullEffort(p.Privacy.WeightCap)/p.EffortOf(steps))
	}
	var values []float64
	for _, s := range g.header.Format.Segments {
		if s.Encoding != fixedpoint.Signed {
			continue
		}
		for range s.Count {
			x := s.Clip
			if at == within {
				x *= 2*rng.Float64() - 1
			}
			values = append(values, share*x)
		}
	}
	if p.Aggregation.Rule == federation.Scaffold {
		vectors = 2
	}
	values = append(values, float64(weight))
	for _, t := range p.Shared() {
		values = append(values, min(vectors*float64(t.Size()), float64(fixedpoint.Max(p.Privacy.Bits))))
	}
	if p.Aggregation.Rule == federation.FedNova {
		digits := make([]float64, aggregation.EffortDigits(p.Privacy.Bits))
		if err := aggregation.Effort(digits, weight, p.EffortOf(steps), p.Privacy.Bits); err != nil {
			panic(err)
		}
		values = append(values, digits...)
	}
	return values
}

// statistics are those of records in which a feature that need not be there is missing here
// and there; at a limit all values are the same, at an end of the range or inside it.
func (g gated) statistics(rng *rand.Rand, records int, at corner) []float64 {
	scale := float64(min(records, g.plan.Privacy.WeightCap)) / float64(records)
	var values []float64
	for _, f := range g.plan.Features {
		var n, s, q float64
		same := []float64{0, 1, 0.3}[rng.IntN(3)]
		for range records {
			z := rng.Float64()
			if at != within {
				z = same
			}
			if f.Missing == federation.MissingMean && rng.IntN(5) == 0 {
				continue
			}
			n, s, q = n+1, s+z, q+z*z
		}
		values = append(values, n*scale, s*scale, q*scale)
	}
	return values
}

func scoresOf(rng *rand.Rand, records int) []float64 {
	var y, p []float64
	for range records {
		y, p = append(y, float64(rng.IntN(2))), append(p, []float64{rng.Float64(), 0.5, 0, 1}[rng.IntN(4)])
	}
	c, _ := aggregation.NewConfusion(y, p)
	h, err := aggregation.NewHistogram(y, p)
	if err != nil {
		panic(err)
	}
	return append(append([]float64{c.TP, c.FP, c.TN, c.FN}, h.Positive[:]...), h.Negative[:]...)
}

// round is that of a group of all of them.
func (g gated) round() Round {
	r := Round{Plan: g.plan, Header: g.header, Submissions: map[federation.HospitalID]federation.Submission{}}
	var members []federation.Submitter
	for i, records := range g.records {
		id := federation.HospitalID(fmt.Sprintf("h-%04d", i))
		members = append(members, federation.Submitter{Hospital: id})
		r.Charter.Members = append(r.Charter.Members, federation.Member{ID: id})
		r.Submissions[id] = federation.Submission{Hospital: id, Band: g.plan.Band(g.header.Kind, records)}
	}
	r.Candidate.Groups = [][]federation.Submitter{members}
	return r
}

// fields are those of each hospital, in the order of the round.
func (g gated) fields(t *testing.T, rng *rand.Rand) [][]int64 {
	t.Helper()
	var all [][]int64
	for _, v := range g.values {
		fields := make([]uint32, len(v))
		if _, err := g.header.Format.Quantise(fields, v, rng); err != nil {
			t.Fatal(err)
		}
		all = append(all, Wide(fields))
	}
	return all
}

// sum opens the sum of what hospitals send.
func (g gated) sum(fields [][]int64) (Sum, error) {
	next := 0
	return Plain(g.round(), func(federation.HospitalID) ([]int64, error) {
		next++
		return fields[next-1], nil
	})
}

var (
	gateKinds   = []federation.RoundKind{federation.Statistics, federation.Train, federation.Evaluate}
	gateWeights = []string{federation.WeightRecords, federation.WeightBands, federation.WeightEqual}
)

// eachPlan runs over kinds, rules, precisions and weights.
func eachPlan(rng *rand.Rand, do func(p federation.Plan, kind federation.RoundKind)) {
	for _, kind := range gateKinds {
		for _, rule := range federation.Rules {
			for _, bits := range []int{8, 16, 24, 32} {
				for _, weight := range gateWeights {
					if kind == federation.Train || rule.Name == federation.FedAvg { // others are the same for every rule
						do(gatedPlan(rng, rule, bits, weight), kind)
					}
				}
			}
		}
	}
}

// TestHonestFederationsHold: no honest group trips a gate, at random and at the limits, and
// no honest hospital its own.
func TestHonestFederationsHold(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	rounds := 0
	eachPlan(rng, func(p federation.Plan, kind federation.RoundKind) {
		for at := range corners {
			for _, n := range []int{1, 3, 2 + rng.IntN(40)} {
				g := honest(rng, p, kind, n, at)
				for i, v := range g.values {
					err := CheckOwn(p, g.header, p.Band(kind, g.records[i]), func(dst []float64, from int) { copy(dst, v[from:]) })
					if err != nil {
						t.Fatalf("%s, %s, %+v, corner %d: one hospital of %d records: %v", kind, p.Aggregation.Rule, p.Privacy, at, g.records[i], err)
					}
				}
				if _, err := g.sum(g.fields(t, rng)); err != nil {
					t.Fatalf("%s, %s, %+v, %d hospitals, corner %d: %v", kind, p.Aggregation.Rule, p.Privacy, n, at, err)
				}
				rounds++
			}
		}
	})
	t.Logf("%d honest rounds", rounds)
}

// TestEverySegmentHasItsGate: whatever rule and kind, one hospital's combination that moves a
// single number of a segment far enough, within the range of the sum, drops its group. Of
// vectors there is nothing beyond the gate inside the range where all weights are equal, and
// where fednova lets each hospital send the greatest change, however few its records are.
func TestEverySegmentHasItsGate(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n = 7
	tried := map[string]int{}
	eachPlan(rng, func(p federation.Plan, kind federation.RoundKind) {
		p.Privacy.WeightCap, p.Privacy.MinRecords = 200, 20
		g := honest(rng, p, kind, n, least)
		weight := float64(n * p.Privacy.LeastWeight())
		free := MeanBound(p, p.Privacy.Bits, weight, n) >= float64(n)*float64(fixedpoint.Max(p.Privacy.Bits-1))
		if want := p.Privacy.Weight == federation.WeightEqual; free != want && p.Aggregation.Rule != federation.FedNova {
			t.Errorf("rule %s, weight %q: the gate of vectors is their range: %t", p.Aggregation.Rule, p.Privacy.Weight, free)
		}
		limit := int64(n) * int64(fixedpoint.Max(g.header.Format.Bits))
		first := 0
		for _, s := range g.header.Format.Segments {
			index := first + rng.IntN(s.Count)
			first += s.Count
			if s.Encoding == fixedpoint.Signed && free {
				continue
			}
			fields := g.fields(t, rng)
			others := int64(0)
			for _, f := range fields[1:] {
				others += f[index]
			}
			held := 0
			for _, want := range []int64{0, limit} {
				fields[0][index] = want - others
				if _, err := g.sum(fields); err == nil {
					held++
				} else if !errors.Is(err, ErrGate) || !strings.Contains(err.Error(), "gate ") {
					t.Fatalf("%s %s: %v", kind, s.Name, err)
				}
			}
			if held == 2 {
				t.Errorf("%s, rule %s, %d bits, weight %q: no gate of segment %s", kind, p.Aggregation.Rule, p.Privacy.Bits, p.Privacy.Weight, s.Name)
			}
			tried[strings.SplitAfter(s.Name, "/")[0]]++
		}
	})
	t.Logf("segments: %v", tried)
	if len(tried) != 9 {
		t.Errorf("%d kinds of segments, want 9: %v", len(tried), tried)
	}
}

// TestWhatAHostileHospitalCannot: one hospital's combination of encryptions, gate by gate.
func TestWhatAHostileHospitalCannot(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const n, bits = 10, 16
	plan := func(rule, weight string) federation.Plan {
		p := rulePlan(federation.Aggregation{Rule: rule, LearningRate: 1}, 13)
		p.Privacy = federation.Privacy{Bits: bits, Clip: 1, Weight: weight, WeightCap: 1024, MinRecords: 10}
		p.Features[0].Missing = federation.MissingReject
		return p
	}
	avg := plan(federation.FedAvg, federation.WeightRecords)
	tail, levels := int64(avg.TrainTail()), int64(fixedpoint.Max(bits-1))
	for _, c := range []struct {
		name   string
		plan   federation.Plan
		kind   federation.RoundKind
		gate   string
		change func(f []int64) // of the fields of one hospital
	}{
		{"9 clips in one coordinate", avg, federation.Train, aggregation.GateMean, func(f []int64) { f[0] += 9 * levels }},
		{"total weight 1", avg, federation.Train, aggregation.GateWeight, func(f []int64) { f[tail] = 1 - 9*100 }},
		{"total weight beyond the cap", avg, federation.Train, aggregation.GateWeight, func(f []int64) { f[tail] = 1024*n - 9*100 + 1 }},
		{"less weight under the same changes", avg, federation.Train, aggregation.GateMean, func(f []int64) { f[0] += 30_000; f[tail] -= 100 }},
		{"more saturated than there is", avg, federation.Train, aggregation.GateSaturated, func(f []int64) { f[tail+1] = n*13 + 1 }},
		{"another weight than 1", plan(federation.FedAvg, federation.WeightEqual), federation.Train, aggregation.GateWeight, func(f []int64) { f[tail]++ }},
		{"another band than declared", plan(federation.FedAvg, federation.WeightBands), federation.Train, aggregation.GateWeight, func(f []int64) { f[tail] *= 2 }},
		{"steps that nobody takes", plan(federation.FedNova, federation.WeightRecords), federation.Train, aggregation.GateEffort, func(f []int64) { f[tail+4] += 30 }},
		{"no steps", plan(federation.FedNova, federation.WeightRecords), federation.Train, aggregation.GateEffort, func(f []int64) { f[tail+4] -= 30 }},
		{"control variate", plan(federation.Scaffold, federation.WeightRecords), federation.Train, aggregation.GateMean, func(f []int64) { f[14] += 9 * levels }},
		{"median of groups", plan(federation.Median, federation.WeightRecords), federation.Train, aggregation.GateMean, func(f []int64) { f[3] -= 9 * levels }},
		{"more than measured", avg, federation.Statistics, aggregation.GateMoments, func(f []int64) { f[1] += int64(fixedpoint.Max(32)) }},
		{"records that nobody has", avg, federation.Statistics, aggregation.GateMoments, func(f []int64) { f[0] -= 880 * int64(fixedpoint.Max(32)) / 1024; f[1], f[2] = 0, 0 }},
		{"a variance below 0", avg, federation.Statistics, aggregation.GateMoments, func(f []int64) { f[2] -= 260 * int64(fixedpoint.Max(32)) / 1024 }},
		{"scores without decisions", avg, federation.Evaluate, aggregation.GateScores, func(f []int64) { f[4+1000]++ }},
		{"decisions on the other side", avg, federation.Evaluate, aggregation.GateScores, func(f []int64) { f[0]++; f[3]-- }},
		{"nobody's records", avg, federation.Evaluate, aggregation.GateScores, nil},
	} {
		g := honest(rng, c.plan, c.kind, 0, within)
		for i := range n {
			g.records = append(g.records, 100)
			g.values = append(g.values, g.contribute(rng, 100, within))
			if c.kind == federation.Train && i > 0 {
				clear(g.values[i][:c.plan.TrainTail()]) // nothing to hide behind
			}
		}
		if c.kind == federation.Train {
			clear(g.values[0][:c.plan.TrainTail()])
		}
		fields := g.fields(t, rng)
		if _, err := g.sum(fields); err != nil {
			t.Fatalf("%s: without it: %v", c.name, err)
		}
		if c.change == nil { // it takes away what the others have
			for i := range fields[0] {
				fields[0][i] = -total(fields[1:], i)
			}
		} else {
			c.change(fields[0])
		}
		_, err := g.sum(fields)
		gate := (*aggregation.GateError)(nil)
		if !errors.Is(err, ErrGate) || errors.As(err, &gate) || !strings.Contains(err.Error(), "group 0: gate "+c.gate+": ") {
			t.Errorf("%s: %v, want gate %s", c.name, err, c.gate)
		}
	}
}

func total(fields [][]int64, index int) (sum int64) {
	for _, f := range fields {
		sum += f[index]
	}
	return sum
}

// TestWhatAHostileHospitalStillCan: what passes every gate, from one hospital of ten: any mean
// inside the clip box, and any total weight that the members could have.
func TestWhatAHostileHospitalStillCan(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	const n = 10
	for _, weight := range gateWeights {
		p := rulePlan(federation.Aggregation{Rule: federation.FedAvg, LearningRate: 1}, 13)
		p.Privacy = federation.Privacy{Bits: 16, Clip: 1, Weight: weight, WeightCap: 1024, MinRecords: 10}
		g := honest(rng, p, federation.Train, 0, within)
		for range n {
			g.records = append(g.records, 100)
			g.values = append(g.values, g.contribute(rng, 100, within))
		}
		fields := g.fields(t, rng)
		tail := p.TrainTail()
		if weight == federation.WeightRecords {
			fields[0][tail] = 1024*n - total(fields[1:], tail)
		}
		sum := total(fields, tail)
		for i := range tail { // the mean is minus the clip everywhere
			zero := int64(n) * int64(fixedpoint.Max(15))
			fields[0][i] = zero - int64(float64(fixedpoint.Max(15))*float64(sum)/float64(p.Privacy.MostWeight())) - total(fields[1:], i)
		}
		s, err := g.sum(fields)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Conclude(g.round(), s, baseOf(t, p))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range out.Snapshot.Tensors[0].F32 {
			if math.Abs(float64(x)+1) > 1e-3 {
				t.Fatalf("weight %q: a parameter is %v, want -1 clip", weight, x)
			}
		}
		t.Logf("weight %q: one of ten hospitals makes the mean -1 clip in every coordinate, total weight %v", weight, out.Result.Train.Weight)
	}
}

// FuzzGates: a sum that passes moves no parameter by more than the clip, but for roundings.
func FuzzGates(f *testing.F) {
	f.Add(uint64(1), int64(0), int64(0), uint8(0))
	f.Add(uint64(2), int64(1<<20), int64(-90), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, push, weigh int64, pick uint8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		bits := []int{8, 16, 24, 32}[pick%4]
		p := gatedPlan(rng, federation.Rules[0], bits, gateWeights[int(pick/4)%3])
		const n = 5
		g := honest(rng, p, federation.Train, n, corner(seed%uint64(corners)))
		fields := g.fields(t, rng)
		tail, limit := p.TrainTail(), int64(n)<<bits
		fields[0][rng.IntN(tail)] += push % limit
		fields[0][tail] += weigh % limit
		s, err := g.sum(fields)
		if err != nil {
			return
		}
		out, err := Conclude(g.round(), s, baseOf(t, p))
		if err != nil {
			t.Fatal(err)
		}
		room := p.Privacy.Clip * (1 + float64(p.Privacy.MostWeight())/float64(p.Privacy.LeastWeight())/float64(fixedpoint.Max(bits-1)) + 1e-6)
		for _, tensor := range out.Snapshot.Tensors[:2] {
			for _, x := range tensor.F32 {
				if math.Abs(float64(x)) > room {
					t.Fatalf("a parameter moved by %v, clip %v: %+v", x, p.Privacy.Clip, p.Privacy)
				}
			}
		}
	})
}

// BenchmarkCheckOwn: what a hospital's own gates take, of a million parameters.
func BenchmarkCheckOwn(b *testing.B) {
	p := rulePlan(federation.Aggregation{Rule: federation.FedAvg, LearningRate: 1}, 1_000_000)
	h := federation.Header{Kind: federation.Train, Format: p.Format(federation.Train)}
	values := make([]float64, h.Format.Count())
	values[p.TrainTail()] = 50
	b.SetBytes(int64(8 * len(values)))
	for b.Loop() {
		if err := CheckOwn(p, h, 0, func(dst []float64, from int) { copy(dst, values[from:]) }); err != nil {
			b.Fatal(err)
		}
	}
}
