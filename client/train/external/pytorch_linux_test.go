package external

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"atrium/client/train"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// TestPyTorchAgrees: the example's network, in PyTorch, takes the steps of the built-in one,
// with each optimiser, class weights, proximal term and correction.
func TestPyTorchAgrees(t *testing.T) {
	if os.Getenv("SLOW_TESTS") == "" {
		t.Skip("needs PyTorch: set SLOW_TESTS=1")
	}
	path, err := filepath.Abs("example/trainer.py")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("example/ecg.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := planfile.ParsePlan("ecg.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	tr := open(t, Config{Program: Program{Path: path, SHA256: federation.Sum(program)}, Plan: p, Dir: filepath.Join(t.TempDir(), "work"),
		Stderr: func(line string) { t.Log(line) }}) // without python3-torch it says so
	layer := func(kind string, n, kernel int) federation.Layer {
		switch kind {
		case federation.Conv:
			return federation.Layer{Kind: kind, Filters: n, Kernel: kernel}
		case federation.Pool:
			return federation.Layer{Kind: kind, Size: n}
		}
		return federation.Layer{Kind: kind, Units: n}
	}
	model := federation.Model{Kind: federation.Layers, Input: p.Model.Input, Layers: []federation.Layer{
		layer(federation.Conv, 8, 7), layer(federation.Pool, 2, 0), layer(federation.Conv, 16, 5), layer(federation.Pool, 2, 0), layer(federation.Dense, 32, 0)}}
	const rows = 24
	own, err := train.New(model, p.Inputs(), rows)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	rng := rand.New(rand.NewPCG(8, 8))
	normal := func(n int, scale float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(scale * rng.NormFloat64())
		}
		return v
	}
	base, correction, x := normal(p.ParameterCount(), 0.1), normal(p.ParameterCount(), 0.01), normal(rows*p.Inputs(), 1)
	y := make([]float32, rows)
	for i := range y {
		y[i] = float32(rng.IntN(2))
	}
	for _, local := range []federation.Local{
		{Optimiser: federation.SGD, LearningRate: 0.05, Momentum: 0.5, Steps: 3, ProxMu: 0.3, ClassWeights: []float64{0.5, 2}},
		{Optimiser: federation.Adam, LearningRate: 0.01, Beta1: 0.8, Beta2: 0.9, Epsilon: 1e-3, Epochs: 3},
		{Optimiser: federation.AdamW, LearningRate: 0.01, Beta1: 0.8, Beta2: 0.9, Epsilon: 1e-3, WeightDecay: 0.5, Epochs: 2},
	} {
		got, loss, err := tr.Train(t.Context(), base, correction, x, y, rows, local, 1)
		if err != nil {
			t.Fatal(err)
		}
		want, wantLoss, err := own.Train(t.Context(), base, correction, x, y, rows, local, 1)
		if err != nil {
			t.Fatal(err)
		}
		var worst, size float64
		for i := range want {
			worst, size = max(worst, math.Abs(float64(got[i]-want[i]))), max(size, math.Abs(float64(want[i])))
		}
		if worst > 1e-4*size+1e-6 || math.Abs(loss-wantLoss) > 1e-4 {
			t.Errorf("%s: changes of up to %v differ by %v; loss %v, want %v", local.Optimiser, size, worst, loss, wantLoss)
		}
	}
	got, err := tr.Score(base, x, rows)
	if err != nil {
		t.Fatal(err)
	}
	want, err := own.Score(base, x, rows)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-5 {
			t.Errorf("score %d: %v, want %v", i, got[i], want[i])
		}
	}
}
