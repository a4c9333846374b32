package simulate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Hospital is one that was drawn from a class.
type Hospital struct {
	Name  string // class and number
	Class int    // in Profiles.Classes
	Rows  int    // records, with those held back
	Speed float64
	seed  uint64
	index int
}

// Streams of random numbers of one hospital, so that one does not depend on how many
// another took.
const (
	streamDraw = iota
	streamLabels
	streamOutages
	streamDrops
	streamStart
	streams
)

// stream returns numbers of a seed for one purpose of one hospital.
func (h Hospital) stream(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(h.seed, 0x61747269756d2f73+uint64(h.index)*streams+purpose)) // "atrium/s"
}

// Draw draws n hospitals; the same seed gives the same ones.
func Draw(p Profiles, n int, seed uint64) []Hospital {
	var list []Hospital
	for class, count := range counts(p.Classes, n) {
		for i := range count {
			h := Hospital{Name: fmt.Sprintf("%s-%d", p.Classes[class].Name, i+1), Class: class, seed: seed, index: len(list)}
			rng := h.stream(streamDraw)
			h.Rows = int(math.Round(p.Classes[class].Rows.draw(rng)))
			h.Speed = p.Classes[class].Speed.draw(rng)
			h.Rows = max(1, min(h.Rows, maxRows))
			list = append(list, h)
		}
	}
	return list
}

func (d Drawn) draw(rng *rand.Rand) float64 { return d.Median * math.Exp(d.Spread*rng.NormFloat64()) }

// counts shares n among the classes, by largest remainder.
func counts(classes []Class, n int) []int {
	total := 0.0
	for _, c := range classes {
		total += c.Share
	}
	out, order, left := make([]int, len(classes)), make([]int, len(classes)), n
	remainder := make([]float64, len(classes))
	for i, c := range classes {
		exact := c.Share / total * float64(n)
		out[i], order[i] = int(exact), i
		remainder[i] = exact - float64(out[i])
		left -= out[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainder[b], remainder[a]) })
	for _, i := range order[:left] {
		out[i]++
	}
	return out
}

// Labels returns the shares of labels at a hospital, drawn around everyone's, which add up
// to 1 and are above 0.
func (h Hospital) Labels(c Class, all []float64) []float64 {
	concentration := c.Skew.concentration()
	if math.IsInf(concentration, 1) {
		return slices.Clone(all)
	}
	rng, out, sum := h.stream(streamLabels), make([]float64, len(all)), 0.0
	for i, share := range all {
		out[i] = max(gamma(rng, concentration*float64(len(all))*share), 1e-12)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// gamma draws from the Gamma distribution of scale 1: Marsaglia and Tsang, "A Simple Method
// for Generating Gamma Variables" (2000).
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(rng.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// calendar is when the hospital is there, from the start hour on.
func (h Hospital) calendar(p Profiles) *calendar {
	c := p.Classes[h.Class]
	out := &calendar{Availability: c.Available, begin: hours(p.StartHour), odd: h.index%2 == 1}
	if n := c.Available.OutagesPerWeek; n > 0 {
		out.outages = failures{rng: h.stream(streamOutages), gap: time.Duration(float64(7*day) / n), length: hours(c.Available.OutageHours)}
	}
	if n := c.Link.DropsPerDay; n > 0 {
		out.drops = failures{rng: h.stream(streamDrops), gap: time.Duration(float64(day) / n), length: hours(c.Link.DropMinutes / 60)}
	}
	return out
}
