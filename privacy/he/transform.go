package he

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
func (f *prime) product(x []uint64, key []factor) {
	n := len(x)
	f.firstLayers(x, key)
	lift := 8 * f.q
	f.layersOf4(x, lift)
	t := 16
	for lift *= 4; 4*t <= n; lift *= 4 {
		for i := 0; i*4*t < n; i++ {
			g := x[i*4*t : (i+1)*4*t]
			u := (*[2]factor)(f.roots[n/(2*t)+2*i:])
			layers(g[:t], g[t:2*t], g[2*t:3*t], g[3*t:], u, &f.roots[n/(4*t)+i], f.q, lift)
		}
		t *= 4
	}
	if 2*t <= n {
		lastLayer(x[:t], x[t:], f.roots[1], f.q, lift)
	}
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

// layers does two layers on the four quarters of a group.
func layers(x0, x1, x2, x3 []uint64, u *[2]factor, v *factor, q, lift uint64) {
	x1, x2, x3 = x1[:len(x0)], x2[:len(x0)], x3[:len(x0)]
	for i := range x0 {
		a, b := x0[i], x1[i]
		b, a = u[0].times(a-b+lift, q), a+b
		c, d := x2[i], x3[i]
		d, c = u[1].times(c-d+lift, q), c+d
		x0[i] = a + c
		x2[i] = v.times(a-c+2*lift, q)
		x1[i] = b + d
		x3[i] = v.times(b-d+2*lift, q)
	}
}

// lastLayer does the layer of stride N/2.
func lastLayer(x0, x1 []uint64, u factor, q, lift uint64) {
	x1 = x1[:len(x0)]
	for i := range x0 {
		a, b := x0[i], x1[i]
		x0[i], x1[i] = a+b, u.times(a-b+lift, q)
	}
}
