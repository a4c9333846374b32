package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"atrium/coordinator/federation"
)

var (
	// ErrShape says that parameters, records or labels have the wrong length.
	ErrShape = errors.New("shape does not fit the model")
	// ErrNotFinite says that a NaN or an infinity was met: in the parameters given, in
	// the loss or in the trained parameters.
	ErrNotFinite = errors.New("value is not finite")
	// ErrClosed says that the Trainer was closed.
	ErrClosed = errors.New("trainer is closed")
)

// Trainer trains and scores one model. It keeps memory between calls and must not be
// used by two goroutines at once. The same arguments give the same bytes, whatever
// was called before.
type Trainer interface {
	// Parameters describes the flat parameter vector, as federation.Model.Tensors does.
	Parameters() []federation.Tensor

	// Train starts at base and returns the change of each parameter after one round of
	// local training on rows records: x row-major and normalised, y of 0 and 1, so many a
	// record as the model has labels, or of the model's classes. seed
	// orders the records when local.Batch divides them and draws dropout; local.LearningRate is the round's,
	// its schedule is not looked at. Tensors that local does not train do not change. correction, unless nil, is added
	// to the gradient of each step, a number a parameter.
	//
	// loss is the mean log-loss per record and label, times its class weight, of the last step (with
	// epochs: of the last epoch; with early stopping: of the one chosen), each before its
	// update, without the proximal term. No records: no change
	// and loss 0. Nothing given is changed.
	//
	// Errors are ErrShape, ErrNotFinite, ErrClosed and the context's.
	Train(ctx context.Context, base, correction []float32, x []float32, y []float32, rows int, local federation.Local, seed uint64) (delta []float32, loss float64, err error)

	// Score returns the probability of label 1, or of the positive class, for each of rows
	// records and each label of it, from 0 to 1.
	// Errors are ErrShape, ErrNotFinite and ErrClosed.
	Score(params []float32, x []float32, rows int) ([]float64, error)

	// Close releases the graphs; it may be called twice.
	Close() error
}

// New returns a Trainer for records of inputs features. rows is how many records a
// graph holds: the plan's batch, or the hospital's record count where the batch is
// everything. It only sets speed and memory; batches of any size work, larger ones in
// pieces. The error is ErrModel, or gorgonia's when a graph cannot be built.
func New(model federation.Model, inputs, rows int) (Trainer, error) {
	if err := check(model, inputs, rows); err != nil {
		return nil, err
	}
	n := &network{layout: model.Tensors(inputs), inputs: inputs, head: headOf(model)}
	if model.Kind == federation.Layers {
		n.engine = newStack(model, inputs, stackRows(model, inputs, rows))
		return n, nil
	}
	rows = graphRows(model, inputs, rows)
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

// network is the Trainer of every model.
type network struct {
	layout []federation.Tensor
	inputs int
	head   head
	engine engine // nil once closed
}

func (n *network) Parameters() []federation.Tensor {
	out := make([]federation.Tensor, len(n.layout))
	for i, t := range n.layout {
		out[i] = federation.Tensor{Name: t.Name, Shape: append([]int(nil), t.Shape...)}
	}
	return out
}

func (n *network) Close() error {
	if n.engine == nil {
		return nil
	}
	err := n.engine.close()
	n.engine = nil
	return err
}

func (n *network) Train(ctx context.Context, base, correction, x, y []float32, rows int, local federation.Local, seed uint64) ([]float32, float64, error) {
	if err := n.checkArguments(base, x, rows); err != nil {
		return nil, 0, err
	}
	if len(y) != rows*n.head.width() {
		return nil, 0, fmt.Errorf("%d labels for %d records of %d: %w", len(y), rows, n.head.width(), ErrShape)
	}
	if correction != nil && len(correction) != len(base) {
		return nil, 0, fmt.Errorf("correction of %d for %d parameters: %w", len(correction), len(base), ErrShape)
	}
	delta := make([]float32, len(base))
	if rows == 0 {
		return delta, 0, nil
	}
	r := &round{engine: n.engine, head: n.head, base: base, correction: correction, inputs: n.inputs, x: x, y: y, rows: rows, local: local,
		trained: trainedSpans(n.layout, local)}
	trained := n.engine.parameters()
	copy(trained, base)
	loss, err := r.train(ctx, seed)
	if err != nil {
		return nil, 0, err
	}
	if err := n.checkFinite(trained); err != nil {
		return nil, 0, fmt.Errorf("trained parameters: %w", err)
	}
	for i, p := range trained {
		delta[i] = p - base[i]
	}
	if err := n.checkFinite(delta); err != nil { // a difference of two finite numbers need not be
		return nil, 0, fmt.Errorf("change of parameters: %w", err)
	}
	return delta, loss, nil
}

func (n *network) Score(params, x []float32, rows int) ([]float64, error) {
	if err := n.checkArguments(params, x, rows); err != nil {
		return nil, err
	}
	out := make([]float64, 0, rows*n.head.width())
	for from := 0; from < rows; {
		m := min(n.engine.capacity(), rows-from)
		logits, err := n.engine.logits(params, x[from*n.inputs:(from+m)*n.inputs], m)
		if err != nil {
			return nil, err
		}
		for i := range m {
			out = n.head.scores(out, logits[i*n.head.outputs:(i+1)*n.head.outputs])
			for _, p := range out[len(out)-n.head.width():] {
				if math.IsNaN(p) {
					return nil, fmt.Errorf("score of record %d: %w", from+i, ErrNotFinite)
				}
			}
		}
		from += m
	}
	return out, nil
}

func (n *network) checkArguments(params, x []float32, rows int) error {
	if n.engine == nil {
		return ErrClosed
	}
	if rows < 0 || len(x) != rows*n.inputs {
		return fmt.Errorf("%d values for %d records of %d features: %w", len(x), rows, n.inputs, ErrShape)
	}
	if len(params) != len(n.engine.parameters()) {
		return fmt.Errorf("%d parameters, want %d: %w", len(params), len(n.engine.parameters()), ErrShape)
	}
	return n.checkFinite(params)
}

// checkFinite names the tensor and the index of the first value that is not finite.
func (n *network) checkFinite(params []float32) error {
	at := 0
	for _, t := range n.layout {
		for i, p := range params[at : at+t.Size()] {
			if !finite(p) {
				return fmt.Errorf("parameter %s[%d] is %v: %w", t.Name, i, p, ErrNotFinite)
			}
		}
		at += t.Size()
	}
	return nil
}

func finite(x float32) bool {
	return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0)
}
