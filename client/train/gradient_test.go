package train

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"atrium/coordinator/federation"
)

// networkLoss is the naive twin of the graph: the mean log-loss of a dense network
// with ReLU, in float64, plus μ/2·|params − base|².
func networkLoss(model federation.Model, inputs int, params, base []float64, x, y []float32, mu float64) float64 {
	var loss float64
	for i, label := range y {
		h := make([]float64, inputs)
		for j := range h {
			h[j] = float64(x[i*inputs+j])
		}
		at := 0
		ls := layers(model, inputs)
		for k, l := range ls {
			next := make([]float64, l.out)
			for o := range next {
				next[o] = params[at+l.in*l.out+o]
				for j := range h {
					next[o] += h[j] * params[at+j*l.out+o]
				}
				if k < len(ls)-1 {
					next[o] = max(next[o], 0)
				}
			}
			at += l.in*l.out + l.out
			h = next
		}
		loss += max(h[0], 0) + math.Log1p(math.Exp(-math.Abs(h[0]))) - float64(label)*h[0]
	}
	loss /= float64(len(y))
	for j := range params {
		loss += mu / 2 * (params[j] - base[j]) * (params[j] - base[j])
	}
	return loss
}

func records(rng *rand.Rand, rows, inputs int) (x, y []float32) {
	for range rows {
		for range inputs {
			x = append(x, float32(rng.NormFloat64()))
		}
		y = append(y, float32(rng.IntN(2)))
	}
	return x, y
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

var models = []struct {
	name  string
	model federation.Model
}{
	{"logistic", federation.Model{Kind: federation.Logistic}},
	{"mlp", federation.Model{Kind: federation.MLP, Hidden: []int{6, 3}}},
}

// One step at rate 1 moves by minus the gradient, whatever the graph's size: rows 9
// pad, rows 7 fit, rows 3 run in pieces.
func TestGradientsAgreeWithFiniteDifferences(t *testing.T) {
	const rows, inputs, h = 7, 4, 1e-6
	for _, m := range models {
		for _, graphRows := range []int{1, 3, 7, 9} {
			rng := rand.New(rand.NewPCG(5, uint64(graphRows)))
			x, y := records(rng, rows, inputs)
			base := initial(m.model, inputs, 11)
			for i := range base {
				base[i] += float32(0.1 * rng.NormFloat64())
			}
			tr := mustNew(t, m.model, inputs, graphRows)
			delta, loss, err := tr.Train(context.Background(), base, nil, x, y, rows, federation.Local{LearningRate: 1, Steps: 1}, 1)
			if err != nil {
				t.Fatal(err)
			}
			wide := widen(base)
			if want := networkLoss(m.model, inputs, wide, wide, x, y, 0); math.Abs(loss-want) > 1e-6 {
				t.Errorf("%s, graph of %d: loss %v, want %v", m.name, graphRows, loss, want)
			}
			for j := range wide {
				up, down := append([]float64(nil), wide...), append([]float64(nil), wide...)
				up[j] += h
				down[j] -= h
				slope := (networkLoss(m.model, inputs, up, wide, x, y, 0) - networkLoss(m.model, inputs, down, wide, x, y, 0)) / (2 * h)
				if math.Abs(-float64(delta[j])-slope) > 1e-5 {
					t.Errorf("%s, graph of %d, parameter %d: gradient %v, want %v", m.name, graphRows, j, -delta[j], slope)
				}
			}
		}
	}
}

// The proximal term is 0 in the first step and pulls towards base afterwards.
func TestProximalTerm(t *testing.T) {
	const rows, inputs, rate, mu = 12, 3, 0.5, 0.8
	rng := rand.New(rand.NewPCG(6, 0))
	x, y := records(rng, rows, inputs)
	model := federation.Model{Kind: federation.Logistic}
	base := []float32{0.3, -0.2, 0.1, 0.4}
	tr := mustNew(t, model, inputs, rows)
	delta, _, err := tr.Train(context.Background(), base, nil, x, y, rows, federation.Local{LearningRate: rate, Steps: 4, ProxMu: mu}, 1)
	if err != nil {
		t.Fatal(err)
	}
	start := reference(widen(base))
	w := start
	for range 4 {
		next := w.steps(widen(x), widen(y), 1, rate)
		for j := range next {
			next[j] -= rate * mu * (w[j] - start[j])
		}
		w = next
	}
	for j := range w {
		if got, want := float64(delta[j]), w[j]-start[j]; math.Abs(got-want) > 1e-5 {
			t.Errorf("parameter %d moved %v, want %v", j, got, want)
		}
	}
}

// A correction is added to the gradient of every step.
func TestCorrection(t *testing.T) {
	const rows, inputs, rate = 12, 3, 0.5
	rng := rand.New(rand.NewPCG(7, 0))
	x, y := records(rng, rows, inputs)
	base, correction := []float32{0.3, -0.2, 0.1, 0.4}, []float32{0.5, -0.25, 0, 1}
	tr := mustNew(t, federation.Model{Kind: federation.Logistic}, inputs, rows)
	delta, _, err := tr.Train(context.Background(), base, correction, x, y, rows, federation.Local{LearningRate: rate, Steps: 4}, 1)
	if err != nil {
		t.Fatal(err)
	}
	start := reference(widen(base))
	w := start
	for range 4 {
		w = w.steps(widen(x), widen(y), 1, rate)
		for j := range w {
			w[j] -= rate * float64(correction[j])
		}
	}
	for j := range w {
		if got, want := float64(delta[j]), w[j]-start[j]; math.Abs(got-want) > 1e-5 {
			t.Errorf("parameter %d moved %v, want %v", j, got, want)
		}
	}
}

func mustNew(t testing.TB, model federation.Model, inputs, rows int) Trainer {
	t.Helper()
	tr, err := New(model, inputs, rows)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}
