package he

// vector is what a prime's product needs on a processor with AVX2 and FMA. Its
// numbers are integers in float64, four to a register, in the memory of x:
// primes below 2^50 leave them room. A product a*w modulo q is
//
//	h = a*w    k = round(h/q)    (a*w - h) + (h - k*q)
//
// with h rounded and both brackets exact, being fused: a*w - h is the rounding
// error of h, and |h - k*q| < 2^53. With |w| <= q/2 and |a| <= 2^52, k is off by
// less than 2^51 * 2^-52, so that the product lies within q of 0. Two layers
// double a number twice, 4q < 2^52; their sums are reduced to within q/2, and all
// that enters the next two lies within q again. No step depends on a value, and
// there are no subnormal numbers.
type vector struct {
	constants [4]float64 // q, 1/q, 1.5*2^52, 2^52
	roots     []float64  // centred
	own       []float64  // those of the first two layers, as vectorFirst takes them
}

// newVector needs n of at least 16.
func (f *prime) newVector() *vector {
	n := len(f.roots)
	v := &vector{constants: [4]float64{float64(f.q), 1 / float64(f.q), 3 << 51, 1 << 52}, roots: make([]float64, n)}
	for i, r := range f.roots {
		v.roots[i] = f.centre(r.value)
	}
	first, second := v.roots[n/2:], v.roots[n/4:n/2]
	for i := 0; i < n/4; i += 4 {
		for j := range 4 {
			v.own = append(v.own, first[2*(i+j)])
		}
		for j := range 4 {
			v.own = append(v.own, first[2*(i+j)+1])
		}
		v.own = append(v.own, second[i:i+4]...)
	}
	return v
}

// centre returns x, below q, less q if it is above q/2, without branching.
func (f *prime) centre(x uint64) float64 {
	return float64(int64(x - f.q&uint64(int64(f.q/2-x)>>63)))
}

// product is prime.product, with results below 2q.
func (v *vector) product(x []uint64, key []float64) {
	n, c := len(x), &v.constants
	_ = key[n-1]
	vectorFirst(&x[0], &key[0], &v.own[0], &v.roots[n/8], &v.roots[n/16], n/16, c)
	stride := 16
	for ; 4*stride <= n; stride *= 4 {
		groups := n / (4 * stride)
		vectorLayers(&x[0], &v.roots[2*groups], &v.roots[groups], groups, stride, c)
	}
	if stride < n {
		vectorLast(&x[0], n/2, v.roots[1], c)
	} else {
		vectorIntegers(&x[0], n, c)
	}
}
