package train

import (
	"errors"
	"fmt"

	"atrium/coordinator/federation"
)

// ErrModel says that a model cannot be built: unknown kind, or sizes out of bounds.
var ErrModel = errors.New("model cannot be built")

// Streams set the uses of a seed apart.
const (
	orderStream = 0x61747269756d2f6f // "atrium/o": the order of records
	dropStream  = 0x61747269756d2f64 // "atrium/d": dropout
	holdStream  = 0x61747269756d2f68 // "atrium/h": records held back
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
	if err := model.Validate(inputs); err != nil {
		return fmt.Errorf("%w: %w", ErrModel, err)
	}
	if model.Kind == federation.External {
		return fmt.Errorf("kind %s is trained by a program of the hospital's: %w", model.Kind, ErrModel)
	}
	if inputs < 1 || len(model.Input.Shape) == 0 && inputs > federation.MaxFeatures || rows < 0 || model.Shapes(inputs)[0].Size() != inputs {
		return fmt.Errorf("model for %d records of %d inputs: %w", rows, inputs, ErrModel)
	}
	if n := model.ParameterCount(inputs); n > MaxParameters {
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
