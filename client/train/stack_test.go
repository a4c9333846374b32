package train

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

// twin computes listed layers in float64 with plain loops over indices; draws are those
// of dropout, value by value, layer by layer.
type twin struct {
	model  federation.Model
	inputs int
	drop   func() float64 // nil: scoring

	positive [3]float64 // of several labels: what each counts where it is 1
}

// logits of all records: dropout draws for a whole batch, layer by layer.
func (w twin) logits(params []float64, x []float32) [][]float64 {
	shapes := w.model.Shapes(w.inputs)
	var h [][]float64
	for i := 0; i < len(x); i += w.inputs {
		h = append(h, widen(x[i:i+w.inputs]))
	}
	at := 0
	take := func(n int) []float64 {
		at += n
		return params[at-n : at]
	}
	for i, l := range append(append([]federation.Layer(nil), w.model.Layers...), federation.Layer{Kind: federation.Dense, Units: w.model.Outputs(), Activation: federation.Linear}) {
		s := shapes[i]
		var f func([]float64) []float64
		switch l.Kind {
		case federation.Dense:
			weight, bias := take(s.Size()*l.Units), take(l.Units)
			f = func(in []float64) []float64 { return naiveDense(in, weight, bias) }
		case federation.Conv:
			kh, kw := s.Kernel(l.Kernel)
			weight, bias := take(l.Filters*s.Channels*kh*kw), take(l.Filters)
			f = func(in []float64) []float64 { return naiveConv(s, in, kh, kw, weight, bias) }
		case federation.Pool:
			kh, kw := s.Kernel(l.Size)
			f = func(in []float64) []float64 { return naivePool(s, in, kh, kw) }
		case federation.GroupNorm:
			scale, shift := take(s.Channels), take(s.Channels)
			f = func(in []float64) []float64 { return naiveNorm(s, in, l.Groups, scale, shift) }
		case federation.Dropout:
			f = func(in []float64) []float64 {
				out := append([]float64(nil), in...)
				for j := range out {
					if w.drop != nil {
						out[j] /= 1 - l.Rate
						if w.drop() < l.Rate {
							out[j] = 0
						}
					}
				}
				return out
			}
		}
		for r := range h {
			h[r] = f(h[r])
			for j := range h[r] {
				if l.IsReLU() {
					h[r][j] = max(h[r][j], 0)
				}
			}
		}
	}
	return h
}

func naiveDense(in, weight, bias []float64) []float64 {
	out := append([]float64(nil), bias...)
	for i := range in {
		for o := range out {
			out[o] += in[i] * weight[i*len(out)+o]
		}
	}
	return out
}

func naiveConv(s federation.Shape, in []float64, kh, kw int, weight, bias []float64) []float64 {
	var out []float64
	for f := range bias {
		for y := range s.Height {
			for x := range s.Width {
				sum := bias[f]
				for c := range s.Channels {
					for i := range kh {
						for j := range kw {
							yy, xx := y+i-kh/2, x+j-kw/2
							if yy >= 0 && yy < s.Height && xx >= 0 && xx < s.Width {
								sum += weight[((f*s.Channels+c)*kh+i)*kw+j] * in[(c*s.Height+yy)*s.Width+xx]
							}
						}
					}
				}
				out = append(out, sum)
			}
		}
	}
	return out
}

func naivePool(s federation.Shape, in []float64, kh, kw int) []float64 {
	var out []float64
	for c := range s.Channels {
		for y := range s.Height / kh {
			for x := range s.Width / kw {
				most := math.Inf(-1)
				for i := range kh {
					for j := range kw {
						most = max(most, in[(c*s.Height+y*kh+i)*s.Width+x*kw+j])
					}
				}
				out = append(out, most)
			}
		}
	}
	return out
}

