package he

import "math/bits"

// halfBits is half of MaxPrimeBits.
const halfBits = MaxPrimeBits / 2

// held is the form in which dot takes a power: for vectors its low halfBits
// and, from bit 32 on, the rest.
func held(power uint64) uint64 {
	if haveVectors {
		return power&(1<<halfBits-1) | power>>halfBits<<32
	}
	return power
}

// dot returns the sum of products of c and as many held powers, all below
// 2^50. Their number is a multiple of four and at most chunk.
//
// The sum is below 2^109. Of the vectors' products of halves, below 2^50, a
// lane adds up at most 2*chunk/4 = 2^8, and four lanes stay below 2^60.
func dot(c, powers []uint64) (high, low uint64) {
	if !haveVectors {
		return dotEach(c, powers)
	}
	_ = powers[len(c)-1]
	var sums [12]uint64
	vectorDot(&sums, &c[0], &powers[0], len(c))
	low = sums[0] + sums[1] + sums[2] + sums[3]
	middle := sums[4] + sums[5] + sums[6] + sums[7]
	top := sums[8] + sums[9] + sums[10] + sums[11]
	var carry uint64
	low, carry = bits.Add64(low, middle<<halfBits, 0)
	high = middle>>(64-halfBits) + carry
	low, carry = bits.Add64(low, top<<(2*halfBits), 0)
	return high + top>>(64-2*halfBits) + carry, low
}

// dotEach is dot without vectors.
func dotEach(c, powers []uint64) (high, low uint64) {
	for len(c) >= 4 && len(powers) >= 4 {
		var carry uint64
		h, l := bits.Mul64(c[0], powers[0])
		low, carry = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, carry)
		h, l = bits.Mul64(c[1], powers[1])
		low, carry = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, carry)
		h, l = bits.Mul64(c[2], powers[2])
		low, carry = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, carry)
		h, l = bits.Mul64(c[3], powers[3])
		low, carry = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, carry)
		c, powers = c[4:], powers[4:]
	}
	return high, low
}
