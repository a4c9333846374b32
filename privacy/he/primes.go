package he

import "math/big"

// isPrime is exact: the test of math/big has no false answer below 2^64.
func isPrime(q uint64) bool { return new(big.Int).SetUint64(q).ProbablyPrime(0) }

// findPrimes returns as few primes as MaxPrimeBits allows whose bit lengths
// are equal within one, longer ones first, and add up to total. Each is the
// largest of its length that is 1 modulo 2N and not yet taken. It returns nil
// when there are none.
func findPrimes(logN, total int) []uint64 {
	count := (total + MaxPrimeBits - 1) / MaxPrimeBits
	if count < 1 || count > MaxPrimes {
		return nil
	}
	var primes []uint64
	for i := range count {
		size := total / count
		if i < total%count {
			size++
		}
		below := uint64(1)<<size + 1
		if i > 0 && primes[i-1] < below {
			below = primes[i-1]
		}
		q := primeBelow(logN, size, below)
		if q == 0 {
			return nil
		}
		primes = append(primes, q)
	}
	return primes
}

// primeBelow returns the largest prime of size bits that is 1 modulo 2N and
// below the given number, itself 1 modulo 2N, or 0.
func primeBelow(logN, size int, below uint64) uint64 {
	if size < MinPrimeBits {
		return 0
	}
	step := uint64(2) << logN
	for q := below - step; q>>(size-1) == 1; q -= step {
		if isPrime(q) {
			return q
		}
	}
	return 0
}
