package he

import (
	"crypto/sha256"
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// naivePoints is how the README says that points follow from a seed.
func naivePoints(p *Parameters, seed [32]byte) (out [][]*big.Int) {
	var stream []byte
	for counter := range byte(255) {
		in := append([]byte("atrium/he/points/v1"), seed[:]...)
		digest := sha256.Sum256(append(in, 0, 0, 0, 0, 0, 0, 0, counter))
		stream = append(stream, digest[:]...)
	}
	for _, f := range p.primes {
		q := new(big.Int).SetUint64(f.q)
		var of []*big.Int
		for len(of) < p.points {
			word := slices.Clone(stream[:8])
			slices.Reverse(word)
			v := new(big.Int).SetBytes(word)
			v.Mod(v, new(big.Int).Lsh(big.NewInt(1), uint(q.BitLen())))
			if v.Sign() > 0 && v.Cmp(q) < 0 {
				of = append(of, v)
			}
			stream = stream[8:]
		}
		out = append(out, of)
	}
	return out
}

// naiveFingerprint evaluates by Horner's rule over the whole ciphertext, with
// residues cut out of blocks as big numbers.
func naiveFingerprint(p *Parameters, seed [32]byte, wire []byte) (out [][]uint64) {
	points := naivePoints(p, seed)
	residues := make([][]*big.Int, len(p.primes))
	for wire = wire[1:]; len(wire) > 0; {
		count := min(p.N(), p.layout.coefficients-len(residues[0]))
		size := (count*p.layout.residueBits + 7) / 8
		block := slices.Clone(wire[:size])
		slices.Reverse(block)
		x := new(big.Int).SetBytes(block)
		at := 0
		for j, f := range p.primes {
			bits := big.NewInt(0).SetUint64(f.q).BitLen()
			mask := new(big.Int).SetUint64(1<<bits - 1)
			for range count {
				v := new(big.Int)
				for b := range bits {
					v.SetBit(v, b, x.Bit(at+b))
				}
				residues[j] = append(residues[j], v.And(v, mask))
				at += bits
			}
		}
		wire = wire[size:]
	}
	for j, f := range p.primes {
		q, of := new(big.Int).SetUint64(f.q), []uint64{}
		for _, alpha := range points[j] {
			v := new(big.Int)
			for _, c := range slices.Backward(residues[j]) {
				v.Mul(v, alpha).Add(v, c).Mod(v, q)
			}
			of = append(of, v.Uint64())
		}
		out = append(out, of)
	}
	return out
}

func TestFingerprintAgainstNaive(t *testing.T) {
	fingerprintCases(t, func(t *testing.T, p *Parameters, rng *rand.Rand) {
		seed := [32]byte{byte(rng.Uint32()), 31: 9}
		wire := encryptRandom(t, p, [32]byte{}, rand.NewChaCha8(seed)).wire
		got := fingerprintOf(t, p, seed, wire, rng)
		if want := p.encodeValues(naiveFingerprint(p, seed, wire)); !slices.Equal(got, want) {
			t.Errorf("%+v: %x, want %x", p.literal, got, want)
		}
	})
}

// released undoes held.
func released(v uint64) uint64 {
	if haveVectors {
		return v&(1<<halfBits-1) | v>>32<<halfBits
	}
	return v
}

// TestFingerprintAtItsLimits evaluates chunks of the largest and of random
// residues at points of the longest prime.
func TestFingerprintAtItsLimits(t *testing.T) {
	for _, size := range []int{24, 36, 44, MaxPrimeBits} {
		l := Literal{LogN: 13, Primes: []uint64{primeBelow(13, size, 1<<size+1)}, Bits: 8, Width: 9, PerCoefficient: 1, LogDelta: 8, GroupSize: 2, Count: 1 << 18}
		p := parameters(t, l)
		f, rng := &p.primes[0], rand.New(rand.NewPCG(uint64(size), 1))
		q := new(big.Int).SetUint64(f.q)
		for n := 4; n <= chunk; n += 4 {
			alpha := []uint64{1, 2, f.q - 1, 1 + rng.Uint64N(f.q-1)}[rng.IntN(4)]
			at, value := f.point(alpha, p.N()), extreme(rng, f.q-1)
			if rng.IntN(2) == 0 { // no point has such powers
				at = f.point(1, p.N())
				for i := range at.powers {
					at.powers[i] = held(f.q - 1)
				}
			}
			c := make([]uint64, n)
			for i := range c {
				c[i] = []uint64{f.q - 1, extreme(rng, f.q-1)}[n>>2&1]
			}
			want := new(big.Int).SetUint64(value)
			want.Mul(want, new(big.Int).SetUint64(at.chunk.value))
			for i, v := range c {
				term := new(big.Int).SetUint64(v)
				want.Add(want, term.Mul(term, new(big.Int).SetUint64(released(at.powers[i]))))
			}
			if got := f.horner(value, &at, c); got != want.Mod(want, q).Uint64() {
				t.Fatalf("prime %d, %d coefficients: %d, want %v", f.q, n, got, want)
			}
		}
	}
}

// TestPointsAreUniform counts points modulo 97. Chi-square with 95 degrees of
// freedom exceeds 167 with probability below 1e-5.
func TestPointsAreUniform(t *testing.T) {
	f := &small(t).primes[0]
	const each = 200
	count := make([]float64, f.q)
	s := pointSource{seed: [32]byte{8}}
	for range each * (f.q - 1) {
		count[s.below(f)]++
	}
	if count[0] > 0 {
		t.Error("0 is a point")
	}
	chi := 0.0
	for _, c := range count[1:] {
		chi += (c - each) * (c - each) / each
	}
	if chi > 167 {
		t.Errorf("chi-square %v", chi)
	}
}

// TestPointsFor compares with the bound in big numbers, one point less too.
func TestPointsFor(t *testing.T) {
	for _, tt := range []struct{ count, group, bits, want int }{
		{1, 10, 16, 4}, {million, 10, 16, 5}, {25 * million, 10, 16, 7}, {MaxCount, 1170, 32, 0}, {MaxCount, 2, 8, 0},
	} {
		p := parameters(t, choose(t, tt.count, tt.group, tt.bits))
		if tt.want > 0 && p.points != tt.want {
			t.Errorf("%+v: %d points", tt, p.points)
		}
		below := func(r int) bool { // (coefficients/q)^r <= 2^-128
			n, q := big.NewInt(int64(p.layout.coefficients)), new(big.Int).SetUint64(slices.Min(p.literal.Primes))
			exp := big.NewInt(int64(r))
			n.Exp(n, exp, nil)
			return n.Lsh(n, 128).Cmp(q.Exp(q, exp, nil)) <= 0
		}
		if !below(p.points) || below(p.points-1) {
			t.Errorf("%+v: %d points for %d coefficients modulo %v", tt, p.points, p.layout.coefficients, p.literal.Primes)
		}
	}
}

// TestTooManyCoefficients refuses a ring whose primes are too short for the
// vector's fingerprint.
func TestTooManyCoefficients(t *testing.T) {
	l := Literal{LogN: 12, Primes: []uint64{primeBelow(12, 23, 1<<23+1)}, Bits: 8, Width: 9, PerCoefficient: 1, LogDelta: 8, GroupSize: 2, Count: 1 << 21}
	if _, err := l.Parameters(); !errors.Is(err, ErrParameters) || !strings.Contains(err.Error(), "fingerprint") {
		t.Errorf("error %v, want ErrParameters for a fingerprint", err)
	}
	l.Count /= 2
	if p := parameters(t, l); p.points <= 32 || p.points > maxPoints {
		t.Errorf("%d points", p.points)
	}
}
