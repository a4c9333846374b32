package he

import "math/bits"

// garner turns residues into the number below Q, in mixed radix:
// x = x0 + q0*(x1 + q1*x2) (Knuth, The Art of Computer Programming, volume 2,
// §4.3.2, after H. L. Garner).
type garner struct {
	primes                 []prime
	inv01, inv02, inv12    factor // 1/q0 modulo q1, and so on
	lift01, lift02, lift12 uint64 // multiples of q1, q2, q2 that are at least q0, q0, q1
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
	return g
}

// combine writes the numbers below Q into out as little-endian words. The
// residues, one slice for each prime, are below twice their prime.
func (g *garner) combine(out *[3][]uint64, residues [][]uint64) {
	n := len(residues[0])
	switch low, middle, high := out[0][:n], out[1][:n], out[2][:n]; len(g.primes) {
	case 1:
		for i, r := range residues[0] {
			low[i], middle[i], high[i] = reduceOnce(r, g.primes[0].q), 0, 0
		}
	case 2:
		g.combine2(low, middle, high, residues[0], residues[1])
	default:
		g.combine3(low, middle, high, residues[0], residues[1], residues[2])
	}
}

func (g *garner) combine2(low, middle, high, r0, r1 []uint64) {
	q0, q1 := g.primes[0].q, g.primes[1].q
	r1, middle, high = r1[:len(r0)], middle[:len(r0)], high[:len(r0)]
	for i := range r0 {
		x0 := reduceOnce(r0[i], q0)
		x1 := reduceOnce(g.inv01.times(r1[i]+g.lift01-x0, q1), q1)
		h, l := bits.Mul64(x1, q0)
		l, carry := bits.Add64(l, x0, 0)
		low[i], middle[i], high[i] = l, h+carry, 0
	}
}

func (g *garner) combine3(low, middle, high, r0, r1, r2 []uint64) {
	q0, q1, q2 := g.primes[0].q, g.primes[1].q, g.primes[2].q
	r1, r2, low, middle, high = r1[:len(r0)], r2[:len(r0)], low[:len(r0)], middle[:len(r0)], high[:len(r0)]
	for i := range r0 {
		x0 := reduceOnce(r0[i], q0)
		x1 := reduceOnce(g.inv01.times(r1[i]+g.lift01-x0, q1), q1)
		x2 := g.inv02.times(r2[i]+g.lift02-x0, q2)
		x2 = reduceOnce(g.inv12.times(x2+g.lift12-x1, q2), q2)
		yh, yl := bits.Mul64(x2, q1) // y = x1 + q1*x2
		yl, carry := bits.Add64(yl, x1, 0)
		yh += carry
		h, l := bits.Mul64(yl, q0)
		l, carry = bits.Add64(l, x0, 0)
		h2, l2 := bits.Mul64(yh, q0)
		h, carry = bits.Add64(h, l2, carry)
		low[i], middle[i], high[i] = l, h, h2+carry
	}
}
