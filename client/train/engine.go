package train

// engine computes a network's loss, gradients and logits. It owns its parameters and its
// batch for its whole life and is filled in place.
type engine interface {
	// capacity is how many records fit the batch.
	capacity() int
	// parameters is the flat vector that learn uses and that an optimiser changes.
	parameters() []float32
	// batch are the slices that the caller fills: x capacity × inputs, y and weight
	// capacity × labels.
	batch() (x, y, weight []float32)
	// learn adds the gradients of Σ weight·loss over the first rows records of the batch
	// and returns that sum. draw is the source of dropout.
	learn(rows int, draw draw) (float64, error)
	// gradients are the slices, in the order of parameters, into which learn adds;
	// nothing before the first.
	gradients() ([][]float32, error)
	// logits are those of at most capacity records, rows × outputs, valid until the next
	// call. params may be what parameters returned.
	logits(params, x []float32, rows int) ([]float32, error)
	close() error
}

// draw is a seeded source of numbers from 0 to below 1.
type draw interface{ Float64() float64 }

// graphs is the engine of dense networks on gorgonia.
type graphs struct{ train, score *graph }

func (e graphs) capacity() int                   { return e.train.rows }
func (e graphs) parameters() []float32           { return e.train.params }
func (e graphs) gradients() ([][]float32, error) { return e.train.gradients() }

func (e graphs) batch() (x, y, weight []float32) { return e.train.x, e.train.y, e.train.weight }

// learn zeroes the rows behind the records: they have weight 0.
func (e graphs) learn(rows int, _ draw) (float64, error) {
	g := e.train
	clear(g.x[rows*g.inputs:])
	clear(g.y[rows:])
	clear(g.weight[rows:])
	if err := g.run(); err != nil {
		return 0, err
	}
	losses, err := values(g.losses)
	if err != nil {
		return 0, err
	}
	var loss float64
	for _, l := range losses {
		loss += float64(l)
	}
	return loss, nil
}

func (e graphs) logits(params, x []float32, rows int) ([]float32, error) {
	g := e.score
	copy(g.params, params)
	clear(g.x[copy(g.x, x[:rows*g.inputs]):])
	if err := g.run(); err != nil {
		return nil, err
	}
	out, err := values(g.logits)
	if err != nil {
		return nil, err
	}
	return out[:rows], nil
}

func (e graphs) close() error {
	err := e.train.close()
	if other := e.score.close(); err == nil {
		err = other
	}
	return err
}
