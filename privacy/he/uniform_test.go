package he

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCiphertextsLookUniform encrypts zeros and looks at each residue of 20
// blocks: at the histogram of each of its bytes below the top one, at its
// correlation with the next residue, and with the same one in the next block,
// which has the same key. Chi-square with 255 degrees of freedom exceeds 395
// with probability below 1e-7 (Wilson and Hilferty), a standard normal 5.4
// with one below 1e-7: with 5 bytes and 2 distances for 3 primes, 21 tests, a false
// alarm has probability below 1e-5.
func TestCiphertextsLookUniform(t *testing.T) {
	p := parameters(t, choose(t, 20*6*8192, 10, 16))
	source := rand.NewChaCha8([32]byte{11})
	key, err := p.NewKey(source)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := p.Encrypt([32]byte{5}, key, make([]uint32, p.Literal().Count), source)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := p.UnmarshalSum(wire)
	if err != nil {
		t.Fatal(err)
	}
	for j, f := range p.primes {
		var values []uint64
		for _, block := range sum.blocks {
			values = append(values, block[j]...)
		}
		for shift := uint(0); shift+8 < f.bits; shift += 8 {
			if chi := chiSquareOfBytes(values, shift); chi > 395 {
				t.Errorf("prime %d, bits from %d: chi-square %v", j, shift, chi)
			}
		}
		for _, lag := range []int{1, p.N()} {
			if z := correlation(values, f.q, lag); math.Abs(z) > 5.4 {
				t.Errorf("prime %d: correlation at distance %d is %v standard deviations", j, lag, z)
			}
		}
	}
}

// TestUniformityTestsSee feeds what the tests above must refuse: errors without
// a mask, and residues of which every fiftieth repeats its neighbour.
func TestUniformityTestsSee(t *testing.T) {
	const q = 1<<44 - 1
	rng := rand.New(rand.NewPCG(1, 1))
	noise, repeated := make([]uint64, 160_000), make([]uint64, 160_000)
	for i := range noise {
		noise[i] = rng.Uint64N(57)
		repeated[i] = rng.Uint64N(q)
		if i%50 == 0 && i > 0 {
			repeated[i] = repeated[i-1]
		}
	}
	if chi := chiSquareOfBytes(noise, 0); chi <= 395 {
		t.Errorf("errors alone: chi-square %v", chi)
	}
	if z := correlation(repeated, q, 1); z <= 5.4 {
		t.Errorf("repeated residues: correlation %v", z)
	}
}

func chiSquareOfBytes(values []uint64, shift uint) float64 {
	var count [256]float64
	for _, v := range values {
		count[v>>shift&255]++
	}
	chi, want := 0.0, float64(len(values))/256
	for _, c := range count {
		chi += (c - want) * (c - want) / want
	}
	return chi
}

// correlation returns the sum of products of centred values at a distance, in
// standard deviations: for uniform ones of variance 1/12 a product has
// standard deviation 1/12.
func correlation(values []uint64, q uint64, lag int) float64 {
	sum, n := 0.0, len(values)-lag
	for i := range n {
		sum += (float64(values[i])/float64(q) - 0.5) * (float64(values[i+lag])/float64(q) - 0.5)
	}
	return 12 * sum / math.Sqrt(float64(n))
}
