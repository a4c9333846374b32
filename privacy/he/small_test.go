package he

import (
	"errors"
	"math/rand/v2"
	"testing"

	"atrium/aggregation/fixedpoint"
)

// small returns a ring of N = 16 and Q = 97*193*257 for two fields of three
// bits in a coefficient and sums of two. It hides nothing and leaves every
// number in reach of a loop.
func small(t testing.TB) *Parameters {
	t.Helper()
	l := Literal{LogN: 4, Primes: []uint64{97, 193, 257}, Bits: 3, Width: 4, PerCoefficient: 2, LogDelta: 7, GroupSize: 2, Count: 40}
	p, err := l.build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSmallProducts multiplies every X^i by every X^j and compares with
// X^(i+j), X^16 = -1; products are bilinear.
func TestSmallProducts(t *testing.T) {
	p := small(t)
	n := p.N()
	s := newScratch(p.tables)
	for i := range n {
		coefficients := make([]int16, n)
		coefficients[i] = 1
		key := transformKey(p.tables, coefficients, s)
		for j := range n {
			for at := range p.primes {
				f := &p.primes[at]
				x := make([]uint64, n)
				x[j] = 1
				f.ring.NTT(x, x)
				f.product(x, key[at])
				for c, v := range x {
					want := uint64(0)
					if c == (i+j)%n {
						want = 1
						if i+j >= n {
							want = f.q - 1
						}
					}
					if v >= f.overflow || v%f.q != want {
						t.Fatalf("modulo %d: X^%d*X^%d has %d at %d, want %d", f.q, i, j, v, c, want)
					}
				}
			}
		}
	}
}

// TestSmallDecode combines and decodes every number below Q, for every n, and
// compares with division and remainder.
func TestSmallDecode(t *testing.T) {
	p := small(t)
	residues, dst := [][]uint64{{0}, {0}, {0}}, make([]uint64, 2)
	words := [3][]uint64{{0}, {0}, {0}}
	decoded := [3]int{}
	for x := range uint64(97 * 193 * 257) {
		for j := range residues {
			residues[j][0] = x % p.primes[j].q
		}
		p.garner.combine(&words, residues)
		if words[0][0] != x || words[1][0] != 0 || words[2][0] != 0 {
			t.Fatalf("%d combines to %v", x, words)
		}
		noise, first, second, rest := x%128, x/128%16, x/2048%16, x/32768
		for n := uint64(1); n <= 2; n++ {
			want := noise <= 56*n && first <= 7*n && second <= 7*n && rest == 0
			if got := p.decode(dst, &words, 1, int(n)); got != want || got && (dst[0] != first || dst[1] != second) {
				t.Fatalf("%d decodes as sum of %d to %v, %v; want %d, %d, %v", x, n, dst, got, first, second, want)
			}
			if want {
				decoded[n]++
				continue
			}
			wantErr := ErrRange
			if noise > 56*n {
				wantErr = ErrNoise
			}
			if x%64 == 0 {
				if err := p.locate(&words, 1, 2, 0, int(n)); !errors.Is(err, wantErr) {
					t.Fatalf("%d as sum of %d: error %v, want %v", x, n, err, wantErr)
				}
			}
		}
	}
	if decoded != [3]int{0, 57 * 8 * 8, 113 * 15 * 15} {
		t.Errorf("%v numbers decode", decoded)
	}
}

// TestSmallSums encrypts every pair of messages of a coefficient and opens
// their sum.
func TestSmallSums(t *testing.T) {
	p := small(t)
	source := rand.NewChaCha8([32]byte{1})
	for a := range uint32(64) {
		for b := uint32(0); b < 64; b += 20 {
			sum, keySum := p.NewSum(), make([]int32, p.N())
			want := make([]uint64, 40)
			for h := range uint32(2) {
				key, err := p.NewKey(source)
				if err != nil {
					t.Fatal(err)
				}
				fields := make([]uint32, 40)
				for c := range uint32(20) {
					m := a
					if h == 1 {
						m = (b + c) % 64
					}
					fields[2*c], fields[2*c+1] = m%8, m/8
					want[2*c] += uint64(m % 8)
					want[2*c+1] += uint64(m / 8)
				}
				wire, err := p.Encrypt([32]byte{byte(a)}, key, fields, source)
				if err != nil {
					t.Fatal(err)
				}
				if err := sum.Add(wire); err != nil {
					t.Fatal(err)
				}
				for i, v := range key.Coefficients() {
					keySum[i] += int32(v)
				}
			}
			got := make([]uint64, 40)
			if err := p.Open([32]byte{byte(a)}, keySum, sum, 2, got); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if got[i] != want[i] || got[i] > 2*fixedpoint.Max(3) {
					t.Fatalf("messages %d and %d to %d: field %d is %d, want %d", a, b, b+19, i, got[i], want[i])
				}
			}
		}
	}
}
