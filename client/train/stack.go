package train

import "atrium/coordinator/federation"

// stack is the engine of models that a plan lists layer by layer. It does not use
// gorgonia: a convolution there unfolds its input into a matrix, runs bias, activation
// and pooling as operations of their own and is several times slower than the fused
// stages here, which add shifted planes with the vector routines of gonum's BLAS.
type stack struct {
	inputs        int
	head          head
	rows          int
	params, slope []float32 // flat; slope are the gradients
	x, y, weight  []float32
	stages        []stage
	values        [][]float32 // behind each stage, rows × its outputs; the last are logits
	slopes        [][]float32 // of the loss by values
	learned       bool
}

// stage is one layer over several records. in and out are row-major, a record a row.
type stage interface {
	// forward fills out; draw is nil when scoring.
	forward(in, out []float32, rows int, draw draw)
	// backward adds to the gradients of the stage's parameters, given the slope of the loss
	// by out, which it may change, and sets the slope by in unless inSlope is nil.
	backward(in, out, outSlope, inSlope []float32, rows int)
}

func newStack(model federation.Model, inputs, rows int) *stack {
	shapes := model.Shapes(inputs)
	n := model.ParameterCount(inputs)
	s := &stack{inputs: inputs, head: headOf(model), rows: rows, params: make([]float32, n), slope: make([]float32, n),
		x: make([]float32, rows*inputs)}
	s.y, s.weight = make([]float32, rows*s.head.width()), make([]float32, rows*s.head.width())
	at := 0
	take := func(size int) block {
		b := block{s.params[at : at+size], s.slope[at : at+size]}
		at += size
		return b
	}
	add := func(st stage, outputs int) {
		s.stages = append(s.stages, st)
		s.values = append(s.values, make([]float32, rows*outputs))
		s.slopes = append(s.slopes, make([]float32, rows*outputs))
	}
	for i, l := range model.Layers {
		in, out := shapes[i], shapes[i+1]
		var st stage
		switch l.Kind {
		case federation.Dense:
			st = &dense{in: in.Size(), out: l.Units, relu: l.IsReLU(), weight: take(in.Size() * l.Units), bias: take(l.Units)}
		case federation.Conv:
			h, w := in.Kernel(l.Kernel)
			st = newConvolution(in, l.Filters, h, w, l.IsReLU(), take(l.Filters*in.Channels*h*w), take(l.Filters))
		case federation.Pool:
			h, w := in.Kernel(l.Size)
			st = &maxPool{in: in, out: out, height: h, width: w, from: make([]int32, rows*out.Size())}
		case federation.GroupNorm:
			st = &groupNorm{in: in, groups: l.Groups, relu: l.IsReLU(), scale: take(in.Channels), shift: take(in.Channels),
				mean: make([]float32, rows*l.Groups), inverse: make([]float32, rows*l.Groups)}
		case federation.Dropout:
			st = &dropout{size: in.Size(), rate: l.Rate, keep: make([]float32, rows*in.Size())}
		}
		add(st, out.Size())
	}
	last := shapes[len(model.Layers)].Size()
	add(&dense{in: last, out: model.Outputs(), weight: take(last * model.Outputs()), bias: take(model.Outputs())}, model.Outputs())
	return s
}

func headOf(model federation.Model) head {
	return head{outputs: model.Outputs(), classes: model.Classes > 0, positive: model.Positive}
}

// block is a tensor's parameters and their gradients.
type block struct{ value, slope []float32 }

func (s *stack) capacity() int                   { return s.rows }
func (s *stack) parameters() []float32           { return s.params }
func (s *stack) batch() (x, y, weight []float32) { return s.x, s.y, s.weight }
func (s *stack) close() error                    { return nil }

func (s *stack) gradients() ([][]float32, error) {
	if !s.learned {
		return nil, nil
	}
	return [][]float32{s.slope}, nil
}

func (s *stack) forward(x []float32, rows int, draw draw) []float32 {
	for i, st := range s.stages {
		st.forward(x, s.values[i], rows, draw)
		x = s.values[i]
	}
	return x
}

func (s *stack) learn(rows int, draw draw) (float64, error) {
	s.learned = true
	logits := s.forward(s.x, rows, draw)
	var loss float64
	last, n, w := len(s.stages)-1, s.head.outputs, s.head.width()
	for i := range rows {
		z, y, weight := logits[i*n:(i+1)*n], s.y[i*w:(i+1)*w], s.weight[i*w:(i+1)*w]
		loss += s.head.loss(z, y, weight)
		s.head.slope(s.slopes[last][i*n:(i+1)*n], z, y, weight)
	}
	for i := last; i > 0; i-- {
		s.stages[i].backward(s.values[i-1], s.values[i], s.slopes[i], s.slopes[i-1], rows)
	}
	s.stages[0].backward(s.x, s.values[0], s.slopes[0], nil, rows)
	return loss, nil
}

func (s *stack) logits(params, x []float32, rows int) ([]float32, error) {
	copy(s.params, params)
	return s.forward(x, rows, nil)[:rows*s.head.outputs], nil
}

// stackRows returns how many records a stack holds at once.
func stackRows(model federation.Model, inputs, rows int) int {
	all := inputs
	for _, s := range model.Shapes(inputs) {
		all += s.Size()
	}
	return max(1, min(rows, MaxGraphRows, MaxActivations/all))
}
