package train

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"atrium/coordinator/federation"
)

func matrix(data []float32, rows, cols int) blas32.General {
	return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
}

// dense is x·W + b and, where it says so, ReLU, in one stage.
type dense struct {
	in, out      int
	relu         bool
	weight, bias block
}

func (d *dense) forward(in, out []float32, rows int, _ draw) {
	for i := range rows {
		copy(out[i*d.out:(i+1)*d.out], d.bias.value)
	}
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, matrix(in, rows, d.in), matrix(d.weight.value, d.in, d.out), 1, matrix(out, rows, d.out))
	if d.relu {
		rectify(out[:rows*d.out])
	}
}

func (d *dense) backward(in, out, outSlope, inSlope []float32, rows int) {
	outSlope = outSlope[:rows*d.out]
	if d.relu {
		mask(outSlope, out)
	}
	blas32.Gemm(blas.Trans, blas.NoTrans, 1, matrix(in, rows, d.in), matrix(outSlope, rows, d.out), 1, matrix(d.weight.slope, d.in, d.out))
	for i := range rows {
		for j, v := range outSlope[i*d.out : (i+1)*d.out] {
			d.bias.slope[j] += v
		}
	}
	if inSlope != nil {
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, matrix(outSlope, rows, d.out), matrix(d.weight.value, d.in, d.out), 0, matrix(inSlope, rows, d.in))
	}
}

func rectify(out []float32) {
	for i, v := range out {
		out[i] = max(v, 0) // NaN stays, to be found
	}
}

// mask clears the slope of what ReLU made 0.
func mask(slope, out []float32) {
	for i := range slope {
		if out[i] == 0 {
			slope[i] = 0
		}
	}
}

// conv is a convolution with zeros beyond the border, bias and ReLU in one stage. A
// channel is copied into a plane with margins; then a tap of the kernel adds the whole
// plane, shifted, to the output in one call. What lands in the right margin is dropped.
type conv struct {
	in            federation.Shape
	filters       int
	height, width int // of the kernel
	relu          bool
	weight, bias  block
	stride, span  int       // of a padded row; of all rows without the last margin
	plane         []float32 // channels × padded plane
	planeSlope    []float32
	sum           []float32 // span
}

func newConv(in federation.Shape, filters, height, width int, relu bool, weight, bias block) *conv {
	c := &conv{in: in, filters: filters, height: height, width: width, relu: relu, weight: weight, bias: bias}
	c.stride = in.Width + width - 1
	c.span = (in.Height-1)*c.stride + in.Width
	c.plane = make([]float32, in.Channels*c.padded())
	c.planeSlope = make([]float32, len(c.plane))
	c.sum = make([]float32, c.span)
	return c
}

// padded is the size of a plane with margins.
func (c *conv) padded() int { return (c.in.Height + c.height - 1) * c.stride }

// row is where a row of a channel begins in the padded planes.
func (c *conv) row(channel, y int) int {
	return channel*c.padded() + (y+c.height/2)*c.stride + c.width/2
}

// taps calls f for each weight of a filter with where its shifted plane begins.
func (c *conv) taps(filter int, f func(weight, at int)) {
	weight := filter * c.in.Channels * c.height * c.width
	for channel := range c.in.Channels {
		for y := range c.height {
			for x := range c.width {
				f(weight, channel*c.padded()+y*c.stride+x)
				weight++
			}
		}
	}
}

func (c *conv) pad(record []float32) {
	for channel := range c.in.Channels {
		for y := range c.in.Height {
			from := (channel*c.in.Height + y) * c.in.Width
			copy(c.plane[c.row(channel, y):], record[from:from+c.in.Width])
		}
	}
}

func (c *conv) forward(in, out []float32, rows int, _ draw) {
	impl := blas32.Implementation()
	size, area := c.in.Size(), c.in.Height*c.in.Width
	for r := range rows {
		c.pad(in[r*size : (r+1)*size])
		for f := range c.filters {
			bias := c.bias.value[f]
			for i := range c.sum {
				c.sum[i] = bias
			}
			c.taps(f, func(weight, at int) {
				impl.Saxpy(c.span, c.weight.value[weight], c.plane[at:at+c.span], 1, c.sum, 1)
			})
			c.collect(c.sum, out[(r*c.filters+f)*area:(r*c.filters+f+1)*area])
		}
	}
}

// collect copies the sums of a plane without margins.
func (c *conv) collect(sum, out []float32) {
	for y := range c.in.Height {
		copy(out[y*c.in.Width:(y+1)*c.in.Width], sum[y*c.stride:])
	}
	if c.relu {
		rectify(out)
	}
}

func (c *conv) backward(in, out, outSlope, inSlope []float32, rows int) {
	impl := blas32.Implementation()
	size, area := c.in.Size(), c.in.Height*c.in.Width
	for r := range rows {
		c.pad(in[r*size : (r+1)*size])
		clear(c.planeSlope)
		for f := range c.filters {
			at := (r*c.filters + f) * area
			if !c.spread(c.sum, outSlope[at:at+area], out[at:at+area], f) {
				continue
			}
			c.taps(f, func(weight, at int) {
				c.weight.slope[weight] += impl.Sdot(c.span, c.sum, 1, c.plane[at:at+c.span], 1)
				if inSlope != nil {
					impl.Saxpy(c.span, c.weight.value[weight], c.sum, 1, c.planeSlope[at:at+c.span], 1)
				}
			})
		}
		if inSlope != nil {
			c.unpad(inSlope[r*size : (r+1)*size])
		}
	}
}

