package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"atrium/coordinator/federation"
)

// round is one call of Train: plain gradient descent on a graph whose parameters
// were set to base. It keeps no state beyond the call, so no momentum of one round
// reaches the next.
type round struct {
	graph      *graph
	base       []float32
	correction []float32 // added to the gradient; nil: nothing
	x, y       []float32
	rows       int
	local      federation.Local
}

// train takes the round's steps and returns the loss that Trainer.Train documents.
// Every pass over the records has a new order; when a batch holds all of them, the
// order is the given one.
func (r *round) train(ctx context.Context, seed uint64) (float64, error) {
	batch := r.local.Batch
	if batch <= 0 || batch > r.rows {
		batch = r.rows
	}
	perPass := (r.rows + batch - 1) / batch
	steps := r.local.Steps
	if steps == 0 {
		steps = r.local.Epochs * perPass
	}
	order := make([]int, r.rows)
	for i := range order {
		order[i] = i
	}
	if err := r.zero(); err != nil { // a round that failed may have left some
		return 0, err
	}
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
		records := order[at:min(at+batch, r.rows)]
		loss, err := r.step(records)
		if err != nil {
			return 0, fmt.Errorf("train step %d: %w", step+1, err)
		}
		sum += loss * float64(len(records))
		counted += float64(len(records))
	}
	if counted == 0 {
		return 0, nil
	}
	return sum / counted, nil
}

// step descends once along the mean gradient of the records, which run through the
// graph in pieces of its size, and returns their mean loss before the update.
func (r *round) step(records []int) (float64, error) {
	var loss float64
	weight := float32(1 / float64(len(records)))
	for from := 0; from < len(records); from += r.graph.rows {
		r.fill(records[from:min(from+r.graph.rows, len(records))], weight)
		if err := r.graph.run(); err != nil {
			return 0, err
		}
		losses, err := values(r.graph.losses)
		if err != nil {
			return 0, fmt.Errorf("read loss: %w", err)
		}
		for _, l := range losses {
			loss += float64(l)
		}
	}
	if err := r.descend(); err != nil {
		return 0, err
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return 0, fmt.Errorf("loss %v: %w", loss, ErrNotFinite)
	}
	return loss, nil
}

// fill puts the records into the graph and zeroes the rows behind them.
func (r *round) fill(records []int, weight float32) {
	g := r.graph
	for i, k := range records {
		copy(g.x[i*g.inputs:(i+1)*g.inputs], r.x[k*g.inputs:(k+1)*g.inputs])
		g.y[i], g.weight[i] = r.y[k], weight
	}
	clear(g.x[len(records)*g.inputs:])
	clear(g.y[len(records):])
	clear(g.weight[len(records):])
}

// descend moves the parameters against gradient plus correction plus
// μ·(parameters − base) and zeroes the gradients.
func (r *round) descend() error {
	gradients, err := r.graph.gradients()
	if err != nil {
		return err
	}
	rate, mu := float32(r.local.LearningRate), float32(r.local.ProxMu)
	at := 0
	for _, gradient := range gradients {
		for i, d := range gradient {
			if r.correction != nil {
				d += r.correction[at+i]
			}
			p := &r.graph.params[at+i]
			*p -= rate * (d + mu*(*p-r.base[at+i]))
		}
		at += len(gradient)
		clear(gradient)
	}
	return nil
}

func (r *round) zero() error {
	gradients, err := r.graph.gradients()
	for _, gradient := range gradients {
		clear(gradient)
	}
	return err
}
