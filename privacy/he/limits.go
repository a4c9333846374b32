package he

import "atrium/aggregation/fixedpoint"

const (
	// MinGroup and MaxGroup bound the group size: a sum of one is no sum, and
	// a coefficient of a key sum, up to NoiseBound*MaxGroup, must be centred
	// in GF(65521).
	MinGroup = 2
	MaxGroup = 1170
	// MaxCount bounds the fields of a vector.
	MaxCount = fixedpoint.MaxFields
	// MaxPrimes bounds the primes of a ring.
	MaxPrimes = 3
	// MinPrimeBits keeps a prime above every noise bound; MaxPrimeBits leaves
	// the transform room for 13 layers without reduction.
	MinPrimeBits = 20
	MaxPrimeBits = 50
	// wordBits is the length of the words in which a message is added to
	// a product of up to 2^63+2^50.
	wordBits = 62
	// spareWords are the words of the public key stream that stand in for
	// those at or above a prime; maxRejection bounds the share of these, as a
	// negative binary logarithm.
	spareWords   = 128
	maxRejection = 8
	// maxPoints bounds the points of a fingerprint for each prime: coefficients
	// are at most a quarter of the least prime.
	maxPoints = 64
	// maxLogDelta leaves room to shift a limb by less than a word.
	maxLogDelta = 62
)

// maxLogQ returns the largest bit length of Q for 192-bit classical security
// with secrets and errors no narrower than sigma = 3.2, and 0 for a ring
// degree that this package does not use.
func maxLogQ(logN int) int {
	switch logN {
	case 12:
		return 75
	case 13:
		return 149
	}
	return 0
}
