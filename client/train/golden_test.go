package train

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

var hospitals = []string{"cleveland", "hungarian", "switzerland", "va"}

// golden is golden_flamby_split.json, what this test needs of it.
type golden struct {
	Features []string       `json:"features"`
	NTrain   map[string]int `json:"n_train"`
	Mean     []float64      `json:"global_mean"`
	SD       []float64      `json:"global_sd_ddof1"`
	FedSGD   result         `json:"fedsgd_300rounds_lr0.5"`
	FedAvg   result         `json:"fedavg_100rounds_10fullbatch_steps_lr0.1"`
}

type result struct {
	Weights []float64          `json:"weights13_then_bias"`
	Loss    float64            `json:"train_logloss"`
	AUC     map[string]float64 `json:"test_auc"`
	Acc     map[string]float64 `json:"test_acc"`
}

// part is one hospital's normalised records, row-major.
type part struct{ x, y []float64 }

func (p part) float32() (x, y []float32) { return narrow(p.x), narrow(p.y) }

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i := range v {
		out[i] = float32(v[i])
	}
	return out
}

// heart is the real data; ok is false when it is not on this machine.
func heart(t *testing.T) (g golden, train, test map[string]part, ok bool) {
	t.Helper()
	dir := filepath.Join(root(t), "..", "shared", "data", "heart-disease")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("DATA ABSENT: ../shared/data/heart-disease: golden numbers are not checked")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "golden_flamby_split.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	train, test = map[string]part{}, map[string]part{}
	for _, h := range hospitals {
		train[h] = load(t, filepath.Join(dir, "split43", h+"_train.csv"), g)
		test[h] = load(t, filepath.Join(dir, "split43", h+"_test.csv"), g)
	}
	return g, train, test, true
}

// root walks up to go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

func load(t *testing.T, path string, g golden) part {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for j, name := range rows[0] {
		column[name] = j
	}
	number := func(row []string, name string) float64 {
		v, err := strconv.ParseFloat(row[column[name]], 64)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return v
	}
	var p part
	for _, row := range rows[1:] {
		for j, name := range g.Features {
			p.x = append(p.x, (number(row, name)-g.Mean[j])/(g.SD[j]+1e-9))
		}
		p.y = append(p.y, number(row, "disease"))
	}
	return p
}

func pool(parts map[string]part) part {
	var all part
	for _, h := range hospitals {
		all.x, all.y = append(all.x, parts[h].x...), append(all.y, parts[h].y...)
	}
	return all
}

// federateReference averages float64 training, weighted by n_train, from zero.
func federateReference(g golden, train map[string]part, rounds, steps int, rate float64) reference {
	w := make(reference, len(g.Features)+1)
	for range rounds {
		next := make(reference, len(w))
		var total float64
		for _, h := range hospitals {
			n := float64(g.NTrain[h])
			total += n
			for j, v := range w.steps(train[h].x, train[h].y, steps, rate) {
				next[j] += n * v
			}
		}
		for j := range next {
			next[j] /= total
		}
		w = next
	}
	return w
}

// federate does the same with Trainers and aggregation.FedAvg.
func federate(t *testing.T, g golden, train map[string]part, rounds, steps int, rate float64) []float32 {
	t.Helper()
	model := federation.Model{Kind: federation.Logistic}
	trainers := map[string]Trainer{}
	for _, h := range hospitals {
		tr, err := New(model, len(g.Features), g.NTrain[h])
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		trainers[h] = tr
	}
	local := federation.Local{Optimiser: "sgd", LearningRate: rate, Steps: steps}
	base := initial(model, len(g.Features), 0)
	for round := range rounds {
		sum, weight := make([]float64, len(base)), 0.0
		for _, h := range hospitals {
			x, y := train[h].float32()
			delta, _, err := trainers[h].Train(context.Background(), base, nil, x, y, len(y), local, uint64(round))
			if err != nil {
				t.Fatal(err)
			}
			for j, d := range delta {
				sum[j] += float64(g.NTrain[h]) * float64(d)
			}
			weight += float64(g.NTrain[h])
		}
		var err error
		if base, err = aggregation.FedAvg(base, sum, weight, 1); err != nil {
			t.Fatal(err)
		}
	}
	return base
}

func TestGoldenNumbers(t *testing.T) {
	g, train, test, ok := heart(t)
	if !ok {
		return
	}
	for _, c := range []struct {
		name          string
		rounds, steps int
		rate          float64
		want          result
		loss          float64 // as published
	}{
		{"FedSGD", 300, 1, 0.5, g.FedSGD, 0.418055385},
		{"FedAvg", 100, 10, 0.1, g.FedAvg, 0.419114774},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := federateReference(g, train, c.rounds, c.steps, c.rate)
			near(t, "reference weight", w, c.want.Weights, 1e-6)
			all := pool(train)
			near(t, "reference loss", []float64{w.loss(all.x, all.y), c.loss}, []float64{c.want.Loss, c.want.Loss}, 1e-9)
			checkScores(t, w, test, c.want)

			params := federate(t, g, train, c.rounds, c.steps, c.rate)
			wide := make(reference, len(params))
			for j, p := range params {
				wide[j] = float64(p)
			}
			near(t, "gorgonia weight", wide, c.want.Weights, 1e-4)
			near(t, "gorgonia loss", []float64{wide.loss(all.x, all.y)}, []float64{c.want.Loss}, 1e-6)
		})
	}
}

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tolerance) {
			t.Errorf("%s %d: %.9f, want %.9f ± %g", what, i, got[i], want[i], tolerance)
		}
	}
}

func checkScores(t *testing.T, w reference, test map[string]part, want result) {
	t.Helper()
	parts := map[string]part{"pooled": pool(test)}
	for h, p := range test {
		parts[h] = p
	}
	for name, p := range parts {
		scores := w.scores(p.x)
		auc, ok := aggregation.AUC(p.y, scores)
		if !ok || math.Abs(auc-want.AUC[name]) > 1e-6 {
			t.Errorf("AUC of %s: %v %t, want %v", name, auc, ok, want.AUC[name])
		}
		c, err := aggregation.NewConfusion(p.y, scores)
		if err != nil {
			t.Fatal(err)
		}
		if acc, ok := c.Accuracy(); !ok || math.Abs(acc-want.Acc[name]) > 1e-6 {
			t.Errorf("accuracy of %s: %v %t, want %v", name, acc, ok, want.Acc[name])
		}
	}
}
