package train

import (
	"math"
	"math/rand/v2"
	"strings"

	"atrium/coordinator/federation"
)

// initial returns parameters to train from: zeros for a logistic model, else weights
// uniform in ±√(6/inputs of the layer) and zero biases.
func initial(model federation.Model, inputs int, seed uint64) []float32 {
	var params []float32
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, t := range model.Tensors(inputs) {
		for range t.Size() {
			v := 0.0
			switch {
			case strings.HasSuffix(t.Name, ".scale"):
				v = 1
			case len(t.Shape) == 4:
				v = math.Sqrt(6/float64(t.Size()/t.Shape[0])) * (2*rng.Float64() - 1)
			case len(t.Shape) == 2:
				v = math.Sqrt(6/float64(t.Shape[0])) * (2*rng.Float64() - 1)
			}
			params = append(params, float32(v))
		}
	}
	return params
}
