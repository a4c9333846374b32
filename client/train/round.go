package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"atrium/coordinator/federation"
)

// round is one call of Train: descent on an engine whose parameters were set to base.
// It keeps no state beyond the call.
type round struct {
	engine     engine
	head       head
	base       []float32
	correction []float32 // added to the gradient; nil: nothing
	inputs     int
	x, y       []float32
	rows       int
	local      federation.Local
	trained    []span // parameters that move
	optimiser  *optimiser
	drop       draw
}

// span is a run of parameters.
type span struct{ from, to int }

// trainedSpans are the runs of parameters that a round trains, in order.
func trainedSpans(layout []federation.Tensor, local federation.Local) []span {
	var list []span
	at := 0
	for _, t := range layout {
		next := at + t.Size()
		switch last := len(list) - 1; {
		case !local.Trains(t.Name):
		case last >= 0 && list[last].to == at:
			list[last].to = next
		default:
			list = append(list, span{at, next})
		}
		at = next
	}
	return list
}

// train takes the round's steps and returns the loss that Trainer.Train documents.
// Every pass over the records has a new order; when a batch holds all of them, the
// order is the given one.
func (r *round) train(ctx context.Context, seed uint64) (float64, error) {
	order, watch := r.holdBack()
	batch := r.local.Batch
	if batch <= 0 || batch > len(order) {
		batch = len(order)
	}
	perPass := (len(order) + batch - 1) / batch
	steps := r.local.Steps
	if steps == 0 {
		steps = r.local.Epochs * perPass
	}
	if err := r.zero(); err != nil { // a round that failed may have left some
		return 0, err
	}
	r.optimiser = newOptimiser(r.local, len(r.base))
	r.drop = rand.New(rand.NewPCG(seed, dropStream))
	rng := rand.New(rand.NewPCG(seed, orderStream))
	var sum, counted float64 // of the loss and the records behind it
	for step := range steps {
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("train step %d: %w", step+1, err)
		}
		at := step % perPass * batch
		if at == 0 && perPass > 1 {
			rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		if at == 0 || r.local.Steps > 0 {
			sum, counted = 0, 0
		}
		records := order[at:min(at+batch, len(order))]
		loss, err := r.step(records)
		if err != nil {
			return 0, fmt.Errorf("train step %d: %w", step+1, err)
		}
		sum += loss * float64(len(records))
		counted += float64(len(records))
		if watch != nil && step%perPass == perPass-1 {
			stop, err := watch.look(r, sum/counted)
			if err != nil {
				return 0, fmt.Errorf("train step %d: %w", step+1, err)
			}
			if stop {
				break
			}
		}
	}
	if watch != nil {
		copy(r.engine.parameters(), watch.best)
		return watch.trained, nil
	}
	if counted == 0 {
		return 0, nil
	}
	return sum / counted, nil
}

// step descends once along the mean gradient of the records, which run through the
// engine in pieces of its size, and returns their mean loss before the update.
func (r *round) step(records []int) (float64, error) {
	var loss float64
	weight := 1 / float64(len(records))
	size := r.engine.capacity()
	for from := 0; from < len(records); from += size {
		piece := records[from:min(from+size, len(records))]
		if err := r.fill(piece, weight); err != nil {
			return 0, err
		}
		l, err := r.engine.learn(len(piece), r.drop)
		if err != nil {
			return 0, err
		}
		loss += l
	}
	if err := r.descend(); err != nil {
		return 0, err
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return 0, fmt.Errorf("loss %v: %w", loss, ErrNotFinite)
	}
	return loss, nil
}

// fill puts the records into the engine's batch.
func (r *round) fill(records []int, weight float64) error {
	x, y, weights := r.engine.batch()
	for i, k := range records {
		copy(x[i*r.inputs:(i+1)*r.inputs], r.x[k*r.inputs:(k+1)*r.inputs])
		w := r.head.width()
		if err := r.label(y[i*w:(i+1)*w], weights[i*w:(i+1)*w], k, weight); err != nil {
			return err
		}
	}
	return nil
}

// label puts the labels of record k and what each counts, of a weight, into y and weights.
func (r *round) label(y, weights []float32, k int, weight float64) error {
	w := len(y)
	copy(y, r.y[k*w:(k+1)*w])
	if w == 1 {
		own, err := r.classWeight(y[0])
		weights[0] = float32(weight * own)
		return err
	}
	for j, label := range y {
		if label != 0 && label != 1 {
			return fmt.Errorf("label %v of %d: want 0 or 1: %w", label, j+1, ErrShape)
		}
		own := 1.0
		if label == 1 && r.local.ClassWeights != nil {
			own = r.local.ClassWeights[j]
		}
		weights[j] = float32(weight * own / float64(w))
	}
	return nil
}

// classWeight is what a record of a label counts, where it has one.
func (r *round) classWeight(label float32) (float64, error) {
	if r.local.ClassWeights == nil {
		return 1, nil
	}
	for class, w := range r.local.ClassWeights {
		if label == float32(class) {
			return w, nil
		}
	}
	return 0, fmt.Errorf("label %v is none of %d classes: %w", label, len(r.local.ClassWeights), ErrShape)
}

// descend moves the parameters that are trained against gradient plus correction plus
// μ·(parameters − base) and zeroes the gradients.
func (r *round) descend() error {
	gradients, err := r.engine.gradients()
	if err != nil {
		return err
	}
	mu, params := float32(r.local.ProxMu), r.engine.parameters()
	r.optimiser.next()
	at := 0
	for _, gradient := range gradients {
		for i := range gradient {
			if r.correction != nil {
				gradient[i] += r.correction[at+i]
			}
			if mu != 0 {
				gradient[i] += mu * (params[at+i] - r.base[at+i])
			}
		}
		end := at + len(gradient)
		for _, s := range r.trained {
			if from, to := max(s.from, at), min(s.to, end); from < to {
				r.optimiser.step(from, params[from:to], gradient[from-at:to-at])
			}
		}
		at = end
		clear(gradient)
	}
	return nil
}

func (r *round) zero() error {
	gradients, err := r.engine.gradients()
	for _, gradient := range gradients {
		clear(gradient)
	}
	return err
}
