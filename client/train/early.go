package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// watch follows the loss on records that are held back from training.
type watch struct {
	held     []int // records
	patience int
	x        []float32 // of the held records
	least    float64   // loss on them; +Inf before the first epoch
	best     []float32 // parameters that had it
	trained  float64   // the training loss of that epoch
	waited   int       // epochs since
}

// holdBack divides the records for early stopping; without it, or with a single record,
// all are trained on. Which are held back follows from their number alone, so that no
// round trains on what another looks at.
func (r *round) holdBack() (order []int, w *watch) {
	order = make([]int, r.rows)
	for i := range order {
		order[i] = i
	}
	stop := r.local.EarlyStop
	if !stop.On() || r.local.Epochs == 0 || r.rows < 2 {
		return order, nil
	}
	held := min(max(1, int(stop.Share*float64(r.rows))), r.rows-1)
	rng := rand.New(rand.NewPCG(uint64(r.rows), holdStream))
	mixed := rng.Perm(r.rows)
	w = &watch{held: mixed[:held], patience: stop.Patience, least: math.Inf(1)}
	for _, k := range w.held {
		w.x = append(w.x, r.x[k*r.inputs:(k+1)*r.inputs]...)
	}
	order = mixed[held:]
	slices.Sort(order)
	return order, w
}

// look judges the parameters behind an epoch; stop says that the round ends.
func (w *watch) look(r *round, trained float64) (stop bool, err error) {
	var sum float64
	labels, weights := make([]float32, r.head.width()), make([]float32, r.head.width())
	for from := 0; from < len(w.held); {
		m := min(r.engine.capacity(), len(w.held)-from)
		logits, err := r.engine.logits(r.engine.parameters(), w.x[from*r.inputs:(from+m)*r.inputs], m)
		if err != nil {
			return false, err
		}
		for i := range m {
			if err := r.label(labels, weights, w.held[from+i], 1); err != nil {
				return false, err
			}
			sum += r.head.loss(logits[i*r.head.outputs:(i+1)*r.head.outputs], labels, weights)
		}
		from += m
	}
	if math.IsNaN(sum) {
		return false, fmt.Errorf("loss %v on records held back: %w", sum, ErrNotFinite)
	}
	if sum < w.least || w.best == nil {
		w.least, w.best, w.trained, w.waited = sum, append(w.best[:0], r.engine.parameters()...), trained, 0
		return false, nil
	}
	w.waited++
	return w.waited >= w.patience, nil
}
