package train

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"atrium/coordinator/federation"
)

// unfolded is conv for a BLAS that is fast at products of matrices and slow to call: the
// shifted planes of several records are the rows of one matrix, which is multiplied by the
// filters at once.
type unfolded struct {
	*conv
	records int       // that one product takes
	columns []float32 // taps × records·span
	sums    []float32 // filters × records·span: outputs, or their slopes
	slopes  []float32 // as columns
}

// unfoldedValues is how long a row of columns aims to be: long enough that a call costs
// little, short enough that its matrices stay in the cache.
const unfoldedValues = 2048

func newUnfolded(in federation.Shape, filters, height, width int, relu bool, weight, bias block) *unfolded {
	u := &unfolded{conv: newConv(in, filters, height, width, relu, weight, bias)}
	u.records = max(1, unfoldedValues/u.span)
	long := u.records * u.span
	u.columns = make([]float32, u.kernel()*long)
	u.slopes = make([]float32, len(u.columns))
	u.sums = make([]float32, filters*long)
	return u
}

// kernel is how many weights a filter has.
func (u *unfolded) kernel() int { return u.in.Channels * u.height * u.width }

// weights is the matrix of weights, a filter a row.
func (u *unfolded) weights(values []float32) blas32.General {
	return matrix(values, u.filters, u.kernel())
}

// unfold copies the shifted planes of n records, from one on, into columns.
func (u *unfolded) unfold(in []float32, from, n int) {
	size, long := u.in.Size(), n*u.span
	for r := range n {
		u.pad(in[(from+r)*size : (from+r+1)*size])
		u.taps(0, func(tap, at int) { copy(u.columns[tap*long+r*u.span:][:u.span], u.plane[at:at+u.span]) })
	}
}

func (u *unfolded) forward(in, out []float32, rows int, _ draw) {
	area := u.in.Height * u.in.Width
	for from := 0; from < rows; from += u.records {
		n := min(u.records, rows-from)
		long := n * u.span
		u.unfold(in, from, n)
		for f, bias := range u.bias.value {
			row := u.sums[f*long : (f+1)*long]
			for i := range row {
				row[i] = bias
			}
		}
		blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, u.weights(u.weight.value), matrix(u.columns, u.kernel(), long), 1, matrix(u.sums, u.filters, long))
		for f := range u.filters {
			for r := range n {
				at := (from+r)*u.filters + f
				u.collect(u.sums[f*long+r*u.span:][:u.span], out[at*area:(at+1)*area])
			}
		}
	}
}

func (u *unfolded) backward(in, out, outSlope, inSlope []float32, rows int) {
	area := u.in.Height * u.in.Width
	impl := blas32.Implementation()
	for from := 0; from < rows; from += u.records {
		n := min(u.records, rows-from)
		long := n * u.span
		u.unfold(in, from, n)
		for f := range u.filters {
			for r := range n {
				at := ((from+r)*u.filters + f) * area
				u.spread(u.sums[f*long+r*u.span:][:u.span], outSlope[at:at+area], out[at:at+area], f)
			}
		}
		slope, columns := matrix(u.sums, u.filters, long), matrix(u.columns, u.kernel(), long)
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, slope, columns, 1, u.weights(u.weight.slope))
		if inSlope == nil {
			continue
		}
		blas32.Gemm(blas.Trans, blas.NoTrans, 1, u.weights(u.weight.value), slope, 0, matrix(u.slopes, u.kernel(), long))
		size := u.in.Size()
		for r := range n {
			clear(u.planeSlope)
			u.taps(0, func(tap, at int) {
				impl.Saxpy(u.span, 1, u.slopes[tap*long+r*u.span:][:u.span], 1, u.planeSlope[at:at+u.span], 1)
			})
			u.unpad(inSlope[(from+r)*size : (from+r+1)*size])
		}
	}
}
