package train

import (
	"fmt"
	"runtime"
	"sync"

	"atrium/coordinator/federation"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// graph is one compiled network over a fixed number of rows. Everything it reads and
// writes is a slice that it owns for its whole life: gorgonia leaks a little with
// every graph that is built, so a Trainer builds each once and fills it in place.
//
// Rows that a run does not need have weight 0 and input 0: they add nothing to loss
// or gradient.
type graph struct {
	rows, inputs int
	params       []float32 // flat, in the order of federation.Model.Tensors; the nodes' tensors share it
	x            []float32 // rows × inputs
	y, weight    []float32 // rows; nil without gradients

	machine G.VM
	nodes   G.Nodes // parameter nodes in that order
	logits  G.Value // rows × 1
	losses  G.Value // rows × 1, weighted; nil without gradients
	ran     bool    // gradients exist
}

// building is held while a graph is built: gorgonia counts node groups in a package
// variable. Running graphs share nothing.
var building sync.Mutex

// newGraph builds and compiles the network; with gradients it also has labels, a loss
// and the backward pass.
func newGraph(model federation.Model, inputs, rows int, gradients bool) (*graph, error) {
	building.Lock()
	defer building.Unlock()
	g := &graph{rows: rows, inputs: inputs, params: make([]float32, model.ParameterCount(inputs)), x: make([]float32, rows*inputs)}
	e := G.NewGraph()
	var logits *G.Node
	var err error
	if model.Kind == federation.Layers {
		logits, err = g.forwardListed(e, model)
	} else {
		logits, err = g.forward(e, layers(model, inputs))
	}
	if err != nil {
		return nil, fmt.Errorf("build %s graph: %w", model.Kind, err)
	}
	G.Read(logits, &g.logits)
	var options []G.VMOpt
	if gradients {
		if err := g.backward(e, logits); err != nil {
			return nil, fmt.Errorf("build %s gradients: %w", model.Kind, err)
		}
		options = append(options, G.BindDualValues(g.nodes...))
	}
	program, registers, err := G.Compile(e)
	if err != nil {
		return nil, fmt.Errorf("compile %s graph: %w", model.Kind, err)
	}
	machine := G.NewTapeMachine(e, append(options, G.WithPrecompiled(program, registers))...)
	runtime.SetFinalizer(machine, nil) // does nothing on a CPU, and would keep a cycle of pointers for ever
	g.machine = machine
	return g, nil
}

// forward adds the layers. A bias enters as ones(rows×1)·bias(1×out), whose gradient
// is a matrix product too.
func (g *graph) forward(e *G.ExprGraph, ls []layer) (*G.Node, error) {
	ones := make([]float32, g.rows)
	for i := range ones {
		ones[i] = 1
	}
	one := input(e, "ones", ones, g.rows, 1)
	h := input(e, "x", g.x, g.rows, g.inputs)
	at := 0
	for i, l := range ls {
		w := input(e, fmt.Sprintf("weight%d", i+1), g.params[at:at+l.in*l.out], l.in, l.out)
		at += l.in * l.out
		b := input(e, fmt.Sprintf("bias%d", i+1), g.params[at:at+l.out], 1, l.out)
		at += l.out
		g.nodes = append(g.nodes, w, b)
		xw, err := G.Mul(h, w)
		if err != nil {
			return nil, err
		}
		ob, err := G.Mul(one, b)
		if err != nil {
			return nil, err
		}
		if h, err = G.Add(xw, ob); err != nil {
			return nil, err
		}
		if i < len(ls)-1 {
			if h, err = G.Rectify(h); err != nil {
				return nil, err
			}
		}
	}
	return h, nil
}

// backward adds Σ weight·(softplus(z) − y·z) and its gradients.
func (g *graph) backward(e *G.ExprGraph, logits *G.Node) error {
	g.y, g.weight = make([]float32, g.rows), make([]float32, g.rows)
	y := input(e, "y", g.y, g.rows, 1)
	weight := input(e, "row weight", g.weight, g.rows, 1)
	soft, err := G.Softplus(logits)
	if err != nil {
		return err
	}
	yz, err := G.HadamardProd(y, logits)
	if err != nil {
		return err
	}
	row, err := G.Sub(soft, yz)
	if err != nil {
		return err
	}
	losses, err := G.HadamardProd(weight, row)
	if err != nil {
		return err
	}
	G.Read(losses, &g.losses)
	sum, err := G.Sum(losses)
	if err != nil {
		return err
	}
	_, err = G.Grad(sum, g.nodes...)
	return err
}

// input is a node over a matrix that shares backing.
func input(e *G.ExprGraph, name string, backing []float32, rows, cols int) *G.Node {
	t := tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(backing))
	return G.NewMatrix(e, tensor.Float32, G.WithShape(rows, cols), G.WithName(name), G.WithValue(t))
}

// run evaluates the graph once. Gradients add to those already there.
func (g *graph) run() error {
	defer g.machine.Reset()
	if err := g.machine.RunAll(); err != nil {
		return fmt.Errorf("run graph: %w", err)
	}
	g.ran = true
	return nil
}

// gradients returns, for each parameter node, the slice into which run adds; nothing
// before the first run.
func (g *graph) gradients() ([][]float32, error) {
	if !g.ran {
		return nil, nil
	}
	out := make([][]float32, len(g.nodes))
	for i, n := range g.nodes {
		v, err := n.Grad()
		if err != nil {
			return nil, fmt.Errorf("read gradient of %s: %w", n.Name(), err)
		}
		if out[i], err = values(v); err != nil {
			return nil, fmt.Errorf("read gradient of %s: %w", n.Name(), err)
		}
	}
	return out, nil
}

// values returns the backing of a value.
func values(v G.Value) ([]float32, error) {
	switch data := v.Data().(type) {
	case []float32:
		return data, nil
	default:
		return nil, fmt.Errorf("value of type %T", data)
	}
}

func (g *graph) close() error { return g.machine.Close() }
