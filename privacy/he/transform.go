package he

// multiplicand is a polynomial in the transform domain, ready for products: in
// the one form or the other, as the prime's product takes it.
type multiplicand struct {
	factors []factor
	centred []float64
}

// multiplicand prepares values below q.
func (f *prime) multiplicand(values []uint64) (m multiplicand) {
	if f.vector != nil {
		m.centred = make([]float64, len(values))
		for i, v := range values {
			m.centred[i] = f.centre(v)
		}
		return m
	}
	m.factors = make([]factor, len(values))
	for i, v := range values {
		m.factors[i] = f.factor(v)
	}
	return m
}

// erase overwrites m.
func (m multiplicand) erase() {
	clear(m.factors)
	clear(m.centred)
}

// product sets x, the transform of a public polynomial, to the coefficients of
// its product with key, each below 2^LogN*(q+q/2^13) and not reduced. Keys
// carry the factor 1/N.
//
// The inverse transform is lattigo's, Gentleman and Sande's with the roots in
// bit-reversed order, in other steps: two layers at a time, and without
// reducing sums. Let w be q+q/2^13. Products of x below q < 2^50 are below w;
// after l layers a value is below 2^l*w, since the difference branch ends in
// a product below 2q <= 2^l*w, or, after the first, below 2w; lifts of
// 2^(l+1)*q keep differences positive and below 3.1*2^(l+50), so that nothing
// reaches 2^64 in 13 layers.
func (f *prime) product(x []uint64, key multiplicand) {
	if f.vector != nil {
		f.vector.product(x, key.centred)
		return
	}
	n, q := len(x), f.q
	f.firstLayers(x, key.factors)
	f.layersOf4(x, 8*q)
	for i := range n / 64 {
		u, v := f.rootsOf(n/64 + i)
		layers((*[64]uint64)(x[64*i:]), u, v, q, 32*q)
	}
	for i := range n / 256 {
		u, v := f.rootsOf(n/256 + i)
		layers((*[256]uint64)(x[256*i:]), u, v, q, 128*q)
	}
	for i := range n / 1024 {
		u, v := f.rootsOf(n/1024 + i)
		layers((*[1024]uint64)(x[1024*i:]), u, v, q, 512*q)
	}
	for i := range n / 4096 {
		u, v := f.rootsOf(n/4096 + i)
		layers((*[4096]uint64)(x[4096*i:]), u, v, q, 2048*q)
	}
	if n == 8192 {
		lastLayer(x[:n/2], x[n/2:], f.roots[1], q, 8192*q)
	}
}

// rootsOf returns root i for the second layer of a group and the two for its first.
func (f *prime) rootsOf(i int) (first *[2]factor, second *factor) {
	return (*[2]factor)(f.roots[2*i : 2*i+2]), &f.roots[i]
}

// firstLayers multiplies by the key and does the layers of stride 1 and 2.
func (f *prime) firstLayers(x []uint64, key []factor) {
	n, q := len(x), f.q
	first, second := f.roots[n/2:n], f.roots[n/4:n/2]
	for i := range second {
		p, k := (*[4]uint64)(x[4*i:4*i+4]), (*[4]factor)(key[4*i:4*i+4])
		u, v := (*[2]factor)(first[2*i:2*i+2]), &second[i]
		a, b := k[0].times(p[0], q), k[1].times(p[1], q)
		b, a = u[0].times(a-b+2*q, q), a+b
		c, d := k[2].times(p[2], q), k[3].times(p[3], q)
		d, c = u[1].times(c-d+2*q, q), c+d
		p[0], p[1] = a+c, b+d
		p[2], p[3] = v.times(a-c+4*q, q), v.times(b-d+4*q, q)
	}
}

// layersOf4 does the layers of stride 4 and 8.
func (f *prime) layersOf4(x []uint64, lift uint64) {
	n, q := len(x), f.q
	first, second := f.roots[n/8:n/4], f.roots[n/16:n/8]
	for i := range second {
		p := (*[16]uint64)(x[16*i : 16*i+16])
		u, v := (*[2]factor)(first[2*i:2*i+2]), &second[i]
		for j := range 4 {
			a, b := p[j], p[j+4]
			b, a = u[0].times(a-b+lift, q), a+b
			c, d := p[j+8], p[j+12]
			d, c = u[1].times(c-d+lift, q), c+d
			p[j], p[j+4] = a+c, b+d
			p[j+8], p[j+12] = v.times(a-c+2*lift, q), v.times(b-d+2*lift, q)
		}
	}
}

// layers does two layers on the four quarters of a group. It is compiled once
// for each size, so that the distance between quarters is a constant.
func layers[G [64]uint64 | [256]uint64 | [1024]uint64 | [4096]uint64](group *G, u *[2]factor, v *factor, q, lift uint64) {
	t := len(*group) / 4
	for i := range t {
		a, b := (*group)[i], (*group)[i+t]
		ab := a + b
		b = u[0].times(a-b+lift, q)
		c, d := (*group)[i+2*t], (*group)[i+3*t]
		cd := c + d
		d = u[1].times(c-d+lift, q)
		(*group)[i] = ab + cd
		(*group)[i+2*t] = v.times(ab-cd+2*lift, q)
		(*group)[i+t] = b + d
		(*group)[i+3*t] = v.times(b-d+2*lift, q)
	}
}

// lastLayer does the layer of stride N/2 for which no other is left.
func lastLayer(x0, x1 []uint64, u factor, q, lift uint64) {
	x1 = x1[:len(x0)]
	for i := range x0 {
		a, b := x0[i], x1[i]
		x0[i], x1[i] = a+b, u.times(a-b+lift, q)
	}
}
