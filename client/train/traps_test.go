package train

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"atrium/coordinator/federation"
)

// The log-loss of a logit far out is the logit itself and its slope 1: what goes through
// a probability first is infinite or lost there.
func TestLossFarOut(t *testing.T) {
	for _, m := range []federation.Model{{Kind: federation.Logistic}, listed(0, nil), listed(2, nil)} {
		base := make([]float32, m.ParameterCount(1))
		base[0] = -500
		if m.Classes > 0 { // weights of both classes, then biases
			base[1] = 500
			base[0] = 0
		}
		label := float32(1)
		if m.Classes > 0 {
			label = 0
		}
		delta, loss, err := mustNew(t, m, 1, 2).Train(background, base, nil, []float32{1}, []float32{label}, 1, federation.Local{LearningRate: 1, Steps: 1}, 1)
		if err != nil || math.Abs(loss-500) > 1e-3 || math.Abs(math.Abs(float64(delta[0]))-1) > 1e-5 {
			t.Errorf("%s with %d classes: loss %v, slopes %v, %v", m.Kind, m.Classes, loss, delta, err)
		}
	}
}

// The rows of a graph behind a short batch count nothing, whatever an earlier batch left
// in them.
func TestShortBatchesIgnoreWhatWasThere(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 0))
	x, y := records(rng, 7, 3)
	for _, m := range append(stockModels[:1:1], listedModel{"mlp", 3, models[1].model}) {
		base := initial(m.model, 3, 1)
		fresh, full := mustNew(t, m.model, 3, 5), mustNew(t, m.model, 3, 5)
		local := federation.Local{LearningRate: 0.5, Steps: 1}
		if _, _, err := full.Train(background, base, nil, x, y, 7, local, 1); err != nil {
			t.Fatal(err)
		}
		want, _, err := fresh.Train(background, base, nil, x[:6], y[:2], 2, local, 1)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := full.Train(background, base, nil, x[:6], y[:2], 2, local, 1)
		if err != nil {
			t.Fatal(err)
		}
		near(t, m.name, widen(got), widen(want), 0)
	}
}

// Dropout's mask has the rate that the plan says, keeps the mean, and no score draws it.
func TestDropoutMask(t *testing.T) {
	const size, rate = 20000, 0.3
	d := &dropout{size: size, rate: rate, keep: make([]float32, size)}
	in, out := make([]float32, size), make([]float32, size)
	for i := range in {
		in[i] = 1
	}
	d.forward(in, out, 1, rand.New(rand.NewPCG(52, 0)))
	var sum, zero float64
	for _, v := range out {
		sum += float64(v)
		if v == 0 {
			zero++
		}
	}
	// 4.4 deviations either way: a false alarm in 10⁵, were the seed drawn
	if bound := 4.4 * math.Sqrt(size*rate*(1-rate)); math.Abs(zero-size*rate) > bound || math.Abs(sum-size) > bound/(1-rate)+1 {
		t.Errorf("%v of %d left out, sum %v", zero, size, sum)
	}
	d.forward(in, out, 1, nil)
	for i, v := range out {
		if v != in[i] {
			t.Fatalf("scoring changes value %d to %v", i, v)
		}
	}
}

// A tape machine has a finalizer and is part of a cycle of pointers, which the collector then
// keeps for ever, with all that the graph holds: what a Trainer held is freed all the same.
func TestClosedTrainersAreCollected(t *testing.T) {
	const inputs, rows, many = 200, 1000, 12
	one := func() {
		tr, err := New(models[0].model, inputs, rows)
		if err != nil {
			t.Fatal(err)
		}
		x, y := make([]float32, rows*inputs), make([]float32, rows)
		if _, _, err := tr.Train(background, make([]float32, inputs+1), nil, x, y, rows, federation.Local{LearningRate: 1, Steps: 1}, 1); err != nil {
			t.Fatal(err)
		}
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
	}
	one()
	before := heap()
	for range many {
		one()
	}
	if grown, each := int64(heap())-int64(before), int64(4*rows*inputs); grown > many*each/4 {
		t.Errorf("%d closed trainers leave %d bytes, each had records of %d", many, grown, each)
	}
}

// Operations of gorgonia's that are wrong: the gradient of its dropout, which also draws
// from the clock; its cross-entropy far out; its solvers, which keep moments.
func TestNoOperationThatIsWrong(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	wrong := regexp.MustCompile(`\bG\.(Dropout|BinaryXent|New(Adam|Vanilla|Momentum|RMSProp|AdaGrad)\w*)\b`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := wrong.Find(text); found != nil {
			t.Errorf("%s uses %s", file, found)
		}
	}
}
