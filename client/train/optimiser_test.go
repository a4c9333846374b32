package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

// naive takes the steps of an optimiser in float64, as its paper writes them.
func naive(l federation.Local, w reference, steps int, gradient func(w reference) []float64) reference {
	w = append(reference(nil), w...)
	m, v := make([]float64, len(w)), make([]float64, len(w))
	for t := 1; t <= steps; t++ {
		for j, g := range gradient(w) {
			switch l.Optimiser {
			case federation.SGD:
				m[j] = l.Momentum*m[j] + g
				w[j] -= l.LearningRate * m[j]
			default:
				m[j] = l.Beta1*m[j] + (1-l.Beta1)*g
				v[j] = l.Beta2*v[j] + (1-l.Beta2)*g*g
				mean, square := m[j]/(1-math.Pow(l.Beta1, float64(t))), v[j]/(1-math.Pow(l.Beta2, float64(t)))
				w[j] -= l.LearningRate * (mean/(math.Sqrt(square)+l.Epsilon) + l.WeightDecay*w[j])
			}
		}
	}
	return w
}

var optimisers = []struct {
	name  string
	local federation.Local
}{
	{"momentum", federation.Local{Optimiser: federation.SGD, Momentum: 0.7, LearningRate: 0.3}},
	{"adam", federation.Local{Optimiser: federation.Adam, Beta1: 0.8, Beta2: 0.9, Epsilon: 1e-3, LearningRate: 0.2}},
	{"adamw", federation.Local{Optimiser: federation.AdamW, Beta1: 0.8, Beta2: 0.9, Epsilon: 1e-3, WeightDecay: 0.3, LearningRate: 0.2}},
}

// Seven steps on all records, with proximal term and correction in the gradient, and
// again: the second round must start a fresh optimiser.
func TestOptimisersAgreeWithTheirPapers(t *testing.T) {
	const rows, inputs, steps = 12, 3, 7
	rng := rand.New(rand.NewPCG(21, 0))
	x, y := records(rng, rows, inputs)
	base, correction := []float32{0.3, -0.2, 0.1, 0.4}, []float32{0.5, -0.25, 0, 0.125}
	start := reference(widen(base))
	for _, o := range optimisers {
		for _, mu := range []float64{0, 0.4} {
			local := o.local
			local.Steps, local.ProxMu = steps, mu
			tr := mustNew(t, federation.Model{Kind: federation.Logistic}, inputs, rows)
			want := naive(local, start, steps, func(w reference) []float64 {
				after := w.steps(widen(x), widen(y), 1, 1)
				g := make([]float64, len(w))
				for j := range g {
					g[j] = w[j] - after[j] + float64(correction[j]) + mu*(w[j]-start[j])
				}
				return g
			})
			for range 2 {
				delta, _, err := tr.Train(background, base, correction, x, y, rows, local, 1)
				if err != nil {
					t.Fatal(err)
				}
				for j := range want {
					if got := float64(delta[j]) + start[j]; math.Abs(got-want[j]) > 2e-5 {
						t.Errorf("%s, μ %v, parameter %d: %v, want %v", o.name, mu, j, got, want[j])
					}
				}
			}
		}
	}
}

// A weight times a record's loss is the record counted that often.
func TestClassWeights(t *testing.T) {
	const rows, inputs = 9, 3
	rng := rand.New(rand.NewPCG(22, 0))
	x, y := records(rng, rows, inputs)
	var twiceX, twiceY []float32
	for i, label := range y {
		for range 1 + 2*int(label) {
			twiceX, twiceY = append(twiceX, x[i*inputs:(i+1)*inputs]...), append(twiceY, label)
		}
	}
	for _, m := range models {
		base := initial(m.model, inputs, 3)
		local := federation.Local{LearningRate: 0.2, Steps: 1, ClassWeights: []float64{1, 3}}
		got, loss, err := mustNew(t, m.model, inputs, rows).Train(background, base, nil, x, y, rows, local, 1)
		if err != nil {
			t.Fatal(err)
		}
		n := len(twiceY)
		want, wantLoss, err := mustNew(t, m.model, inputs, n).Train(background, base, nil, twiceX, twiceY, n, federation.Local{LearningRate: 0.2 * float64(n) / rows, Steps: 1}, 1)
		if err != nil {
			t.Fatal(err)
		}
		near(t, m.name, widen(got), widen(want), 1e-5)
		near(t, "loss", []float64{loss}, []float64{wantLoss * float64(n) / rows}, 1e-5)
	}
	tr := mustNew(t, models[0].model, 1, 4)
	if _, _, err := tr.Train(background, []float32{0, 0}, nil, []float32{1}, []float32{2}, 1, federation.Local{LearningRate: 1, Steps: 1, ClassWeights: []float64{1, 1}}, 1); err == nil {
		t.Error("a label without a class weight is accepted")
	}
}

