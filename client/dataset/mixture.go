package dataset

import (
	"math"
	"math/rand/v2"

	"atrium/coordinator/federation"
)

// Mixture generates records for any plan, of the labels that are asked for: for federations
// that are simulated. Features are normal about a mean that depends on the label, so that
// the labels overlap; arrays are those of GenerateArrays, whose label 1 is every label but 0.
type Mixture struct {
	plan  federation.Plan
	seed  uint64
	means [][]float64 // by label and feature, in deviations
}

// mixtureStream separates the generator's random numbers from other uses of a seed.
const mixtureStream = 0x61747269756d2f6d // "atrium/m"

// separation is the distance of the means of two labels, in deviations: the best AUC for
// two labels is 0.87.
const separation = 1.6

// NewMixture fixes what the labels of a plan look like.
func NewMixture(plan federation.Plan, seed uint64) *Mixture {
	m := &Mixture{plan: plan, seed: seed}
	rng := rand.New(rand.NewPCG(seed, mixtureStream-1))
	for range max(plan.Model.Labels(), plan.Model.Several) {
		mean, norm := make([]float64, len(plan.Features)), 0.0
		for i := range mean {
			mean[i] = rng.NormFloat64()
			norm += mean[i] * mean[i]
		}
		m.means = append(m.means, mean)
		for i := range mean {
			mean[i] *= separation / math.Sqrt2 / math.Sqrt(norm)
		}
	}
	if len(m.means) == 2 && plan.Model.Several == 0 { // exactly opposite
		for i, v := range m.means[1] {
			m.means[0][i], m.means[1][i] = -v/math.Sqrt2, v/math.Sqrt2
		}
	}
	return m
}

// Table returns n records of hospital number index, in random order, with labels in these
// shares. shift moves its features, each by a normal number of so many deviations. part
// separates parts of one hospital.
func (m *Mixture) Table(index, part, n int, shares []float64, shift float64) *Table {
	site := rand.New(rand.NewPCG(m.seed, mixtureStream+uint64(2*index)))
	rng := rand.New(rand.NewPCG(m.seed+uint64(part)<<32+1, mixtureStream+uint64(2*index+1)))
	var labels []int
	for label, n := range apportion(shares, n) {
		for range n {
			labels = append(labels, label)
		}
	}
	rng.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
	if m.plan.Arrays() {
		return m.arrays(index, rng, labels)
	}
	moved := make([]float64, len(m.plan.Features))
	for i := range moved {
		moved[i] = shift * site.NormFloat64()
	}
	t := &Table{Cols: len(m.plan.Features), Labels: max(1, m.plan.Model.Several)}
	for _, f := range m.plan.Features {
		t.Features = append(t.Features, f.Name)
	}
	for _, label := range labels {
		outcome, mean := m.outcome(rng, label)
		for i, f := range m.plan.Features {
			z := mean[i] + moved[i] + rng.NormFloat64()
			t.X = append(t.X, clamp((f.Min+f.Max)/2+z*(f.Max-f.Min)/8, f.Min, f.Max))
		}
		t.addLabels(outcome, m.plan)
		t.Rows++
	}
	t.Quality.Rows = t.Rows
	return t
}

// commonness is how often another of several labels is there.
const commonness = 0.3

// outcome is the labels of a record whose first one is given, and the means of its features.
func (m *Mixture) outcome(rng *rand.Rand, first int) (labels, mean []float64) {
	labels = []float64{float64(first)}
	if m.plan.Model.Several == 0 {
		return labels, m.means[first]
	}
	mean = make([]float64, len(m.plan.Features))
	for k, means := range m.means {
		if k > 0 {
			labels = append(labels, chance(rng, commonness))
		}
		for i := range mean {
			mean[i] += 2 * labels[k] * means[i]
		}
	}
	return labels, mean
}

func (m *Mixture) arrays(index int, rng *rand.Rand, labels []int) *Table {
	site := rand.New(rand.NewPCG(m.seed, mixtureStream+uint64(2*index)))
	s := arraySite{shape: m.plan.Model.Shapes(m.plan.Inputs())[0], quantity: m.plan.Features[0],
		gain: 0.8 + 0.3*site.Float64(), noise: 0.04 + 0.03*site.Float64()}
	t := &Table{Features: []string{s.quantity.Name}, Cols: m.plan.Inputs(), Labels: max(1, m.plan.Model.Several), ByRecord: m.plan.Model.Input.Scaling == federation.ScaleRecord}
	for _, label := range labels {
		for _, v := range s.record(rng, label > 0) {
			t.X = append(t.X, float64(v))
		}
		outcome := []float64{float64(label)}
		for range t.Labels - 1 { // the others are there by chance, and show nowhere
			outcome = append(outcome, chance(rng, commonness))
		}
		t.addLabels(outcome, m.plan)
		t.Rows++
	}
	t.Quality.Rows = t.Rows
	return t
}
