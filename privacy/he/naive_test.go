package he

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestNaiveTwin recomputes one ciphertext coefficient by coefficient with
// math/big: c - a*s - Delta*m is small.
func TestNaiveTwin(t *testing.T) {
	for _, bits := range []int{8, 32} {
		p := parameters(t, choose(t, 30, 10, bits))
		seed := [32]byte{9}
		sub := encryptRandom(t, p, seed, rand.NewChaCha8([32]byte{byte(bits)}))
		sum, err := p.UnmarshalSum(sub.wire)
		if err != nil {
			t.Fatal(err)
		}
		q, k := p.literal.modulus(), p.literal.PerCoefficient
		a := naivePublic(p, seed)
		for c := range p.layout.coefficients {
			v := naiveCombine(p, sum.blocks[0], c)
			for i, s := range sub.key { // X^N = -1
				if j := c - i; j >= 0 {
					v.Sub(v, new(big.Int).Mul(a[j], big.NewInt(int64(s))))
				} else {
					v.Add(v, new(big.Int).Mul(a[j+p.N()], big.NewInt(int64(s))))
				}
			}
			m := new(big.Int)
			for i := min(k*(c+1), len(sub.fields)) - 1; i >= k*c; i-- {
				term := new(big.Int).SetUint64(uint64(sub.fields[i]))
				m.Add(m, term.Lsh(term, uint((i-k*c)*p.literal.Width)))
			}
			v.Sub(v, m.Lsh(m, uint(p.literal.LogDelta))).Mod(v, q)
			if v.Cmp(new(big.Int).Rsh(q, 1)) > 0 {
				v.Sub(v, q)
			}
			if v.CmpAbs(big.NewInt(NoiseBound)) > 0 {
				t.Fatalf("%d bits, coefficient %d: error %v", bits, c, v)
			}
		}
	}
}

// combine makes residues below twice their primes numbers below Q.
func (g *garner) combine(out *[3][]uint64, residues [][]uint64) {
	g.digits(residues)
	g.compose(out, residues)
}

// naiveCombine is its twin.
func naiveCombine(p *Parameters, residues [][]uint64, i int) *big.Int {
	q, x := p.literal.modulus(), new(big.Int)
	for j, f := range p.primes {
		modulus := new(big.Int).SetUint64(f.q)
		rest := new(big.Int).Quo(q, modulus)
		inverse := new(big.Int).ModInverse(rest, modulus)
		term := new(big.Int).SetUint64(residues[j][i])
		x.Add(x, term.Mul(term, inverse).Mul(term, rest))
	}
	return x.Mod(x, q)
}

// expandPiece expands one block for one prime.
func expandPiece(p *Parameters, dst []uint64, seed [32]byte, block, j int) {
	stream, s := p.publicFrom(&seed, block), newScratch(p.tables)
	for i := range j + 1 {
		p.expand(dst, &p.primes[i], stream, s)
	}
}

// naivePublic returns the coefficients of block 0's a.
func naivePublic(p *Parameters, seed [32]byte) []*big.Int {
	var residues [][]uint64
	for j := range p.primes {
		r := make([]uint64, p.N())
		expandPiece(p, r, seed, 0, j)
		p.primes[j].ring.INTT(r, r)
		residues = append(residues, r)
	}
	a := make([]*big.Int, p.N())
	for i := range a {
		a[i] = naiveCombine(p, residues, i)
	}
	return a
}

func TestGarnerAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	for _, total := range []int{30, 50, 51, 60, 100, 101, 149} {
		l := Literal{LogN: 13, Primes: findPrimes(13, total), Bits: 8, Width: 9, PerCoefficient: 1, LogDelta: 8, GroupSize: 2, Count: 1 << 20}
		p := parameters(t, l)
		for range 2000 {
			residues := make([][]uint64, len(p.primes))
			for j, f := range p.primes {
				residues[j] = []uint64{[]uint64{rng.Uint64N(f.q), 0, f.q - 1}[rng.IntN(3)]}
			}
			lazy := make([][]uint64, len(p.primes))
			for j, f := range p.primes {
				lazy[j] = []uint64{residues[j][0] + f.q*rng.Uint64N(2)}
			}
			x := [3][]uint64{{1}, {2}, {3}}
			p.garner.combine(&x, lazy)
			got := new(big.Int)
			for i := 2; i >= 0; i-- {
				got.Lsh(got, 64).Or(got, new(big.Int).SetUint64(x[i][0]))
			}
			if want := naiveCombine(p, residues, 0); got.Cmp(want) != 0 {
				t.Fatalf("%d bits, residues %v: %v, want %v", total, residues, got, want)
			}
		}
	}
}

