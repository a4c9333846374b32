package train

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"atrium/coordinator/federation"
)

// ErrModel says that a model cannot be built: unknown kind, or sizes out of bounds.
var ErrModel = errors.New("model cannot be built")

// Tensor names a part of the flat parameter vector. Its values are row-major.
type Tensor struct {
	Name  string
	Shape []int
}

// Size returns the number of values.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Layout lists the tensors of a model in the order of the flat vector. Logistic:
// weight [inputs], bias [1]. MLP, for layer N from 1 to hidden layers + 1:
// layerN.weight [units before, units], layerN.bias [units]; the last has one unit.
func Layout(model federation.Model, inputs int) []Tensor {
	if model.Kind == federation.Logistic {
		return []Tensor{{"weight", []int{inputs}}, {"bias", []int{1}}}
	}
	var out []Tensor
	for i, l := range layers(model, inputs) {
		out = append(out,
			Tensor{fmt.Sprintf("layer%d.weight", i+1), []int{l.in, l.out}},
			Tensor{fmt.Sprintf("layer%d.bias", i+1), []int{l.out}})
	}
	return out
}

// Count returns the number of parameters of a model.
func Count(model federation.Model, inputs int) int {
	n := 0
	for _, l := range layers(model, inputs) {
		n += l.in*l.out + l.out
	}
	return n
}

// Init returns the parameters of version 0: zeros for logistic; for mlp, weights
// uniform in ±√(6/units before) and biases 0. The same seed gives the same bytes on
// every CPU.
func Init(model federation.Model, inputs int, seed uint64) []float32 {
	params := make([]float32, Count(model, inputs))
	if model.Kind == federation.Logistic {
		return params
	}
	rng := rand.New(rand.NewPCG(seed, initStream))
	at := 0
	for _, l := range layers(model, inputs) {
		bound := math.Sqrt(6 / float64(l.in))
		for i := range l.in * l.out {
			params[at+i] = float32(float64(bound * float64(float64(2*rng.Float64())-1)))
		}
		at += l.in*l.out + l.out
	}
	return params
}

// Streams of the seeded generator, so that no two uses share numbers.
const (
	initStream  = 0x61747269756d2f69 // "atrium/i"
	orderStream = 0x61747269756d2f6f // "atrium/o"
)

// layer is a dense layer: in×out weights, out biases.
type layer struct{ in, out int }

func layers(model federation.Model, inputs int) []layer {
	var out []layer
	in := inputs
	for _, units := range model.Hidden {
		out = append(out, layer{in, units})
		in = units
	}
	return append(out, layer{in, 1})
}

// check refuses what graphs could not hold.
func check(model federation.Model, inputs, rows int) error {
	if model.Kind != federation.Logistic && model.Kind != federation.MLP {
		return fmt.Errorf("model kind %q: %w", model.Kind, ErrModel)
	}
	if (model.Kind == federation.MLP) != (len(model.Hidden) > 0) || len(model.Hidden) > federation.MaxHiddenLayers {
		return fmt.Errorf("%s model with %d hidden layers: %w", model.Kind, len(model.Hidden), ErrModel)
	}
	for _, units := range model.Hidden {
		if units < 1 || units > federation.MaxHiddenUnits {
			return fmt.Errorf("hidden layer of %d units: %w", units, ErrModel)
		}
	}
	if inputs < 1 || inputs > federation.MaxFeatures || rows < 0 {
		return fmt.Errorf("model for %d records of %d inputs: %w", rows, inputs, ErrModel)
	}
	if n := Count(model, inputs); n > MaxParameters {
		return fmt.Errorf("model of %d parameters, at most %d: %w", n, MaxParameters, ErrModel)
	}
	return nil
}

// graphRows returns how many records one run of a graph holds.
func graphRows(model federation.Model, inputs, rows int) int {
	widest := inputs
	for _, l := range layers(model, inputs) {
		widest = max(widest, l.out)
	}
	return max(minGraphRows, min(rows, MaxGraphRows, MaxActivations/widest))
}