// Labels are noise: the loss on records held back rises after a while, and what is
// returned is the epoch before it did, as a twin that trains epoch by epoch finds it.
func TestEarlyStop(t *testing.T) {
	const rows, inputs, rate = 24, 6, 0.1
	rng := rand.New(rand.NewPCG(26, 0))
	x, y := records(rng, rows, inputs)
	local := federation.Local{LearningRate: rate, Epochs: 200, EarlyStop: federation.EarlyStop{Share: 0.25, Patience: 3}}
	r := &round{inputs: inputs, x: x, y: y, rows: rows, local: local}
	order, watch := r.holdBack()
	if len(watch.held) != 6 || len(order) != 18 {
		t.Fatalf("%d held back of %d", len(watch.held), rows)
	}
	pick := func(list []int) (px, py []float64) {
		for _, k := range list {
			px, py = append(px, widen(x[k*inputs:(k+1)*inputs])...), append(py, float64(y[k]))
		}
		return px, py
	}
	tx, ty := pick(order)
	hx, hy := pick(watch.held)
	w, best, least, at := make(reference, inputs+1), reference(nil), math.Inf(1), 0
	epochs := 0
	for epochs < local.Epochs && epochs-at < local.EarlyStop.Patience {
		w = w.steps(tx, ty, 1, rate)
		epochs++
		if loss := w.loss(hx, hy); loss < least {
			best, least, at = w, loss, epochs
		}
	}
	if epochs == local.Epochs || at < 2 {
		t.Fatalf("the twin stops after %d epochs, best %d: choose other records", epochs, at)
	}
	for _, capacity := range []int{4, 64} {
		delta, loss, err := mustNew(t, models[0].model, inputs, capacity).Train(background, make([]float32, inputs+1), nil, x, y, rows, local, 9)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "parameter", widen(delta), best, 1e-5)
		before := make(reference, inputs+1).steps(tx, ty, at-1, rate)
		near(t, "loss", []float64{loss}, []float64{before.loss(tx, ty)}, 1e-5)
	}
}

// Every optimiser leaves nothing behind: the same arguments give the same bytes.
func TestOptimisersKeepNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(24, 0))
	x, y := records(rng, 20, 4)
	for _, o := range optimisers {
		local := o.local
		local.Epochs, local.Batch, local.EarlyStop = 4, 6, federation.EarlyStop{Share: 0.2, Patience: 1}
		tr := mustNew(t, models[1].model, 4, 6)
		base := initial(models[1].model, 4, 1)
		first, _, err := tr.Train(background, base, nil, x, y, 20, local, 4)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := tr.Train(background, base, nil, x, y, 20, local, 4)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("%s: %s", o.name, diff)
		}
	}
}

// TestTrainedTensors: with every optimiser what is not trained does not change by a bit,
// and what is trained changes as when all is.
func TestTrainedTensors(t *testing.T) {
	const rows, inputs = 12, 3
	rng := rand.New(rand.NewPCG(22, 0))
	x, y := records(rng, rows, inputs)
	layer := federation.Layer{Kind: federation.Dense, Units: 2}
	for _, model := range []federation.Model{{Kind: federation.MLP, Hidden: []int{2}}, {Kind: federation.Layers, Layers: []federation.Layer{layer}}} {
		base := initial(model, inputs, 5)
		for _, o := range append(optimisers[:len(optimisers):len(optimisers)], struct {
			name  string
			local federation.Local
		}{"sgd", federation.Local{Optimiser: federation.SGD, LearningRate: 0.3}}) {
			local := o.local
			local.Steps, local.ProxMu = 1, 0.1
			tr := mustNew(t, model, inputs, rows)
			all, _, err := tr.Train(t.Context(), base, nil, x, y, rows, local, 1)
			if err != nil {
				t.Fatal(err)
			}
			local.Trained = []string{"layer1.bias", "layer2.weight"} // 6 to 8 and 8 to 10 of 11
			part, _, err := tr.Train(t.Context(), base, nil, x, y, rows, local, 1)
			if err != nil {
				t.Fatal(err)
			}
			want := append(append(make([]float32, 6), all[6:10]...), 0)
			if diff := cmp.Diff(want, part); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", model.Kind, o.name, diff)
			}
			if all[0] == 0 || all[10] == 0 || all[6] == 0 && all[7] == 0 {
				t.Errorf("%s, %s: nothing would have changed: %v", model.Kind, o.name, all)
			}
		}
	}
}
