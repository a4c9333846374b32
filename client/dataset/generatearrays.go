package dataset

import (
	"bufio"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"atrium/coordinator/federation"
)

// Arrays are records of one shape with labels.
type Arrays struct {
	Shape  []int     // of a record
	Values []float32 // record after record
	Labels []uint8
}

// ArrayCohort is one generated hospital of a plan over arrays.
type ArrayCohort struct {
	Name        string
	Train, Test Arrays
}

// arrayStream separates the generator's random numbers from other uses of a seed.
const arrayStream = 0x61747269756d2f61 // "atrium/a"

// Sizes of a generated hospital.
const (
	arrayTrain = 160
	arrayTest  = 80
)

// GenerateArrays returns hospital number index (from 0) of a generated federation for a
// plan over arrays. Signals look like heartbeats, images like two lungs; what label 1
// adds, a wide beat or an opacity, varies in size and place. Hospitals differ in how
// often it is there, in gain and in noise. Values are within the plan's plausible range.
// The plan must be one over arrays; of its classes only 0 and 1 occur.
func GenerateArrays(plan federation.Plan, seed uint64, index int) ArrayCohort {
	rng := rand.New(rand.NewPCG(seed, arrayStream+uint64(index)))
	c := ArrayCohort{Name: cohortName(index)}
	s := arraySite{shape: plan.Model.Shapes(plan.Inputs())[0], quantity: plan.Features[0], prevalence: 0.2 + 0.6*float64(index%4)/3,
		gain: 0.8 + 0.3*rng.Float64(), noise: 0.04 + 0.03*rng.Float64()}
	c.Train = s.draw(rng, plan.Model.Input.Shape, arrayTrain)
	c.Test = s.draw(rng, plan.Model.Input.Shape, arrayTest)
	return c
}

// arraySite is what makes a hospital differ from the others.
type arraySite struct {
	shape      federation.Shape
	quantity   federation.Feature
	prevalence float64
	gain       float64
	noise      float64
}

func (s arraySite) draw(rng *rand.Rand, shape []int, n int) Arrays {
	a := Arrays{Shape: shape}
	for range n {
		label := uint8(chance(rng, s.prevalence))
		a.Values = append(a.Values, s.record(rng, label == 1)...)
		a.Labels = append(a.Labels, label)
	}
	return a
}

// record draws one, with what label 1 adds or without.
func (s arraySite) record(rng *rand.Rand, sick bool) []float32 {
	var out []float32
	for range s.shape.Channels {
		draw := s.image
		if s.shape.Height == 1 {
			draw = s.beat
		}
		for _, v := range draw(rng, sick) { // 0 to 1, but for noise
			v = clamp(v*s.gain+s.noise*normal(rng), 0, 1)
			out = append(out, float32(s.quantity.Min+v*(s.quantity.Max-s.quantity.Min)))
		}
	}
	return out
}

// beat has a narrow complex between two waves, or a wide one alone and an inverted wave;
// many are something between the two.
func (s arraySite) beat(rng *rand.Rand, wide bool) []float64 {
	n := float64(s.shape.Width)
	peak := func(t, at, width, height float64) float64 { return height * math.Exp(-(t-at)*(t-at)/(2*width*width)) }
	between := clamp(indicator(wide)+0.4*normal(rng), -0.3, 1.3)
	of := func(narrow, wide float64) float64 { return narrow + between*(wide-narrow) }
	at, width := 0.36+0.01*normal(rng), of(0.016, 0.036)+0.003*normal(rng)
	p, t := of(0.12, 0)+0.04*normal(rng), of(0.18, -0.2)+0.08*normal(rng)
	height := 0.35 + 0.1*rng.Float64()
	out := make([]float64, s.shape.Width)
	for i := range out {
		x := float64(i) / n
		out[i] = 0.4 + peak(x, at, max(width, 0.006), height) + peak(x, at-0.18, 0.03, p) + peak(x, at+0.3, 0.06, t)
	}
	return out
}

// image has two dark fields on grey, and in one of them an opacity, which may be faint in
// who is ill and a shadow in who is not.
func (s arraySite) image(rng *rand.Rand, opaque bool) []float64 {
	side := 0.29
	if rng.Float64() < 0.5 {
		side = 0.71
	}
	where, radius := 0.35+0.3*rng.Float64(), 0.07+0.05*rng.Float64()
	bright := 0.3 * clamp(0.1+0.8*indicator(opaque)+0.35*normal(rng), -0.2, 1.5)
	out := make([]float64, s.shape.Height*s.shape.Width)
	for i := range out {
		y, x := (float64(i/s.shape.Width)+0.5)/float64(s.shape.Height), (float64(i%s.shape.Width)+0.5)/float64(s.shape.Width)
		v := 0.65
		for _, centre := range []float64{0.29, 0.71} {
			v -= 0.4 * math.Exp(-((x-centre)*(x-centre)/0.02 + (y-0.5)*(y-0.5)/0.07))
		}
		v += bright * math.Exp(-((x-side)*(x-side)+(y-where)*(y-where))/(2*radius*radius))
		out[i] = v
	}
	return out
}

// WriteNPY writes NAME_train.npy and NAME_test.npy with their labels into dir, which must
// exist; files of these names are replaced.
func (c ArrayCohort) WriteNPY(dir, name string) error {
	return errors.Join(c.Train.WriteNPY(filepath.Join(dir, name+"_train")), c.Test.WriteNPY(filepath.Join(dir, name+"_test")))
}

// WriteNPY writes STEM.npy as <f4 and STEM.labels.npy as |u1.
func (a Arrays) WriteNPY(stem string) error {
	values := make([]byte, 0, 4*len(a.Values))
	for _, v := range a.Values {
		values = binary.LittleEndian.AppendUint32(values, math.Float32bits(v))
	}
	return errors.Join(writeNPY(stem+".npy", "<f4", append([]int{len(a.Labels)}, a.Shape...), values),
		writeNPY(stem+".labels.npy", "|u1", []int{len(a.Labels)}, a.Labels))
}

func writeNPY(path, kind string, shape []int, values []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	if err := writeNPYHeader(w, kind, shape); err != nil {
		return err
	}
	if _, err := w.Write(values); err != nil {
		return err
	}
	return w.Flush()
}
