package he

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestNoiseWithinBound reads the noise of sums: each coefficient is within
// 28n, and the variance within 5% of n*20.48. With 20,000 coefficients the
// relative error of a variance is about 1%, so that 5% is 5 standard errors.
func TestNoiseWithinBound(t *testing.T) {
	const n = 12
	p := parameters(t, choose(t, 60_000, n, 16))
	sum, key, _ := collect(t, p, [32]byte{}, n, rand.NewChaCha8([32]byte{6}))
	prepared, err := p.PrepareKeySum(key, n)
	if err != nil {
		t.Fatal(err)
	}
	s, public := newScratch(p.tables), p.publicFrom(new([32]byte), 0)
	for i := range s.words {
		s.words[i] = make([]uint64, p.N())
	}
	count, square, largest := 0.0, 0.0, 0
	for _, polynomials := range sum.blocks {
		for j := range p.primes {
			f := &p.primes[j]
			p.expand(s.residues[j], f, public, s)
			f.product(s.residues[j], prepared.transformed[j])
		}
		products := slices.Clone(s.residues)
		for j := range products {
			products[j] = products[j][:len(polynomials[j])]
		}
		p.garner.unmask(products, polynomials, NoiseBound*n)
		p.garner.compose(&s.words, products)
		for _, x := range s.words[0][:len(polynomials[0])] {
			noise := int(x&(1<<p.literal.LogDelta-1)) - NoiseBound*n
			largest = max(largest, noise, -noise)
			count, square = count+1, square+float64(noise*noise)
		}
	}
	if largest > NoiseBound*n {
		t.Errorf("noise %d, bound %d", largest, NoiseBound*n)
	}
	if v := square / count; count < 20_000 || math.Abs(v/(n*20.48)-1) > 0.05 {
		t.Errorf("noise variance %v over %v coefficients, want %v", v, count, n*20.48)
	}
}

// wrongSum reports whether Open saw that key, seed and sum do not belong
// together.
func wrongSum(err error) bool { return errors.Is(err, ErrNoise) || errors.Is(err, ErrRange) }

// TestOpenRefuses spoils what Open is given; small vectors have the least room
// to notice.
func TestOpenRefuses(t *testing.T) {
	for _, count := range []int{1, 16, 30_000} {
		const n = 4
		p := parameters(t, choose(t, count, n, 16))
		seed, source := [32]byte{1}, rand.NewChaCha8([32]byte{7})
		sum, key, _ := collect(t, p, seed, n, source)
		open := func(seed [32]byte, key []int32, wire []byte, n int) error {
			s, err := p.UnmarshalSum(wire)
			if err != nil {
				t.Fatal(err)
			}
			dst := make([]uint64, count)
			for i := range dst {
				dst[i] = 77
			}
			err = p.Open(seed, key, s, n, dst)
			if wrongSum(err) {
				for i, v := range dst {
					if v != 0 {
						t.Fatalf("count %d: refused, but field %d is %d", count, i, v)
					}
				}
			}
			return err
		}
		wire := sum.Marshal()
		if err := open(seed, key, wire, n); err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, 1, p.N() - 1} {
			wrong := append([]int32{}, key...)
			if wrong[at]++; wrong[at] > p.KeyBound(n) {
				wrong[at] -= 2
			}
			if err := open(seed, wrong, wire, n); !wrongSum(err) {
				t.Errorf("count %d: key coefficient %d off by one: error %v, want ErrNoise or ErrRange", count, at, err)
			}
		}
		if err := open([32]byte{2}, key, wire, n); !wrongSum(err) {
			t.Errorf("count %d: other seed: error %v, want ErrNoise or ErrRange", count, err)
		}
		large := append([]int32{}, key...)
		large[3] = p.KeyBound(n) + 1
		if err := open(seed, large, wire, n); !errors.Is(err, ErrKeySum) {
			t.Errorf("count %d: key coefficient beyond 28n: error %v, want ErrKeySum", count, err)
		}
		if err := open(seed, key[1:], wire, n); !errors.Is(err, ErrKeySum) {
			t.Errorf("count %d: short key: error %v, want ErrKeySum", count, err)
		}
		extra := encryptRandom(t, p, seed, source)
		if err := sum.Add(extra.wire); err != nil {
			t.Fatal(err)
		}
		if err := open(seed, key, sum.Marshal(), n); !wrongSum(err) {
			t.Errorf("count %d: a ciphertext too many: error %v, want ErrNoise or ErrRange", count, err)
		}
		for _, n := range []int{-1, 0, 1, 5} {
			if err := open(seed, key, wire, n); !errors.Is(err, ErrParameters) {
				t.Errorf("count %d: n = %d: error %v, want ErrParameters", count, n, err)
			}
		}
	}
}

