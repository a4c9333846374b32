package dataset

import (
	"errors"
	"math"
	"os"
	"slices"
	"testing"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// heartPlan is a plan for the heart-disease schema, what this package looks at.
func heartPlan() federation.Plan {
	p := federation.Plan{V: 1, Name: "heart", Label: federation.Label{Name: "disease"}}
	for _, f := range []struct {
		name     string
		min, max float64
	}{
		{"age", 18, 100}, {"sex", 0, 1}, {"trestbps", 0, 260}, {"chol", 0, 700}, {"fbs", 0, 1}, {"thalach", 40, 230},
		{"exang", 0, 1}, {"oldpeak", -3, 7}, {"cp_2", 0, 1}, {"cp_3", 0, 1}, {"cp_4", 0, 1}, {"restecg_1", 0, 1}, {"restecg_2", 0, 1},
	} {
		p.Features = append(p.Features, federation.Feature{Name: f.name, Min: f.min, Max: f.max, Missing: federation.MissingMean})
	}
	return p
}

// logistic is a plain regression: weights, then bias.
type logistic []float64

func (w logistic) score(row []float64) float64 {
	z := w[len(row)]
	for j, v := range row {
		z += w[j] * v
	}
	return 1 / (1 + math.Exp(-z))
}

// descend trains from zero on all tables together, full batch, rate 0.5.
func descend(t *testing.T, n aggregation.Normalisation, steps int, tables ...*Table) logistic {
	t.Helper()
	x, y := join(t, n, tables)
	cols := len(n.Mean)
	w := make(logistic, cols+1)
	for range steps {
		gradient := make([]float64, len(w))
		for i, label := range y {
			row := x[i*cols : (i+1)*cols]
			d := (w.score(row) - label) / float64(len(y))
			for j, v := range row {
				gradient[j] += d * v
			}
			gradient[cols] += d
		}
		for j := range w {
			w[j] -= 0.5 * gradient[j]
		}
	}
	return w
}

func (w logistic) auc(t *testing.T, n aggregation.Normalisation, tables ...*Table) (float64, bool) {
	t.Helper()
	x, y := join(t, n, tables)
	var scores []float64
	for row := range slices.Chunk(x, len(n.Mean)) {
		scores = append(scores, w.score(row))
	}
	return aggregation.AUC(y, scores)
}

func join(t *testing.T, n aggregation.Normalisation, tables []*Table) (x, y []float64) {
	t.Helper()
	for _, table := range tables {
		part, err := n.Apply(table.X)
		if err != nil {
			t.Fatal(err)
		}
		x, y = append(x, part...), append(y, table.Y...)
	}
	return x, y
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// cause returns the *os.PathError inside err.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p
	}
	return err
}
