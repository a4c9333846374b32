package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

var background = context.Background()

func TestMiniBatchesAgreeWithTheReference(t *testing.T) {
	const rows, inputs, batch, rate, seed = 11, 3, 4, 0.2, 99
	rng := rand.New(rand.NewPCG(7, 0))
	x, y := records(rng, rows, inputs)
	for _, c := range []struct {
		name  string
		local federation.Local
		steps int
	}{
		{"steps", federation.Local{LearningRate: rate, Steps: 8, Batch: batch}, 8},
		{"epochs", federation.Local{LearningRate: rate, Epochs: 3, Batch: batch}, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := mustNew(t, federation.Model{Kind: federation.Logistic}, inputs, batch)
			delta, loss, err := tr.Train(background, make([]float32, inputs+1), nil, x, y, rows, c.local, seed)
			if err != nil {
				t.Fatal(err)
			}
			w := make(reference, inputs+1)
			order := make([]int, rows)
			for i := range order {
				order[i] = i
			}
			shuffle := rand.New(rand.NewPCG(seed, orderStream))
			var sum, last float64
			for step := range c.steps {
				at := step % 3 * batch // 4, 4 and 3 records
				if at == 0 {
					shuffle.Shuffle(rows, func(i, j int) { order[i], order[j] = order[j], order[i] })
					sum = 0
				}
				var bx, by []float64
				for _, k := range order[at:min(at+batch, rows)] {
					bx = append(bx, widen(x[k*inputs:(k+1)*inputs])...)
					by = append(by, float64(y[k]))
				}
				last = w.loss(bx, by)
				sum += last * float64(len(by))
				w = w.steps(bx, by, 1, rate)
			}
			near(t, "parameter", widen(delta), w, 1e-5)
			want := last
			if c.local.Epochs > 0 {
				want = sum / rows
			}
			near(t, "loss", []float64{loss}, []float64{want}, 1e-5)
		})
	}
}

func TestTrainIsAFunctionOfItsArguments(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 0))
	for _, m := range models {
		x, y := records(rng, 20, 5)
		base := initial(m.model, 5, 1)
		local := federation.Local{LearningRate: 0.3, Epochs: 2, Batch: 6}
		first, _, err := mustNew(t, m.model, 5, 6).Train(background, base, nil, x, y, 20, local, 4)
		if err != nil {
			t.Fatal(err)
		}
		tr := mustNew(t, m.model, 5, 6)
		broken := append([]float32(nil), x...)
		broken[70] = float32(math.NaN())
		if _, _, err := tr.Train(background, base, nil, broken, y, 20, local, 4); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%s with NaN records: error %v, want %v", m.name, err, ErrNotFinite)
		}
		if _, err := tr.Score(base, x, 20); err != nil {
			t.Fatal(err)
		}
		again, _, err := tr.Train(background, base, nil, x, y, 20, local, 4)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("%s: %s", m.name, diff)
		}
		other, _, err := tr.Train(background, base, nil, x, y, 20, local, 5)
		if err != nil {
			t.Fatal(err)
		}
		if cmp.Equal(first, other) {
			t.Errorf("%s: another seed trains in the same order", m.name)
		}
		if diff := cmp.Diff(initial(m.model, 5, 1), base); diff != "" {
			t.Errorf("%s: base changed: %s", m.name, diff)
		}
	}
}

func TestScoreAgreesWithTheReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 0))
	x, _ := records(rng, 10, 3)
	w := []float32{0.5, -1, 2, 0.25}
	for _, graphRows := range []int{1, 4, 10, 64} {
		got, err := mustNew(t, federation.Model{Kind: federation.Logistic}, 3, graphRows).Score(w, x, 10)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "score", got, reference(widen(w)).scores(widen(x)), 1e-6)
	}
	big := []float32{1e30, 0, 0, 0}
	got, err := mustNew(t, federation.Model{Kind: federation.Logistic}, 3, 4).Score(big, []float32{1, 0, 0, -1, 0, 0}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{1, 0}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoRecordsAndOneClass(t *testing.T) {
	for _, m := range models {
		tr := mustNew(t, m.model, 2, 0)
		base := initial(m.model, 2, 1)
		delta, loss, err := tr.Train(background, base, nil, nil, nil, 0, federation.Local{LearningRate: 1, Steps: 3}, 1)
		if err != nil || loss != 0 {
			t.Errorf("%s, no records: loss %v, error %v", m.name, loss, err)
		}
		if diff := cmp.Diff(make([]float32, len(base)), delta); diff != "" {
			t.Errorf("%s, no records: %s", m.name, diff)
		}
		if scores, err := tr.Score(base, nil, 0); err != nil || len(scores) != 0 {
			t.Errorf("%s, no records: scores %v, error %v", m.name, scores, err)
		}
		x, ones := []float32{1, 2, -1, 0.5, 0, 1}, []float32{1, 1, 1}
		_, before, err := tr.Train(background, base, nil, x, ones, 3, federation.Local{LearningRate: 0.5, Steps: 1}, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, after, err := tr.Train(background, base, nil, x, ones, 3, federation.Local{LearningRate: 0.5, Steps: 500}, 1)
		if err != nil || !(after < before) {
			t.Errorf("%s, one class: loss %v after %v, error %v", m.name, after, before, err)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	good := federation.Local{LearningRate: 0.1, Steps: 2}
	cancelled, cancel := context.WithCancel(background)
	cancel()
	for _, c := range []struct {
		name       string
		ctx        context.Context
		base, x, y []float32
		rows       int
		local      federation.Local
		err        error
	}{
		{"parameters", background, []float32{0, 0}, []float32{1, 2}, []float32{1}, 1, good, ErrShape},
		{"records", background, []float32{0, 0, 0}, []float32{1}, []float32{1}, 1, good, ErrShape},
		{"labels", background, []float32{0, 0, 0}, []float32{1, 2}, nil, 1, good, ErrShape},
		{"negative rows", background, []float32{0, 0, 0}, nil, nil, -1, good, ErrShape},
		{"nan parameter", background, []float32{0, nan, 0}, []float32{1, 2}, []float32{1}, 1, good, ErrNotFinite},
		{"infinite parameter", background, []float32{0, 0, inf}, []float32{1, 2}, []float32{1}, 1, good, ErrNotFinite},
		{"nan record", background, []float32{0, 0, 0}, []float32{nan, 2}, []float32{1}, 1, good, ErrNotFinite},
		{"nan label", background, []float32{0, 0, 0}, []float32{1, 2}, []float32{nan}, 1, good, ErrNotFinite},
		{"divergence", background, []float32{0, 0, 0}, []float32{1e30, 1e30}, []float32{1}, 1, federation.Local{LearningRate: 1000, Steps: 3}, ErrNotFinite},
		{"context", cancelled, []float32{0, 0, 0}, []float32{1, 2}, []float32{1}, 1, good, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := mustNew(t, federation.Model{Kind: federation.Logistic}, 2, 4)
			delta, _, err := tr.Train(c.ctx, c.base, nil, c.x, c.y, c.rows, c.local, 1)
			if !errors.Is(err, c.err) || delta != nil {
				t.Errorf("delta %v, error %v, want %v", delta, err, c.err)
			}
		})
	}
}

func TestCorrectionOfAnotherLength(t *testing.T) {
	tr := mustNew(t, federation.Model{Kind: federation.Logistic}, 1, 4)
	if _, _, err := tr.Train(background, []float32{0, 0}, []float32{1}, []float32{1}, []float32{1}, 1, federation.Local{LearningRate: 1, Steps: 1}, 1); !errors.Is(err, ErrShape) {
		t.Errorf("error %v, want %v", err, ErrShape)
	}
}

func TestScoreRefuses(t *testing.T) {
	tr := mustNew(t, federation.Model{Kind: federation.Logistic}, 1, 4)
	nan := float32(math.NaN())
	for _, c := range []struct {
		params, x []float32
		err       error
	}{
		{[]float32{1}, []float32{1}, ErrShape},
		{[]float32{1, 0}, []float32{1, 2}, ErrShape},
		{[]float32{nan, 0}, []float32{1}, ErrNotFinite},
		{[]float32{1, 0}, []float32{nan}, ErrNotFinite},
	} {
		if _, err := tr.Score(c.params, c.x, 1); !errors.Is(err, c.err) {
			t.Errorf("parameters %v, records %v: error %v, want %v", c.params, c.x, err, c.err)
		}
	}
}

func TestClose(t *testing.T) {
	tr := mustNew(t, federation.Model{Kind: federation.Logistic}, 1, 4)
	for range 2 {
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tr.Score([]float32{1, 0}, []float32{1}, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want %v", err, ErrClosed)
	}
	if _, _, err := tr.Train(background, []float32{1, 0}, nil, []float32{1}, []float32{1}, 1, federation.Local{Steps: 1}, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want %v", err, ErrClosed)
	}
}

// Different Trainers share nothing: the race detector watches this one.
func TestTrainersSideBySide(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 0))
	x, y := records(rng, 16, 4)
	deltas := make([][]float32, 4)
	var wait sync.WaitGroup
	for i := range deltas {
		wait.Go(func() {
			tr, err := New(models[1].model, 4, 8)
			if err != nil {
				t.Error(err)
				return
			}
			defer tr.Close()
			deltas[i], _, err = tr.Train(background, initial(models[1].model, 4, 2), nil, x, y, 16, federation.Local{LearningRate: 0.1, Steps: 20, Batch: 5}, 3)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for i := range deltas {
		if diff := cmp.Diff(deltas[0], deltas[i]); diff != "" {
			t.Errorf("trainer %d: %s", i, diff)
		}
	}
}

// A daemon trains for weeks: what a round leaves behind must not add up.
func TestMemoryIsFlatOverRounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 0))
	for _, m := range models {
		x, y := records(rng, 50, 13)
		tr := mustNew(t, m.model, 13, 50)
		base := initial(m.model, 13, 1)
		rounds := func(n int) {
			for i := range n {
				if _, _, err := tr.Train(background, base, nil, x, y, 50, federation.Local{LearningRate: 0.1, Steps: 10}, uint64(i)); err != nil {
					t.Fatal(err)
				}
				if _, err := tr.Score(base, x, 50); err != nil {
					t.Fatal(err)
				}
			}
		}
		rounds(20)
		before := heap()
		rounds(200)
		if after := heap(); after > before+100<<10 {
			t.Errorf("%s: heap grew from %d to %d bytes in 200 rounds", m.name, before, after)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
