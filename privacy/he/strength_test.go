package he

import (
	"math"
	"testing"
)

// attack is the primal attack that needs the least BKZ block size.
type attack struct{ blockSize, dimension int }

// primal returns the attack on ring dimension n and modulus 2^logQ, secret and
// error of standard deviation sigma: the least b with which, for some number m
// of samples, sigma*sqrt(b) <= delta(b)^(2b-d-1) * 2^(logQ*m/d), d = m+n+1
// (Alkim, Ducas, Pöppelmann, Schwabe, "Post-quantum key exchange: a new hope",
// 2016, §6.3; delta from Chen's thesis, 2013).
func primal(n int, logQ, sigma float64) attack {
	succeeds := func(b int) int {
		beta := float64(b)
		logDelta := (math.Log2(math.Pi*beta)/beta + math.Log2(beta/(2*math.Pi*math.E))) / (2 * (beta - 1))
		for m := n / 8; m <= 2*n; m += n / 64 {
			d := float64(m + n + 1)
			if math.Log2(sigma)+math.Log2(beta)/2 <= logDelta*(2*beta-d-1)+logQ*float64(m)/d {
				return m + n + 1
			}
		}
		return 0
	}
	low, high := 60, 4*n
	for high-low > 1 {
		if b := (low + high) / 2; succeeds(b) > 0 {
			high = b
		} else {
			low = b
		}
	}
	return attack{high, succeeds(high)}
}

// core is the core-SVP estimate in bits, one call of a sieve and nothing else.
func (a attack) core() float64 { return 0.292 * float64(a.blockSize) }

// classical counts a sieve of dimension b as 2^(0.292 b + 16.4) operations and
// 8d of them (Becker, Ducas, Gama, Laarhoven, 2016; Albrecht et al., "Estimate
// all the {LWE, NTRU} schemes!", 2018).
func (a attack) classical() float64 { return a.core() + 16.4 + math.Log2(8*float64(a.dimension)) }

// TestStrength holds the largest Q of each N against 192 bits, and pins the
// block sizes that the README names. The limits of 128 bits of the same
// guidelines, 109 and 218, check the estimate itself.
func TestStrength(t *testing.T) {
	const sigma = 3.2 // what known sums leave, README.md
	for _, logN := range []int{12, 13} {
		a := primal(1<<logN, float64(maxLogQ(logN)), sigma)
		t.Logf("log N %d, log Q %d: block size %d, dimension %d, core-SVP %.0f, classical %.0f bits",
			logN, maxLogQ(logN), a.blockSize, a.dimension, a.core(), a.classical())
		if a.classical() < 192 {
			t.Errorf("log N %d, log Q %d: %v bits", logN, maxLogQ(logN), a.classical())
		}
		if a.core() < 160 {
			t.Errorf("log N %d, log Q %d: core-SVP %v", logN, maxLogQ(logN), a.core())
		}
	}
	for n, logQ := range map[int]float64{4096: 109, 8192: 218} {
		if c := primal(n, logQ, sigma).classical(); c < 128 || c > 135 {
			t.Errorf("N = %d, log Q = %v: %v bits, the guidelines say 128", n, logQ, c)
		}
	}
}