func naiveNorm(s federation.Shape, in []float64, groups int, scale, shift []float64) []float64 {
	out := make([]float64, len(in))
	area, size := s.Height*s.Width, s.Size()/groups
	for g := range groups {
		var mean, square float64
		for _, v := range in[g*size : (g+1)*size] {
			mean += v / float64(size)
		}
		for _, v := range in[g*size : (g+1)*size] {
			square += (v - mean) * (v - mean) / float64(size)
		}
		for j := g * size; j < (g+1)*size; j++ {
			out[j] = (in[j]-mean)/math.Sqrt(square+normEpsilon)*scale[j/area] + shift[j/area]
		}
	}
	return out
}

// loss is the mean log-loss, each by its definition.
func (w twin) loss(params []float64, x, y []float32) float64 {
	var sum float64
	for i, z := range w.logits(params, x) {
		if k := w.model.Several; k > 0 {
			for j, v := range z {
				p := 1 / (1 + math.Exp(-v))
				if y[i*k+j] == 1 {
					sum -= w.positive[j] * math.Log(p) / float64(k)
				} else {
					sum -= math.Log(1-p) / float64(k)
				}
			}
			continue
		}
		p := 1 / (1 + math.Exp(-z[0]))
		if y[i] == 0 {
			p = 1 - p
		}
		if w.model.Classes > 0 {
			total := 0.0
			for _, v := range z {
				total += math.Exp(v)
			}
			p = math.Exp(z[int(y[i])]) / total
		}
		sum -= math.Log(p)
	}
	return sum / float64(len(y)/w.model.Width())
}

func listed(classes int, shape []int, layers ...federation.Layer) federation.Model {
	m := federation.Model{Kind: federation.Layers, Layers: layers, Classes: classes, Input: federation.Input{Shape: shape}}
	if shape != nil {
		m.Input.Scaling = federation.ScaleTogether
	}
	if classes > 0 {
		m.Positive = 1
	}
	return m
}

type listedModel struct {
	name   string
	inputs int
	model  federation.Model
}

func listedModels() []listedModel {
	conv := func(filters, kernel int) federation.Layer {
		return federation.Layer{Kind: federation.Conv, Filters: filters, Kernel: kernel}
	}
	bare := conv(4, 3)
	bare.Activation = federation.Linear
	pool := federation.Layer{Kind: federation.Pool, Size: 2}
	norm := federation.Layer{Kind: federation.GroupNorm, Groups: 2, Activation: federation.ReLU}
	units := federation.Layer{Kind: federation.Dense, Units: 4}
	drop := federation.Layer{Kind: federation.Dropout, Rate: 0.4}
	return []listedModel{
		{"logistic", 5, listed(0, nil)},
		{"softmax", 5, listed(3, nil)},
		{"labels", 5, several(listed(0, nil))},
		{"cnn2d labels", 63, several(listed(0, []int{9, 7}, bare, pool, drop, units))},
		{"mlp", 5, listed(0, nil, units, federation.Layer{Kind: federation.GroupNorm, Groups: 2}, drop, units, drop)},
		{"cnn1d", 13, listed(0, []int{13}, conv(3, 5), pool, bare, norm, units)},
		{"cnn2d", 63, listed(4, []int{9, 7}, bare, norm, pool, conv(2, 3), drop, units)},
		{"channels", 60, listed(0, []int{3, 4, 5}, conv(2, 3), conv(3, 1), pool)},
	}
}

func several(m federation.Model) federation.Model {
	m.Several = 3
	return m
}

func listedRecords(rng *rand.Rand, m listedModel, rows int) (x, y []float32) {
	x, y = records(rng, rows, m.inputs)
	y = make([]float32, rows*m.model.Width())
	for i := range y {
		y[i] = float32(rng.IntN(m.model.Labels()))
	}
	return x, y
}

func listedStart(rng *rand.Rand, m listedModel) []float32 {
	base := initial(m.model, m.inputs, 11)
	for i := range base {
		base[i] += float32(0.3 * rng.NormFloat64())
	}
	return base
}