// TestAccumulateAtItsLimits uses the largest prime and operands.
func TestAccumulateAtItsLimits(t *testing.T) {
	l := Literal{LogN: 13, Primes: []uint64{primeBelow(13, MaxPrimeBits, 1<<MaxPrimeBits+1)}, Bits: 8, Width: 9, PerCoefficient: 1, LogDelta: 8, GroupSize: 2, Count: 1 << 20}
	l.Primes = append(l.Primes, primeBelow(13, 40, 1<<40+1))
	p := parameters(t, l)
	rng := rand.New(rand.NewPCG(3, 3))
	for range 10_000 {
		f := &p.primes[rng.IntN(2)]
		pick := func(largest uint64) uint64 { return []uint64{rng.Uint64N(largest), 0, largest}[rng.IntN(3)] }
		m, r := [3][]uint64{{pick(1<<62 - 1)}, {pick(1<<62 - 1)}, {pick(1<<62 - 1)}}, pick(f.overflow)
		size := 1 + rng.IntN(186)
		for i := range m {
			m[i][0] &= 1<<min(max(size-62*i, 0), 62) - 1
		}
		if rng.IntN(10) == 0 {
			m[0][0] = ^uint64(27)
		}
		want := new(big.Int)
		for i := 2; i > 0; i-- {
			want.Add(want, new(big.Int).SetUint64(m[i][0])).Lsh(want, 62)
		}
		want.Add(want, big.NewInt(int64(m[0][0]))).Add(want, new(big.Int).SetUint64(r))
		want.Mod(want, new(big.Int).SetUint64(f.q))
		got := []uint64{r}
		if f.accumulate(got, &m, size); got[0] != want.Uint64() {
			t.Fatalf("%v + %d = %d, want %v", m, r, got[0], want)
		}
		sum, up := pick(1<<62-1), uint64(28*1170)
		product := []uint64{r}
		f.unmask(product, []uint64{sum}, up)
		want.SetUint64(sum).Add(want, new(big.Int).SetUint64(up)).Sub(want, new(big.Int).SetUint64(r))
		want.Mod(want, new(big.Int).SetUint64(f.q))
		if product[0] >= 2*f.q || product[0]%f.q != want.Uint64() {
			t.Fatalf("%d + %d - %d = %d, want %v", sum, up, r, product[0], want)
		}
	}
}

// TestExpandIsUniform bins the top four bits of values against q. Chi-square
// with 15 degrees of freedom exceeds 52 with probability below 1e-5.
func TestExpandIsUniform(t *testing.T) {
	p := parameters(t, choose(t, 10_000_000, 10, 16))
	a := make([]uint64, p.N())
	seen := map[uint64]bool{}
	for j := range p.primes {
		for block := range 4 {
			expandPiece(p, a, [32]byte{}, block, j)
			if seen[a[0]] {
				t.Fatalf("block %d, prime %d repeats a stream", block, j)
			}
			seen[a[0]] = true
			var count [16]float64
			for _, v := range a {
				if v >= p.primes[j].q {
					t.Fatalf("value %d not below %d", v, p.primes[j].q)
				}
				count[v>>(p.primes[j].bits-4)]++
			}
			chi, want := 0.0, float64(p.N())/16
			for _, c := range count {
				chi += (c - want) * (c - want) / want
			}
			if chi > 52 {
				t.Errorf("block %d, prime %d: chi-square %v", block, j, chi)
			}
		}
	}
}

// TestGolden pins the public polynomial, the transform's order, the sampler,
// the packing and the wire.
func TestGolden(t *testing.T) {
	want := map[int]string{
		16:     "8d42fcbebd01e758aa1a72e47fab9c6a60cb7ca741c8bae9dbf61e6a85f2a19d",
		50_000: "4c0129061766d62485bc571ed3e8df97e73ac6b054390705b2cff618703b5e51",
	}
	for count, digest := range want {
		p := parameters(t, choose(t, count, 10, 16))
		sum := sha256.Sum256(encryptRandom(t, p, [32]byte{1, 2, 3}, rand.NewChaCha8([32]byte{4})).wire)
		if got := hex.EncodeToString(sum[:]); got != digest {
			t.Errorf("ciphertext of %d fields has digest %s, want %s", count, got, digest)
		}
	}
}
