package train

import (
	"fmt"

	"atrium/coordinator/federation"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// NewStock returns a Trainer that computes what New's computes, with gorgonia's own
// operations: one each for convolution, bias, activation and pooling. It is what the
// fused stages are measured against and checked with; no hospital trains with it. The
// error is ErrModel for several classes or labels, group normalisation and dropout too: gorgonia
// has none that is right.
func NewStock(model federation.Model, inputs, rows int) (Trainer, error) {
	if err := check(model, inputs, rows); err != nil {
		return nil, err
	}
	if model.Kind != federation.Layers {
		return New(model, inputs, rows)
	}
	rows = max(minGraphRows, stackRows(model, inputs, rows))
	n := &network{layout: model.Tensors(inputs), inputs: inputs, head: headOf(model)}
	learn, err := newGraph(model, inputs, rows, true)
	if err != nil {
		return nil, err
	}
	score, err := newGraph(model, inputs, rows, false)
	if err != nil {
		return nil, err
	}
	n.engine = graphs{learn, score}
	return n, nil
}

// forwardListed adds listed layers.
func (g *graph) forwardListed(e *G.ExprGraph, model federation.Model) (*G.Node, error) {
	if model.Outputs() > 1 {
		return nil, fmt.Errorf("%d outputs: %w", model.Outputs(), ErrModel)
	}
	shapes := model.Shapes(g.inputs)
	s := shapes[0]
	h := G.NewTensor(e, tensor.Float32, 4, G.WithShape(g.rows, s.Channels, s.Height, s.Width), G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithShape(g.rows, s.Channels, s.Height, s.Width), tensor.WithBacking(g.x))))
	b := listing{graph: g, expr: e}
	output := federation.Layer{Kind: federation.Dense, Units: 1, Activation: federation.Linear}
	for i, l := range append(append([]federation.Layer(nil), model.Layers...), output) {
		var err error
		if h, err = b.layer(h, l, shapes[i]); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return h, nil
}

// listing adds one layer after another to a graph.
type listing struct {
	*graph
	expr *G.ExprGraph
	at   int // in the parameters
}

func (b *listing) layer(h *G.Node, l federation.Layer, s federation.Shape) (*G.Node, error) {
	var err error
	switch l.Kind {
	case federation.Dense:
		if h, err = G.Reshape(h, tensor.Shape{b.rows, s.Size()}); err != nil {
			return nil, err
		}
		if h, err = G.Mul(h, b.parameter(s.Size(), l.Units)); err != nil {
			return nil, err
		}
		h, err = G.BroadcastAdd(h, b.parameter(1, l.Units), nil, []byte{0})
	case federation.Conv:
		kh, kw := s.Kernel(l.Kernel)
		if h, err = G.Conv2d(h, b.parameter(l.Filters, s.Channels, kh, kw), tensor.Shape{kh, kw}, []int{kh / 2, kw / 2}, []int{1, 1}, []int{1, 1}); err != nil {
			return nil, err
		}
		h, err = G.BroadcastAdd(h, b.parameter(1, l.Filters, 1, 1), nil, []byte{0, 2, 3})
	case federation.Pool:
		kh, kw := s.Kernel(l.Size)
		h, err = G.MaxPool2D(h, tensor.Shape{kh, kw}, []int{0, 0}, []int{kh, kw})
	default:
		err = fmt.Errorf("%s: %w", l.Kind, ErrModel)
	}
	if err == nil && l.IsReLU() {
		h, err = G.Rectify(h)
	}
	return h, err
}

// parameter is a node over the next parameters.
func (b *listing) parameter(shape ...int) *G.Node {
	size := tensor.Shape(shape).TotalSize()
	t := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(b.params[b.at:b.at+size]))
	n := G.NewTensor(b.expr, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("parameter%d", b.at)), G.WithValue(t))
	b.at += size
	b.nodes = append(b.nodes, n)
	return n
}
