package he

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"slices"

	"atrium/aggregation/fixedpoint"
)

// ErrParameters is wrapped by every refusal of a literal.
var ErrParameters = errors.New("invalid encryption parameters")

// NoiseBound is the largest absolute value of a coefficient of a one-time key
// or of an error polynomial.
const NoiseBound = 28

// SoundnessBits is the negative binary logarithm of the probability that an
// unrelated key sum passes Open's noise check on a whole vector.
const SoundnessBits = 40

// FingerprintBits is the negative binary logarithm of the probability that two
// ciphertexts that differ have the same fingerprint.
const FingerprintBits = 128

// Literal names a ring and a packing. The zero value is not valid; Choose
// makes one.
type Literal struct {
	LogN           int      `json:"log_n"`           // ring degree 2^LogN: 12 or 13
	Primes         []uint64 `json:"primes"`          // factors of Q
	Bits           int      `json:"bits"`            // bits of one hospital's field: 8, 16, 24 or 32
	Width          int      `json:"width"`           // bits of a summed field
	PerCoefficient int      `json:"per_coefficient"` // fields in one coefficient
	LogDelta       int      `json:"log_delta"`       // Delta = 2^LogDelta separates message and noise
	GroupSize      int      `json:"group_size"`      // most ciphertexts in a sum
	Count          int      `json:"count"`           // fields of the vector
}

// used returns the coefficients that carry Count fields.
func (l Literal) used() int {
	return (l.Count + l.PerCoefficient - 1) / l.PerCoefficient
}

// leastLogDelta returns the smallest LogDelta for a group and a number of
// coefficients: 2+ceil(log2(28 n)), so that the noise of n ciphertexts takes
// up at most half of Delta, and more for so few coefficients that one spare
// bit in each does not add up to SoundnessBits.
func leastLogDelta(groupSize, used int) int {
	spare := max(1, (SoundnessBits+used-1)/used)
	return 1 + spare + bits.Len(uint(NoiseBound*groupSize-1))
}

// check reports the first thing wrong with l: everything that correctness,
// security and lattigo ask for.
func (l Literal) check() error {
	if err := l.checkTask(); err != nil {
		return err
	}
	switch {
	case maxLogQ(l.LogN) == 0:
		return fmt.Errorf("%w: log N %d, want 12 or 13", ErrParameters, l.LogN)
	case l.Width < fixedpoint.Width(l.Bits, l.GroupSize) || l.Width > 63:
		return fmt.Errorf("%w: width %d for %d bits and a group of %d", ErrParameters, l.Width, l.Bits, l.GroupSize)
	case l.PerCoefficient < 1 || l.PerCoefficient > maxLogQ(l.LogN)/l.Width:
		return fmt.Errorf("%w: %d fields of %d bits in a coefficient", ErrParameters, l.PerCoefficient, l.Width)
	case l.LogDelta < leastLogDelta(l.GroupSize, l.used()) || l.LogDelta > maxLogDelta:
		return fmt.Errorf("%w: log delta %d, want %d to %d", ErrParameters, l.LogDelta, leastLogDelta(l.GroupSize, l.used()), maxLogDelta)
	}
	if err := l.checkPrimes(); err != nil {
		return err
	}
	if l.points() > maxPoints {
		return fmt.Errorf("%w: %d coefficients, too many for a fingerprint modulo %d", ErrParameters, l.used(), slices.Min(l.Primes))
	}
	if q := l.modulus(); q.BitLen() > maxLogQ(l.LogN) {
		return fmt.Errorf("%w: Q of %d bits, at most %d for log N %d", ErrParameters, q.BitLen(), maxLogQ(l.LogN), l.LogN)
	} else if need := l.largest(); q.Cmp(need) <= 0 {
		return fmt.Errorf("%w: Q of %d bits is not above the largest sum, of %d bits", ErrParameters, q.BitLen(), need.BitLen())
	}
	return nil
}

// checkTask checks what the ring and the packing are chosen for.
func (l Literal) checkTask() error {
	switch {
	case l.GroupSize < MinGroup || l.GroupSize > MaxGroup:
		return fmt.Errorf("%w: group of %d, want %d to %d", ErrParameters, l.GroupSize, MinGroup, MaxGroup)
	case l.Bits != 8 && l.Bits != 16 && l.Bits != 24 && l.Bits != 32:
		return fmt.Errorf("%w: %d bits, want 8, 16, 24 or 32", ErrParameters, l.Bits)
	case l.Count < 1 || l.Count > MaxCount:
		return fmt.Errorf("%w: %d fields, want 1 to %d", ErrParameters, l.Count, MaxCount)
	}
	return nil
}

func (l Literal) checkPrimes() error {
	if len(l.Primes) < 1 || len(l.Primes) > MaxPrimes {
		return fmt.Errorf("%w: %d primes, want 1 to %d", ErrParameters, len(l.Primes), MaxPrimes)
	}
	for i, q := range l.Primes {
		switch n := bits.Len64(q); {
		case n < MinPrimeBits || n > MaxPrimeBits:
			return fmt.Errorf("%w: prime %d of %d bits, want %d to %d", ErrParameters, q, n, MinPrimeBits, MaxPrimeBits)
		case q%(2<<l.LogN) != 1:
			return fmt.Errorf("%w: prime %d is not 1 modulo 2N", ErrParameters, q)
		case slices.Contains(l.Primes[:i], q):
			return fmt.Errorf("%w: prime %d twice", ErrParameters, q)
		case 1<<n-q > 1<<(n-maxRejection):
			return fmt.Errorf("%w: prime %d is too far below 2^%d", ErrParameters, q, n)
		case !isPrime(q):
			return fmt.Errorf("%w: %d is not prime", ErrParameters, q)
		}
	}
	return nil
}

// points returns how many points a fingerprint has for each prime, or
// maxPoints+1 for too many.
func (l Literal) points() int { return pointsFor(l.used(), slices.Min(l.Primes)) }

// modulus returns Q.
func (l Literal) modulus() *big.Int {
	q := big.NewInt(1)
	for _, p := range l.Primes {
		q.Mul(q, new(big.Int).SetUint64(p))
	}
	return q
}

// largest returns Delta*M_max + 56 n: the largest sum with its noise, moved up
// by 28 n to begin at 0. M_max has the largest sum in each of its fields.
func (l Literal) largest() *big.Int {
	field := new(big.Int).SetUint64(uint64(l.GroupSize) * fixedpoint.Max(l.Bits))
	sum := new(big.Int)
	for range l.PerCoefficient {
		sum.Lsh(sum, uint(l.Width)).Add(sum, field)
	}
	sum.Lsh(sum, uint(l.LogDelta))
	return sum.Add(sum, big.NewInt(int64(2*NoiseBound*l.GroupSize)))
}
