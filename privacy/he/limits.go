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
	// MinPrimeBits keeps a prime above every noise bound; MaxPrimeBits is what
	// lattigo's lazy transform and this package's lazy sums have room for.
	MinPrimeBits = 20
	MaxPrimeBits = 61
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
