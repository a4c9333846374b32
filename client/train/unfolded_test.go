package train

import (
	"math/rand/v2"
	"testing"

	"atrium/coordinator/federation"
)

// TestUnfoldedIsTheConvolution: whatever BLAS multiplies, products of unfolded records give
// what shifted planes give, also where records do not fill the last product.
func TestUnfoldedIsTheConvolution(t *testing.T) {
	for name, c := range map[string]struct {
		in                     federation.Shape
		filters, height, width int
		relu                   bool
	}{
		"signal": {federation.Shape{Channels: 1, Height: 1, Width: 126}, 3, 1, 7, true},
		"image":  {federation.Shape{Channels: 2, Height: 9, Width: 5}, 4, 3, 3, true},
		"linear": {federation.Shape{Channels: 3, Height: 4, Width: 6}, 2, 1, 1, false},
		"large":  {federation.Shape{Channels: 1, Height: 48, Width: 50}, 2, 5, 5, true},
	} {
		rng := rand.New(rand.NewPCG(51, 0))
		random := func(n int) []float32 {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32(rng.NormFloat64())
			}
			return v
		}
		taps := c.filters * c.in.Channels * c.height * c.width
		weight, bias := random(taps), random(c.filters)
		const rows = 47
		size, outputs := rows*c.in.Size(), rows*c.filters*c.in.Height*c.in.Width
		in, slope := random(size), random(outputs)
		type result struct{ out, weight, bias, in []float32 }
		run := func(make func(federation.Shape, int, int, int, bool, block, block) stage) result {
			r := result{random(outputs), append([]float32(nil), weight...), append([]float32(nil), bias...), random(size)}
			st := make(c.in, c.filters, c.height, c.width, c.relu, block{weight, r.weight}, block{bias, r.bias})
			for range 2 { // gradients add up; nothing of the call before is left
				st.forward(in, r.out, rows, nil)
				st.backward(in, r.out, append([]float32(nil), slope...), r.in, rows)
			}
			st.backward(in, r.out, append([]float32(nil), slope...), nil, rows)
			return r
		}
		want := run(func(in federation.Shape, f, h, w int, relu bool, a, b block) stage {
			return newConv(in, f, h, w, relu, a, b)
		})
		got := run(func(in federation.Shape, f, h, w int, relu bool, a, b block) stage {
			return newUnfolded(in, f, h, w, relu, a, b)
		})
		near(t, name+" output", widen(got.out), widen(want.out), 1e-4)
		near(t, name+" slope of weights", widen(got.weight), widen(want.weight), 1e-2)
		near(t, name+" slope of biases", widen(got.bias), widen(want.bias), 1e-2)
		near(t, name+" slope of inputs", widen(got.in), widen(want.in), 1e-4)
	}
}