// spread puts a filter's slopes into the rows of a plane with margins of 0 and adds them to
// that of the bias; false: all of them are 0.
func (c *conv) spread(plane, slope, out []float32, filter int) bool {
	if c.relu {
		mask(slope, out)
	}
	clear(plane)
	var sum float32
	some := false
	for y := range c.in.Height {
		row := slope[y*c.in.Width : (y+1)*c.in.Width]
		copy(plane[y*c.stride:], row)
		for _, v := range row {
			sum += v
			some = some || v != 0
		}
	}
	c.bias.slope[filter] += sum
	return some
}

func (c *conv) unpad(record []float32) {
	for channel := range c.in.Channels {
		for y := range c.in.Height {
			at := (channel*c.in.Height + y) * c.in.Width
			copy(record[at:at+c.in.Width], c.planeSlope[c.row(channel, y):])
		}
	}
}

// maxPool takes the greatest of each block and remembers where it was.
type maxPool struct {
	in, out       federation.Shape
	height, width int
	from          []int32 // rows × outputs: index in the record
}

func (p *maxPool) forward(in, out []float32, rows int, _ draw) {
	at := 0
	for r := range rows {
		record := in[r*p.in.Size() : (r+1)*p.in.Size()]
		for c := range p.in.Channels {
			for y := range p.out.Height {
				for x := range p.out.Width {
					first := (c*p.in.Height+y*p.height)*p.in.Width + x*p.width
					out[at], p.from[at] = p.greatest(record, first)
					at++
				}
			}
		}
	}
}

func (p *maxPool) greatest(record []float32, first int) (float32, int32) {
	most, where := record[first], first
	for y := range p.height {
		for i := first + y*p.in.Width; i < first+y*p.in.Width+p.width; i++ {
			if v := record[i]; v > most || v != v {
				most, where = v, i
			}
		}
	}
	return most, int32(where)
}

func (p *maxPool) backward(_, _, outSlope, inSlope []float32, rows int) {
	if inSlope == nil {
		return
	}
	clear(inSlope[:rows*p.in.Size()])
	n := p.out.Size()
	for r := range rows {
		record := inSlope[r*p.in.Size() : (r+1)*p.in.Size()]
		for i, v := range outSlope[r*n : (r+1)*n] {
			record[p.from[r*n+i]] += v
		}
	}
}

// groupNorm normalises groups of channels of one record, then scales and shifts each
// channel.
type groupNorm struct {
	in            federation.Shape
	groups        int
	relu          bool
	scale, shift  block
	mean, inverse []float32 // rows × groups: of the records last seen
}

// normEpsilon is added to a variance.
const normEpsilon = 1e-5

func (g *groupNorm) forward(in, out []float32, rows int, _ draw) {
	area := g.in.Height * g.in.Width
	size := g.in.Size() / g.groups
	for i := range rows * g.groups {
		values, target := in[i*size:(i+1)*size], out[i*size:(i+1)*size]
		var sum, square float64
		for _, v := range values {
			sum += float64(v)
		}
		mean := sum / float64(size)
		for _, v := range values {
			square += (float64(v) - mean) * (float64(v) - mean)
		}
		m, inverse := float32(mean), float32(1/math.Sqrt(square/float64(size)+normEpsilon))
		g.mean[i], g.inverse[i] = m, inverse
		for j, v := range values {
			c := g.channel(i, j, area)
			target[j] = (v-m)*inverse*g.scale.value[c] + g.shift.value[c]
		}
	}
	if g.relu {
		rectify(out[:rows*g.in.Size()])
	}
}

// channel of value j of group i, counted over all records.
func (g *groupNorm) channel(i, j, area int) int {
	return i%g.groups*(g.in.Channels/g.groups) + j/area
}

func (g *groupNorm) backward(in, out, outSlope, inSlope []float32, rows int) {
	if g.relu {
		mask(outSlope[:rows*g.in.Size()], out)
	}
	area := g.in.Height * g.in.Width
	size := g.in.Size() / g.groups
	for i := range rows * g.groups {
		values, slope := in[i*size:(i+1)*size], outSlope[i*size:(i+1)*size]
		var sum, along float64 // of the slopes by the normalised values
		for j, v := range values {
			c, normal := g.channel(i, j, area), (v-g.mean[i])*g.inverse[i]
			g.scale.slope[c] += slope[j] * normal
			g.shift.slope[c] += slope[j]
			d := float64(slope[j] * g.scale.value[c])
			sum += d
			along += d * float64(normal)
		}
		if inSlope == nil {
			continue
		}
		mean, part := float32(sum/float64(size)), float32(along/float64(size))
		for j, v := range values {
			normal := (v - g.mean[i]) * g.inverse[i]
			inSlope[i*size+j] = g.inverse[i] * (slope[j]*g.scale.value[g.channel(i, j, area)] - mean - normal*part)
		}
	}
}

// dropout multiplies by a mask that it draws for each batch.
type dropout struct {
	size int // values of a record
	rate float64
	keep []float32 // rows × size: 0 or 1/(1−rate); of the batch last learned
}

func (d *dropout) forward(in, out []float32, rows int, draw draw) {
	if draw == nil {
		copy(out[:rows*d.size], in)
		return
	}
	scale := float32(1 / (1 - d.rate))
	for i := range rows * d.size {
		d.keep[i] = scale
		if draw.Float64() < d.rate {
			d.keep[i] = 0
		}
		out[i] = in[i] * d.keep[i]
	}
}

func (d *dropout) backward(_, _, outSlope, inSlope []float32, rows int) {
	if inSlope == nil {
		return
	}
	for i := range rows * d.size {
		inSlope[i] = outSlope[i] * d.keep[i]
	}
}
