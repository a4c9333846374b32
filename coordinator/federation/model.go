package federation

import (
	"bytes"
	"fmt"
)

// Model kinds.
const (
	Logistic = "logistic" // one linear layer, sigmoid
	MLP      = "mlp"      // dense layers with ReLU, one output, sigmoid
	Layers   = "layers"   // the layers that the plan lists, and an output layer
	External = "external" // whatever the program computes that each hospital's own configuration names
)

// Model declares the network.
type Model struct {
	Kind     string     `json:"kind"`               // Logistic, MLP, Layers or External
	Hidden   []int      `json:"hidden,omitempty"`   // units of each hidden layer, MLP only
	Input    Input      `json:"input,omitzero"`     // Layers and External: records are arrays; zero: the features
	Layers   []Layer    `json:"layers,omitempty"`   // before the output layer, Layers only; none: softmax or logistic regression
	Classes  int        `json:"classes,omitempty"`  // Layers and External: labels 0 to Classes−1; 0: labels 0 and 1
	Positive int        `json:"positive,omitempty"` // with Classes: the label that scores and evaluations are about
	Several  int        `json:"labels,omitempty"`   // Layers and External: so many labels, each 0 or 1, sigmoid each; 0: one
	Declared []Declared `json:"tensors,omitempty"`  // External only: all parameters that the plan knows of
	Base     string     `json:"base,omitempty"`     // External only: SHA-256, in hexadecimal, of a file that every hospital has; empty: none
}

// Input says that a record is an array of one quantity, such as a waveform or an image.
// The plan's only feature then is that quantity: its unit and plausible range, and the
// mean and deviation over all values that a statistics round finds.
type Input struct {
	Shape   []int  `json:"shape,omitempty"`   // [samples], [height, width] or [channels, height, width]
	Scaling string `json:"scaling,omitempty"` // ScaleTogether or ScaleRecord
}

// How an array is normalised.
const (
	ScaleTogether = "together" // by the federation's mean and deviation
	ScaleRecord   = "record"   // each record by its own
)

// Layer kinds.
const (
	Dense     = "dense"     // units, each of all inputs
	Conv      = "conv"      // filters over a kernel, zeros beyond the border, stride 1
	Pool      = "pool"      // the greatest of each block of size by size; what is left over is dropped
	GroupNorm = "groupnorm" // Wu and He, "Group Normalization" (2018), with a scale and a shift per channel
	Dropout   = "dropout"   // in training, leaves values out with probability rate and divides the others by 1−rate
)

// Activations.
const (
	ReLU   = "relu" // of dense and conv unless they say otherwise
	Linear = "none" // of groupnorm unless it says otherwise
)

// Layer is one layer; keys that its kind does not have are 0. Over [samples] a kernel or
// a block has one dimension.
type Layer struct {
	Kind       string  `json:"kind"`
	Units      int     `json:"units,omitempty"`      // Dense
	Filters    int     `json:"filters,omitempty"`    // Conv
	Kernel     int     `json:"kernel,omitempty"`     // Conv: odd
	Size       int     `json:"size,omitempty"`       // Pool
	Groups     int     `json:"groups,omitempty"`     // GroupNorm: divides the channels
	Rate       float64 `json:"rate,omitempty"`       // Dropout
	Activation string  `json:"activation,omitempty"` // Dense, Conv, GroupNorm: ReLU or Linear
}

// IsReLU reports whether negative outputs become 0.
func (l Layer) IsReLU() bool {
	return l.Activation == ReLU || l.Activation == "" && (l.Kind == Dense || l.Kind == Conv)
}

// Shape is what a layer puts out for one record: Channels × Height × Width, row-major.
type Shape struct{ Channels, Height, Width int }

// Size is the number of values.
func (s Shape) Size() int { return s.Channels * s.Height * s.Width }

// Kernel is height and width of a convolution's kernel or a pool's block of a side: a
// signal has no height.
func (s Shape) Kernel(side int) (height, width int) {
	if s.Height == 1 {
		return 1, side
	}
	return side, side
}

// next is the shape behind a layer.
func (s Shape) next(l Layer) Shape {
	switch l.Kind {
	case Dense:
		return Shape{l.Units, 1, 1}
	case Conv:
		return Shape{l.Filters, s.Height, s.Width}
	case Pool:
		h, w := s.Kernel(l.Size)
		return Shape{s.Channels, s.Height / h, s.Width / w}
	}
	return s
}

// Shapes lists the shapes of the input and behind each layer of a valid Layers model; the
// output layer is not among them.
func (m Model) Shapes(inputs int) []Shape {
	s := m.inputShape(inputs)
	list := []Shape{s}
	for _, l := range m.Layers {
		s = s.next(l)
		list = append(list, s)
	}
	return list
}

func (m Model) inputShape(inputs int) Shape {
	switch d := m.Input.Shape; len(d) {
	case 2:
		return Shape{1, d[0], d[1]}
	case 3:
		return Shape{d[0], d[1], d[2]}
	}
	return Shape{1, 1, inputs}
}

