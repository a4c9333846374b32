package train

import "math"

// reference is a plain float64 logistic regression: weights, then bias.
type reference []float64

func (r reference) logit(row []float64) float64 {
	z := r[len(row)]
	for j, v := range row {
		z += r[j] * v
	}
	return z
}

// loss is the mean log-loss over row-major x.
func (r reference) loss(x, y []float64) float64 {
	var sum float64
	cols := len(r) - 1
	for i, label := range y {
		z := r.logit(x[i*cols : (i+1)*cols])
		sum += max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - label*z
	}
	return sum / float64(len(y))
}

func (r reference) scores(x []float64) []float64 {
	var out []float64
	cols := len(r) - 1
	for i := 0; i < len(x); i += cols {
		out = append(out, 1/(1+math.Exp(-r.logit(x[i:i+cols]))))
	}
	return out
}

// steps returns the parameters after full-batch descent from r.
func (r reference) steps(x, y []float64, n int, rate float64) reference {
	w := append(reference(nil), r...)
	cols := len(r) - 1
	for range n {
		gradient := make([]float64, len(r))
		for i, s := range w.scores(x) {
			d := (s - y[i]) / float64(len(y))
			for j, v := range x[i*cols : (i+1)*cols] {
				gradient[j] += d * v
			}
			gradient[cols] += d
		}
		for j := range w {
			w[j] -= rate * gradient[j]
		}
	}
	return w
}