// One step at rate 1 moves by minus the gradient of the twin, also in pieces, and the
// scores are the twin's.
func TestListedLayersAgreeWithFiniteDifferences(t *testing.T) {
	const rows, h, seed = 5, 1e-6, 3
	for _, m := range listedModels() {
		rng := rand.New(rand.NewPCG(31, 0))
		local, k := federation.Local{LearningRate: 1, Steps: 1}, m.model.Width()
		positive := [3]float64{1, 1, 1}
		if m.name == "cnn2d labels" {
			positive = [3]float64{0.5, 3, 1.25}
			local.ClassWeights = positive[:]
		}
		x, y := listedRecords(rng, m, rows)
		base := listedStart(rng, m)
		wide := widen(base)
		for _, capacity := range []int{2, 9} {
			pieces := capacity
			tr := mustNew(t, m.model, m.inputs, capacity)
			delta, loss, err := tr.Train(background, base, nil, x, y, rows, local, seed)
			if err != nil {
				t.Fatal(err)
			}
			at := func(params []float64) float64 { // dropout draws piece by piece
				w := twin{m.model, m.inputs, rand.New(rand.NewPCG(seed, dropStream)).Float64, positive}
				var sum float64
				for from := 0; from < rows; from += pieces {
					to := min(from+pieces, rows)
					sum += w.loss(params, x[from*m.inputs:to*m.inputs], y[from*k:to*k]) * float64(to-from)
				}
				return sum / rows
			}
			near(t, m.name+" loss", []float64{loss}, []float64{at(wide)}, 1e-5)
			for j := range wide {
				up, down := append([]float64(nil), wide...), append([]float64(nil), wide...)
				up[j] += h
				down[j] -= h
				slope := (at(up) - at(down)) / (2 * h)
				if math.Abs(-float64(delta[j])-slope) > 2e-5*(1+math.Abs(slope)) {
					t.Errorf("%s, %d a piece, parameter %d: gradient %v, want %v", m.name, capacity, j, -delta[j], slope)
				}
			}
			scores, err := tr.Score(base, x, rows)
			if err != nil {
				t.Fatal(err)
			}
			if len(scores) != rows*k {
				t.Fatalf("%s: %d scores of %d records", m.name, len(scores), rows)
			}
			for i, z := range (twin{model: m.model, inputs: m.inputs}).logits(wide, x) {
				if m.model.Several > 0 {
					for j, v := range z {
						near(t, m.name+" score", []float64{scores[i*k+j]}, []float64{1 / (1 + math.Exp(-v))}, 1e-5)
					}
					continue
				}
				want := 1 / (1 + math.Exp(-z[0]))
				if m.model.Classes > 0 {
					sum := 0.0
					for _, v := range z {
						sum += math.Exp(v)
					}
					want = math.Exp(z[1]) / sum
				}
				near(t, m.name+" score", []float64{scores[i]}, []float64{want}, 1e-5)
			}
		}
	}
}

// The same arguments give the same bytes, whatever was called before; another seed drops
// others; memory does not grow.
func TestListedLayersKeepNothing(t *testing.T) {
	const rows = 12
	for _, m := range listedModels() {
		rng := rand.New(rand.NewPCG(32, 0))
		x, y := listedRecords(rng, m, rows)
		base := listedStart(rng, m)
		local := federation.Local{LearningRate: 0.1, Epochs: 2, Batch: 5}
		tr := mustNew(t, m.model, m.inputs, 5)
		first, _, err := tr.Train(background, base, nil, x, y, rows, local, 4)
		if err != nil {
			t.Fatal(err)
		}
		broken := append([]float32(nil), x...)
		broken[len(broken)-1] = float32(math.NaN())
		if _, _, err := tr.Train(background, base, nil, broken, y, rows, local, 4); err == nil {
			t.Errorf("%s: a record with NaN is trained on", m.name)
		}
		rounds := func(n int) {
			for range n {
				if _, err := tr.Score(base, x, rows); err != nil {
					t.Fatal(err)
				}
				again, _, err := tr.Train(background, base, nil, x, y, rows, local, 4)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(first, again); diff != "" {
					t.Fatalf("%s: %s", m.name, diff)
				}
			}
		}
		rounds(20)
		before := heap()
		rounds(200)
		if after := heap(); after > before+100<<10 {
			t.Errorf("%s: heap grew from %d to %d bytes in 200 rounds", m.name, before, after)
		}
		other, _, err := tr.Train(background, base, nil, x, y, rows, local, 5)
		if err != nil || cmp.Equal(first, other) {
			t.Errorf("%s: another seed trains alike, %v", m.name, err)
		}
	}
}