// Labels is how many values a label may have.
func (m Model) Labels() int { return max(2, m.Classes) }

// Width is how many labels a record has.
func (m Model) Width() int { return max(1, m.Several) }

// Outputs is how many logits the model has.
func (m Model) Outputs() int { return max(1, m.Classes, m.Several) }

// Tensors lists a model's parameters, all of them, in the order of the flat vector: weight [inputs]
// and bias [1] of a logistic model; layerN.weight [inputs of the layer, units] and
// layerN.bias [units] of dense layers, N from 1, the last being the output layer;
// layerN.weight [filters, channels, height, width] and layerN.bias [filters] of
// convolutions; layerN.scale and layerN.shift [channels] of group normalisation.
func (m Model) Tensors(inputs int) []Tensor {
	switch m.Kind {
	case Logistic:
		return []Tensor{{"weight", []int{inputs}}, {"bias", []int{1}}}
	case External:
		return m.declared()
	}
	var list []Tensor
	add := func(layer int, name string, shape ...int) {
		list = append(list, Tensor{fmt.Sprintf("layer%d.%s", layer, name), shape})
	}
	if m.Kind == MLP {
		for i, units := range append(append([]int(nil), m.Hidden...), 1) {
			add(i+1, "weight", inputs, units)
			add(i+1, "bias", units)
			inputs = units
		}
		return list
	}
	shapes := m.Shapes(inputs)
	for i, l := range m.Layers {
		s := shapes[i]
		switch l.Kind {
		case Dense:
			add(i+1, "weight", s.Size(), l.Units)
			add(i+1, "bias", l.Units)
		case Conv:
			h, w := s.Kernel(l.Kernel)
			add(i+1, "weight", l.Filters, s.Channels, h, w)
			add(i+1, "bias", l.Filters)
		case GroupNorm:
			add(i+1, "scale", s.Channels)
			add(i+1, "shift", s.Channels)
		}
	}
	last := len(m.Layers)
	add(last+1, "weight", shapes[last].Size(), m.Outputs())
	add(last+1, "bias", m.Outputs())
	return list
}

// ParameterCount is the number of a model's parameters.
func (m Model) ParameterCount(inputs int) int { return count(m.Tensors(inputs)) }

func count(tensors []Tensor) int {
	n := 0
	for _, t := range tensors {
		n += t.Size()
	}
	return n
}

// continues reports whether a model of before can be trained on as m: the same network
// on the same inputs.
func (m Model) continues(before Model) bool { return bytes.Equal(Encode(m), Encode(before)) }

// Validate checks a model on records of so many inputs; the error is a *PlanError.
func (m Model) Validate(inputs int) error {
	if err := m.validateKeys(); err != nil {
		return err
	}
	switch m.Kind {
	case Logistic:
		if len(m.Hidden) > 0 {
			return bad("model.hidden", "a logistic model has no hidden layer")
		}
		return nil
	case MLP:
		return m.validateHidden()
	case Layers:
		return m.validateLayers(inputs)
	case External:
		return m.validateExternal()
	}
	return bad("model.kind", "%q: want %s, %s, %s or %s", m.Kind, Logistic, MLP, Layers, External)
}

// validateKeys refuses keys that the kind does not have.
func (m Model) validateKeys() error {
	if m.Kind != Layers && len(m.Layers) > 0 {
		return bad("model.layers", "kind %s has no such key: want kind %s", m.Kind, Layers)
	}
	if m.Kind != Layers && m.Kind != External {
		switch {
		case len(m.Input.Shape) > 0 || m.Input.Scaling != "":
			return bad("model.input", "kind %s has no such key: want kind %s or %s", m.Kind, Layers, External)
		case m.Several != 0:
			return bad("model.labels", "kind %s has no such key: want kind %s or %s", m.Kind, Layers, External)
		case m.Classes != 0 || m.Positive != 0:
			return bad("model.classes", "kind %s has no such key: want kind %s or %s", m.Kind, Layers, External)
		}
	}
	switch {
	case m.Kind == External:
	case len(m.Declared) > 0:
		return bad("model.tensors", "kind %s has no such key: want kind %s", m.Kind, External)
	case m.Base != "":
		return bad("model.base", "kind %s has no such key: want kind %s", m.Kind, External)
	}
	return nil
}

func (m Model) validateHidden() error {
	if len(m.Hidden) == 0 || len(m.Hidden) > MaxHiddenLayers {
		return bad("model.hidden", "%d layers: want 1 to %d", len(m.Hidden), MaxHiddenLayers)
	}
	for i, units := range m.Hidden {
		if units < 1 || units > MaxHiddenUnits {
			return bad(fmt.Sprintf("model.hidden[%d]", i), "%d units: want 1 to %d", units, MaxHiddenUnits)
		}
	}
	return nil
}

