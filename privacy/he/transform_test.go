package he

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// TestFactorAgainstDivision covers what constants a prime may have.
func TestFactorAgainstDivision(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, size := range []int{30, 44, MaxPrimeBits} {
		f := &parameters(t, Literal{LogN: 13, Primes: []uint64{primeBelow(13, size, 1<<size+1)}, Bits: 8, Width: 9, PerCoefficient: 1, LogDelta: 8, GroupSize: 2, Count: 1 << 20}).primes[0]
		for i := range 10_000 {
			w := []uint64{rng.Uint64N(f.q), uint64(i), f.q - 1 - uint64(i)}[i%3]
			x := []uint64{rng.Uint64(), ^uint64(0) - uint64(i), rng.Uint64N(f.q)}[rng.IntN(3)]
			quotient, _ := bits.Div64(w, 0, f.q)
			if got := f.factor(w); got != (factor{w, quotient}) {
				t.Fatalf("factor of %d modulo %d is %v, want quotient %d", w, f.q, got, quotient)
			}
			high, low := bits.Mul64(w, x)
			_, want := bits.Div64(high%f.q, low, f.q)
			got := f.factor(w).times(x, f.q)
			if got >= 2*f.q || got%f.q != want || x < f.q && got > f.q+f.q>>13 {
				t.Fatalf("%d*%d modulo %d is %d, want %d", w, x, f.q, got, want)
			}
			if r := f.reduceLazy(x); r >= 2*f.q || r%f.q != x%f.q || f.reduce(x) != x%f.q {
				t.Fatalf("%d modulo %d is %d and %d", x, f.q, r, f.reduce(x))
			}
		}
	}
}

// TestProductAgainstLattigo compares with lattigo's transform, for random
// polynomials and for those whose sums grow largest.
func TestProductAgainstLattigo(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for _, logN := range []int{12, 13} {
		for _, size := range []int{30, 44, MaxPrimeBits} {
			f := &parameters(t, Literal{LogN: logN, Primes: []uint64{primeBelow(logN, size, 1<<size+1)}, Bits: 8, Width: 9, PerCoefficient: 1, LogDelta: 8, GroupSize: 2, Count: 1 << 20}).primes[0]
			n := 1 << logN
			for kind := range 4 {
				x, want, key := make([]uint64, n), make([]uint64, n), make([]uint64, n)
				for i := range x {
					k := rng.Uint64N(f.q)
					switch x[i] = rng.Uint64N(f.q); kind {
					case 0:
						x[i], k = f.q-1, 1
					case 1:
						x[i], k = f.q-1, f.q-2
					case 2:
						x[i], k = f.q-1-uint64(i&1), f.q/2
					}
					key[i] = k
					want[i] = ring.BRed(x[i], k, f.q, f.ring.BRedConstant)
				}
				f.ring.INTT(want, want) // divides by N
				f.product(x, f.multiplicand(key))
				for i, v := range x {
					if v >= f.overflow {
						t.Fatalf("N = %d, %d bits, kind %d: %d at %d, bound %d", n, size, kind, v, i, f.overflow)
					}
					if got := ring.MRed(v%f.q, f.ring.NInv, f.q, f.ring.MRedConstant); got != want[i] {
						t.Fatalf("N = %d, %d bits, kind %d: %d at %d, want %d", n, size, kind, got, i, want[i])
					}
				}
			}
		}
	}
}
