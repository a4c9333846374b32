package he

import (
	"math/bits"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// garner turns residues into the number below Q, in mixed radix:
// x = x0 + x1*q0 + x2*q0*q1 (Knuth, The Art of Computer Programming,
// volume 2, §4.3.2, after H. L. Garner).
type garner struct {
	primes    []prime
	inv01     uint64 // 1/q0 modulo q1, Montgomery form
	inv02     uint64 // 1/q0 modulo q2, Montgomery form
	inv12     uint64 // 1/q1 modulo q2, Montgomery form
	low, high uint64 // q0*q1
}

func newGarner(primes []prime) garner {
	g := garner{primes: primes}
	if len(primes) > 1 {
		f := &primes[1]
		g.inv01 = f.montgomery(f.inverse(primes[0].q))
		g.high, g.low = bits.Mul64(primes[0].q, primes[1].q)
	}
	if len(primes) > 2 {
		f := &primes[2]
		g.inv02 = f.montgomery(f.inverse(primes[0].q))
		g.inv12 = f.montgomery(f.inverse(primes[1].q))
	}
	return g
}

// combine returns the number below Q with the residues at index i as three
// little-endian words.
func (g *garner) combine(residues [][]uint64, i int) (x [3]uint64) {
	x[0] = residues[0][i]
	if len(g.primes) == 1 {
		return x
	}
	x0 := x[0]
	x1 := g.primes[1].step(residues[1][i], x0, g.inv01)
	var carry uint64
	high, low := bits.Mul64(x1, g.primes[0].q)
	x[0], carry = bits.Add64(x[0], low, 0)
	x[1] = high + carry
	if len(g.primes) == 2 {
		return x
	}
	f := &g.primes[2]
	x2 := f.step(f.step(residues[2][i], x0, g.inv02), x1, g.inv12)
	h0, l0 := bits.Mul64(x2, g.low)
	h1, l1 := bits.Mul64(x2, g.high)
	x[0], carry = bits.Add64(x[0], l0, 0)
	x[1], carry = bits.Add64(x[1], h0, carry)
	x[2] = h1 + carry
	x[1], carry = bits.Add64(x[1], l1, 0)
	x[2] += carry
	return x
}

// step returns (r-x)*inv modulo q for r below q, any x below 2^61 and inv in
// Montgomery form.
func (f *prime) step(r, x, inv uint64) uint64 {
	return ring.MRed(r+f.q-ring.BRedAdd(x, f.q, f.barret), inv, f.q, f.qInv)
}

// shiftLeft returns x*2^s for s below 64.
func shiftLeft(x [3]uint64, s uint) [3]uint64 {
	return [3]uint64{x[0] << s, x[1]<<s | x[0]>>(64-s), x[2]<<s | x[1]>>(64-s)}
}

// shiftRight returns x/2^s rounded down for s below 64.
func shiftRight(x [3]uint64, s uint) [3]uint64 {
	return [3]uint64{x[0]>>s | x[1]<<(64-s), x[1]>>s | x[2]<<(64-s), x[2] >> s}
}

// exceeds reports whether x has a bit at position n or above.
func exceeds(x [3]uint64, n int) bool {
	for i, limb := range x {
		if keep := n - 64*i; keep <= 0 && limb != 0 || keep > 0 && keep < 64 && limb>>keep != 0 {
			return true
		}
	}
	return false
}
