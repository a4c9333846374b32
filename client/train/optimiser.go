package train

import (
	"math"

	"atrium/coordinator/federation"
)

// optimiser turns gradients into steps. A round makes a new one, so that no moment
// reaches the next round: what was averaged in between has made it wrong.
type optimiser struct {
	local         federation.Local
	taken         int
	first, second []float32 // moments; nil where the optimiser has none
}

func newOptimiser(local federation.Local, parameters int) *optimiser {
	o := &optimiser{local: local}
	adaptive := local.Optimiser == federation.Adam || local.Optimiser == federation.AdamW
	if adaptive || local.Momentum > 0 {
		o.first = make([]float32, parameters)
	}
	if adaptive {
		o.second = make([]float32, parameters)
	}
	return o
}

// step moves parameters from..from+len(params) by their gradient; next begins a step.
func (o *optimiser) step(from int, params, gradient []float32) {
	rate := float32(o.local.LearningRate)
	switch {
	case o.second != nil:
		o.adam(o.first[from:], o.second[from:], params, gradient)
	case o.first != nil:
		momentum, v := float32(o.local.Momentum), o.first[from:]
		for i, g := range gradient {
			v[i] = momentum*v[i] + g
			params[i] -= rate * v[i]
		}
	default:
		for i, g := range gradient {
			params[i] -= rate * g
		}
	}
}

func (o *optimiser) next() { o.taken++ }

// adam is algorithm 1 of Kingma and Ba; with weight decay it is algorithm 2 of Loshchilov
// and Hutter, whose η is the rate over rounds.
func (o *optimiser) adam(m, v, params, gradient []float32) {
	l := o.local
	t := float64(o.taken)
	first, second := 1-math.Pow(l.Beta1, t), 1-math.Pow(l.Beta2, t)
	keep := float32(1 - l.LearningRate*l.WeightDecay)
	b1, b2 := float32(l.Beta1), float32(l.Beta2)
	rate, root, epsilon := float32(l.LearningRate/first), float32(1/math.Sqrt(second)), float32(l.Epsilon)
	for i, g := range gradient {
		m[i] = b1*m[i] + (1-b1)*g
		v[i] = b2*v[i] + (1-b2)*g*g
		params[i] = keep*params[i] - rate*m[i]/(root*float32(math.Sqrt(float64(v[i])))+epsilon)
	}
}