// TestOpenRefusesGarbled overwrites 128 bytes of a sum, 16 coefficients or
// more, each of which keeps its noise within bounds with probability 1/3, and
// replaces all of it.
func TestOpenRefusesGarbled(t *testing.T) {
	p := parameters(t, choose(t, 1000, 3, 16))
	sum, key, want := collect(t, p, [32]byte{}, 3, rand.NewChaCha8([32]byte{8}))
	wire := sum.Marshal()
	if err := p.Open([32]byte{}, key, sum, 2, make([]uint64, len(want))); err == nil {
		t.Error("sum of 3 opened as a sum of 2")
	}
	rng, opened := rand.New(rand.NewPCG(4, 4)), 0
	for range 100 {
		bad := bytes.Clone(wire)
		at := 1 + rng.IntN(len(bad)-129)
		for i := range 128 {
			bad[at+i] = byte(rng.Uint32())
		}
		s, err := p.UnmarshalSum(bad)
		if err != nil {
			continue
		}
		opened++
		if err := p.Open([32]byte{}, key, s, 3, make([]uint64, len(want))); !wrongSum(err) {
			t.Errorf("128 bytes from %d overwritten: error %v", at, err)
		}
	}
	if opened == 0 {
		t.Error("no garbled sum was decoded, so none was opened")
	}
	rng2 := rand.NewChaCha8([32]byte{9})
	garbage := p.NewSum()
	for i := range garbage.blocks {
		for j, f := range p.primes {
			for c := range garbage.blocks[i][j] {
				garbage.blocks[i][j][c] = rng2.Uint64() % f.q
			}
		}
	}
	if err := p.Open([32]byte{}, key, garbage, 3, make([]uint64, len(want))); !wrongSum(err) {
		t.Errorf("garbage: error %v", err)
	}
}

// TestOpenRefusesRange builds sums with a field, a filler or a whole
// coefficient that no n honest fields give.
func TestOpenRefusesRange(t *testing.T) {
	p := parameters(t, choose(t, 7, 3, 16)) // 3 summands, width 18
	if p.literal.Count%p.literal.PerCoefficient == 0 {
		t.Fatal("no filler to test")
	}
	key := make([]int32, p.N())
	open := func(coefficient int, m, shift uint) error {
		s := p.NewSum()
		for j, f := range p.primes {
			v := new(big.Int).Lsh(big.NewInt(int64(m)), shift+uint(p.literal.LogDelta))
			s.blocks[0][j][coefficient] = v.Mod(v, new(big.Int).SetUint64(f.q)).Uint64()
		}
		return p.Open([32]byte{}, key, s, 3, make([]uint64, 7))
	}
	last, width := p.layout.coefficients-1, uint(p.literal.Width)
	if err := open(0, 3*65535, 0); err != nil {
		t.Fatalf("largest field: %v", err)
	}
	if err := open(0, 3*65535+1, 0); !errors.Is(err, ErrRange) || !strings.Contains(err.Error(), "coefficient 0, field 0") {
		t.Errorf("field too large: error %v", err)
	}
	if err := open(last, 1, width*uint(p.literal.PerCoefficient-1)); !errors.Is(err, ErrRange) {
		t.Errorf("filler not zero: error %v", err)
	}
}