func (m Model) validateLayers(inputs int) error {
	switch {
	case len(m.Hidden) > 0:
		return bad("model.hidden", "kind %s lists its layers in layers", m.Kind)
	case len(m.Layers) > MaxLayers:
		return bad("model.layers", "%d layers: at most %d", len(m.Layers), MaxLayers)
	}
	if err := m.validateEnds(); err != nil {
		return err
	}
	s := m.inputShape(inputs)
	for i, l := range m.Layers {
		key := fmt.Sprintf("model.layers[%d]", i)
		if err := l.validate(key, s); err != nil {
			return err
		}
		if s = s.next(l); s.Size() > MaxActivations {
			return bad(key, "%d values behind it: at most %d", s.Size(), MaxActivations)
		}
	}
	if n := m.ParameterCount(inputs); n > MaxParameters {
		return bad("model.layers", "%d parameters: at most %d", n, MaxParameters)
	}
	return nil
}

// validateEnds checks what goes in and what comes out.
func (m Model) validateEnds() error {
	switch {
	case m.Classes != 0 && (m.Classes < 2 || m.Classes > MaxClasses):
		return bad("model.classes", "%d: want 2 to %d, or 0 for labels 0 and 1", m.Classes, MaxClasses)
	case m.Positive < 0 || m.Positive > 0 && m.Positive >= m.Classes:
		return bad("model.positive", "%d: want one of the classes, from 0", m.Positive)
	}
	if m.Several != 0 && (m.Several < 2 || m.Several > MaxLabels) {
		return bad("model.labels", "%d: want 2 to %d, each 0 or 1, or 0 for one label", m.Several, MaxLabels)
	}
	if m.Several != 0 && m.Classes != 0 {
		return bad("model.labels", "a label has %d classes: several are each 0 or 1", m.Classes)
	}
	return m.Input.validate()
}

func (in Input) validate() error {
	if len(in.Shape) == 0 {
		if in.Scaling != "" {
			return bad("model.input.scaling", "there is no shape: features are normalised by their own mean and deviation")
		}
		return nil
	}
	if len(in.Shape) > 3 {
		return bad("model.input.shape", "%d dimensions: want [samples], [height, width] or [channels, height, width]", len(in.Shape))
	}
	size := 1
	for _, d := range in.Shape {
		if d < 1 || d > MaxInputs {
			return bad("model.input.shape", "%v: want dimensions of 1 to %d", in.Shape, MaxInputs)
		}
		if size *= d; size > MaxInputs {
			return bad("model.input.shape", "%v: more than %d values", in.Shape, MaxInputs)
		}
	}
	if in.Scaling != ScaleTogether && in.Scaling != ScaleRecord {
		return bad("model.input.scaling", "%q: want %s or %s", in.Scaling, ScaleTogether, ScaleRecord)
	}
	return nil
}

// LayerKeys lists the keys that a kind of layer must have.
func LayerKeys(kind string) (keys []string, ok bool) {
	switch kind {
	case Dense:
		return []string{"units"}, true
	case Conv:
		return []string{"filters", "kernel"}, true
	case Pool:
		return []string{"size"}, true
	case GroupNorm:
		return []string{"groups"}, true
	case Dropout:
		return []string{"rate"}, true
	}
	return nil, false
}

// validate checks a layer behind a shape.
func (l Layer) validate(key string, s Shape) error {
	keys, ok := LayerKeys(l.Kind)
	if !ok {
		return bad(key+".kind", "%q: want %s, %s, %s, %s or %s", l.Kind, Dense, Conv, Pool, GroupNorm, Dropout)
	}
	height, width := s.Kernel(l.Kernel)
	blockHeight, blockWidth := s.Kernel(l.Size)
	err := checkKeys(key+".", l.Kind, keys, []keyRule{
		{"units", float64(l.Units), l.Units >= 1 && l.Units <= MaxHiddenUnits, fmt.Sprintf("1 to %d", MaxHiddenUnits)},
		{"filters", float64(l.Filters), l.Filters >= 1 && l.Filters <= MaxFilters, fmt.Sprintf("1 to %d", MaxFilters)},
		{"kernel", float64(l.Kernel), l.Kernel >= 1 && l.Kernel%2 == 1 && height <= s.Height && width <= s.Width,
			fmt.Sprintf("an odd number that fits %d × %d", s.Height, s.Width)},
		{"size", float64(l.Size), l.Size >= 2 && blockHeight <= s.Height && blockWidth <= s.Width, fmt.Sprintf("2 or more that fit %d × %d", s.Height, s.Width)},
		{"groups", float64(l.Groups), l.Groups >= 1 && l.Groups <= s.Channels && s.Channels%l.Groups == 0, fmt.Sprintf("a number that divides %d channels", s.Channels)},
		{"rate", l.Rate, l.Rate > 0 && l.Rate <= 0.9, "more than 0 and at most 0.9"},
	})
	switch {
	case err != nil:
		return err
	case l.Activation == "":
		return nil
	case l.Kind == Pool || l.Kind == Dropout:
		return bad(key+".activation", "%s has no such key", l.Kind)
	case l.Activation != ReLU && l.Activation != Linear:
		return bad(key+".activation", "%q: want %s or %s", l.Activation, ReLU, Linear)
	}
	return nil
}
