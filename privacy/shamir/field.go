package shamir

// P is the order of the field, the largest prime below 2^16.
const P = 65521

// MaxSecret is the largest absolute value of a centred element.
const MaxSecret = (P - 1) / 2

// lift maps a centred value to [0, P) without branching.
func lift(v int16) uint64 {
	return uint64(int64(v) + int64(P)&(int64(v)>>63))
}

// centre maps an element to (-P/2, P/2].
func centre(v uint64) int32 {
	if v > MaxSecret {
		return int32(v) - P
	}
	return int32(v)
}

// power returns x^e mod P.
func power(x, e uint64) uint64 {
	r := uint64(1)
	for x %= P; e > 0; e >>= 1 {
		if e&1 == 1 {
			r = r * x % P
		}
		x = x * x % P
	}
	return r
}

// lagrange writes into weights the factors by which values at the points at
// add up to the value at x of the polynomial of lowest degree. The points are
// distinct and in [1, MaxShares]; x is in [0, MaxShares].
func lagrange(weights []uint64, at []int, x int) {
	for i, xi := range at {
		num, den := uint64(1), uint64(1)
		for j, xj := range at {
			if j != i {
				num = num * uint64(P+x-xj) % P
				den = den * uint64(P+xi-xj) % P
			}
		}
		weights[i] = num * power(den, P-2) % P
	}
}
