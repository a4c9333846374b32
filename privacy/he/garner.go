package he

import "math/bits"

// garner turns residues into the number below Q, in mixed radix:
// x = x0 + q0*(x1 + q1*x2) (Knuth, The Art of Computer Programming, volume 2,
// §4.3.2, after H. L. Garner).
type garner struct {
	primes                 []prime
	inv01, inv02, inv12    factor // 1/q0 modulo q1, and so on
	lift01, lift02, lift12 uint64 // multiples of q1, q2, q2 that are at least q0, q0, q1
	vector                 *garnerVector
}

func newGarner(primes []prime) garner {
	g := garner{primes: primes}
	step := func(i, j int) (factor, uint64) {
		f, x := &primes[j], primes[i].q
		return f.factor(f.inverse(x)), (x/f.q + 1) * f.q
	}
	if len(primes) > 1 {
		g.inv01, g.lift01 = step(0, 1)
	}
	if len(primes) > 2 {
		g.inv02, g.lift02 = step(0, 2)
		g.inv12, g.lift12 = step(1, 2)
	}
	if haveVectors {
		g.vector = g.newVector()
	}
	return g
}

// garnerVector is what vectorDigits needs: the primes' constants, and the
// inverses centred.
type garnerVector struct {
	constants           [MaxPrimes][4]float64
	inv01, inv02, inv12 float64
}

func (g *garner) newVector() *garnerVector {
	v := new(garnerVector)
	for j := range g.primes {
		v.constants[j] = g.primes[j].vector.constants
	}
	if len(g.primes) > 1 {
		v.inv01 = g.primes[1].centre(g.inv01.value)
	}
	if len(g.primes) > 2 {
		v.inv02, v.inv12 = g.primes[2].centre(g.inv02.value), g.primes[2].centre(g.inv12.value)
	}
	return v
}

// unmask replaces products, each below its prime's overflow, by the digits of
// sums + up - products: of Delta*m plus noise moved up to begin at 0. Sums are
// below 2^52.
func (g *garner) unmask(products, sums [][]uint64, up uint64) {
	done := 0
	if n := len(products[0]) &^ 3; g.vector != nil && n > 0 {
		var p, s [MaxPrimes]*uint64
		for j := range products {
			p[j], s[j] = &products[j][0], &sums[j][0]
		}
		vectorDigits(&p, &s, len(products), n, float64(up), g.vector)
		done = n
	}
	var rest [MaxPrimes][]uint64
	for j := range products {
		rest[j] = products[j][done:]
		g.primes[j].unmask(rest[j], sums[j][done:], up)
	}
	g.digits(rest[:len(products)])
}

// digits replaces residues, one slice for each prime and below twice that
// prime, by x0, x1 and x2.
func (g *garner) digits(residues [][]uint64) {
	q0 := g.primes[0].q
	r0 := residues[0]
	for i, r := range r0 {
		r0[i] = reduceOnce(r, q0)
	}
	if len(residues) == 1 {
		return
	}
	q1, r1 := g.primes[1].q, residues[1][:len(r0)]
	for i, x0 := range r0 {
		r1[i] = reduceOnce(g.inv01.times(r1[i]+g.lift01-x0, q1), q1)
	}
	if len(residues) == 2 {
		return
	}
	q2, r2 := g.primes[2].q, residues[2][:len(r0)]
	for i, x0 := range r0 {
		x2 := g.inv02.times(r2[i]+g.lift02-x0, q2)
		r2[i] = reduceOnce(g.inv12.times(x2+g.lift12-r1[i], q2), q2)
	}
}

// compose writes the numbers with these digits into out as little-endian words.
func (g *garner) compose(out *[3][]uint64, digits [][]uint64) {
	n := len(digits[0])
	low, middle, high := out[0][:n], out[1][:n], out[2][:n]
	clear(middle)
	clear(high)
	if len(digits) == 1 {
		copy(low, digits[0])
		return
	}
	q0, r0, r1 := g.primes[0].q, digits[0][:n], digits[1][:n]
	if len(digits) == 2 {
		for i := range low {
			h, l := bits.Mul64(r1[i], q0)
			l, carry := bits.Add64(l, r0[i], 0)
			low[i], middle[i] = l, h+carry
		}
		return
	}
	q1, r2 := g.primes[1].q, digits[2][:n]
	for i := range low {
		yh, yl := bits.Mul64(r2[i], q1) // y = x1 + q1*x2
		yl, carry := bits.Add64(yl, r1[i], 0)
		yh += carry
		h, l := bits.Mul64(yl, q0)
		l, carry = bits.Add64(l, r0[i], 0)
		h2, l2 := bits.Mul64(yh, q0)
		h, carry = bits.Add64(h, l2, carry)
		low[i], middle[i], high[i] = l, h, h2+carry
	}
}
