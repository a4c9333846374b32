package he

import "math/bits"

// factor is a constant w below q with floor(2^64*w/q), for products without
// division (V. Shoup's NTL; Harvey, "Faster arithmetic for number-theoretic
// transforms", 2014, §2).
type factor struct{ value, quotient uint64 }

// times returns a number below 2q, and below q + q*x/2^64, that is x*w modulo
// q, for any x.
func (f factor) times(x, q uint64) uint64 {
	h, _ := bits.Mul64(x, f.quotient)
	return x*f.value - h*q
}

// factor prepares w below q with steps that do not depend on w. The product
// with floor(2^128/q) may be one too small, which the remainder shows.
func (f *prime) factor(w uint64) factor {
	h, _ := bits.Mul64(w, f.inverseLow)
	quotient := w*f.inverseHigh + h
	remainder := -quotient * f.q // 2^64*w - quotient*q, below 2q
	return factor{value: w, quotient: quotient + (f.q-1-remainder)>>63}
}

// reduceLazy returns a number below 2q that is x modulo q, for any x:
// floor(x*floor(2^64/q)/2^64) is floor(x/q) or one less.
func (f *prime) reduceLazy(x uint64) uint64 {
	h, _ := bits.Mul64(x, f.inverseHigh)
	return x - h*f.q
}

// reduce returns x modulo q.
func (f *prime) reduce(x uint64) uint64 { return reduceOnce(f.reduceLazy(x), f.q) }

// reduceOnce returns x modulo q for x below 2q and q below 2^62.
func reduceOnce(x, q uint64) uint64 {
	x -= q
	return x + q&-(x>>63)
}

// lift maps a value of absolute value below q to [0, q) without branching.
func (f *prime) lift(v int64) uint64 { return uint64(v) + f.q&uint64(v>>63) }