// Labels beyond the classes are refused, not taken for one.
func TestListedLayersRefuseOtherLabels(t *testing.T) {
	m := listed(3, nil)
	tr := mustNew(t, m, 2, 4)
	for _, label := range []float32{3, -1, 0.5, float32(math.NaN())} {
		if _, _, err := tr.Train(background, make([]float32, 9), nil, []float32{1, 2}, []float32{label}, 1, federation.Local{LearningRate: 1, Steps: 1}, 1); err == nil {
			t.Errorf("label %v is trained on", label)
		}
		if label != 3 {
			continue
		}
		tr := mustNew(t, several(listed(0, nil)), 2, 4)
		if _, _, err := tr.Train(background, make([]float32, 9), nil, []float32{1, 2}, []float32{0, 1, label}, 1, federation.Local{LearningRate: 1, Steps: 1}, 1); !errors.Is(err, ErrShape) {
			t.Errorf("label %v of several: %v", label, err)
		}
		if _, _, err := tr.Train(background, make([]float32, 9), nil, []float32{1, 2}, []float32{0}, 1, federation.Local{LearningRate: 1, Steps: 1}, 1); !errors.Is(err, ErrShape) {
			t.Errorf("one label of three: %v", err)
		}
	}
}

// TestEarlyStopOfSeveralLabels: the loss on records held back counts every label.
func TestEarlyStopOfSeveralLabels(t *testing.T) {
	m := listedModel{"labels", 4, several(listed(0, nil))}
	rng := rand.New(rand.NewPCG(33, 0))
	x, y := listedRecords(rng, m, 20)
	local := federation.Local{LearningRate: 0.3, Epochs: 60, EarlyStop: federation.EarlyStop{Share: 0.3, Patience: 2}}
	base := make([]float32, m.model.ParameterCount(4))
	r := &round{inputs: 4, x: x, y: y, rows: 20, local: local, head: headOf(m.model)}
	order, watch := r.holdBack()
	pick := func(list []int) (px, py []float32) {
		for _, k := range list {
			px, py = append(px, x[k*4:(k+1)*4]...), append(py, y[k*3:(k+1)*3]...)
		}
		return px, py
	}
	tx, ty := pick(order)
	hx, hy := pick(watch.held)
	w := twin{model: m.model, inputs: 4, positive: [3]float64{1, 1, 1}}
	params, best, least, waited := base, base, math.Inf(1), 0
	tr := mustNew(t, m.model, 4, 7)
	for epoch := 0; epoch < local.Epochs && waited < 2; epoch++ {
		delta, _, err := tr.Train(background, params, nil, tx, ty, len(order), federation.Local{LearningRate: 0.3, Steps: 1}, 1)
		if err != nil {
			t.Fatal(err)
		}
		params = append([]float32(nil), params...)
		for i, d := range delta {
			params[i] += d
		}
		waited++
		if loss := w.loss(widen(params), hx, hy); loss < least {
			best, least, waited = params, loss, 0
		}
	}
	if waited < 2 {
		t.Fatal("the twin never stops: choose other records")
	}
	got, _, err := tr.Train(background, base, nil, x, y, 20, local, 1)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "parameter", widen(got), widen(best), 1e-5)
}
