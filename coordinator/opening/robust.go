package opening

import (
	"fmt"

	"atrium/aggregation"
	"atrium/aggregation/robust"
	"atrium/coordinator/federation"
)

// robust combines the mean changes of groups.
func (s opened) robust(out *TrainResult) (rule, error) {
	a := s.plan.Aggregation
	g, err := s.groups()
	if err != nil {
		return nil, err
	}
	a, ok := a.With(len(g.numbers), len(s.sum.Groups))
	if !ok {
		return nil, fmt.Errorf("rule %s on %d of %d groups: it needs %d: %w", a.Rule, len(g.numbers), len(s.sum.Groups),
			s.plan.Aggregation.LeastGroups(len(s.sum.Groups)), robust.ErrGroups)
	}
	combine := func(dst []float64, points [][]float64) error { return robust.TrimmedMean(dst, points, a.Trim) }
	switch a.Rule {
	case federation.Median:
		combine = robust.Median
	case federation.GeometricMedian, federation.Krum:
		if out.GroupWeights, err = g.weigh(a); err != nil {
			return nil, err
		}
		combine = func(dst []float64, points [][]float64) error { return robust.Combine(dst, points, out.GroupWeights) }
	}
	return func(r run) error {
		points, err := g.read(r.from, len(r.params))
		if err != nil {
			return err
		}
		if err := combine(r.change, points); err != nil {
			return err
		}
		return aggregation.FedAvgInPlace(r.params, r.change, 1, a.LearningRate)
	}, nil
}

// groups are those that held, with records.
type groups struct {
	opened
	numbers []int
	weights []float64
	memory  [][]float64
}

func (s opened) groups() (groups, error) {
	out := groups{opened: s}
	for i, result := range s.sum.Groups {
		if result.Submitters == 0 {
			continue
		}
		var weight [1]float64
		if err := s.sum.group(i, weight[:], s.plan.TrainTail()); err != nil {
			return out, err
		}
		if weight[0] > 0 {
			out.numbers, out.weights = append(out.numbers, i), append(out.weights, weight[0])
			out.memory = append(out.memory, make([]float64, stepFields))
		}
	}
	return out, nil
}

// read returns n coordinates of each group's mean change; they are good until the next
// call.
func (g groups) read(from, n int) ([][]float64, error) {
	points := make([][]float64, len(g.numbers))
	for i, number := range g.numbers {
		points[i] = g.memory[i][:n]
		if err := g.sum.group(number, points[i], from); err != nil {
			return nil, err
		}
		for j, v := range points[i] {
			points[i][j] = float64(v * float64(g.plan.Privacy.MostWeight()))
		}
		if err := aggregation.Mean(points[i], g.weights[i]); err != nil {
			return nil, fmt.Errorf("group %d: %w", number, err)
		}
	}
	return points, nil
}

// weigh gives each group its weight by its distances from the others.
func (g groups) weigh(a federation.Aggregation) ([]float64, error) {
	d := robust.NewDistances(len(g.numbers))
	for from, all := 0, g.plan.SharedCount(); from < all; from += stepFields {
		points, err := g.read(from, min(stepFields, all-from))
		if err != nil {
			return nil, err
		}
		if err := d.Add(points); err != nil {
			return nil, err
		}
	}
	if a.Rule == federation.Krum {
		return d.Krum(a.Hostile, a.Keep)
	}
	return d.GeometricMedian(a.Iterations)
}
