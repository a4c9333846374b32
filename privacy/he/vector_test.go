package he

import (
	"math/rand/v2"
	"slices"
	"testing"

	"atrium/aggregation/fixedpoint"
)

// vectorCases are literals of every kind that Choose gives, by the bits of
// their fields and the size of their group.
func vectorCases(t *testing.T, do func(t *testing.T, p *Parameters, rng *rand.Rand)) {
	if !haveVectors {
		t.Skip("this processor or build has no vectors to compare")
	}
	for _, bits := range []int{8, 16, 24, 32} {
		for _, group := range []int{2, 10, 16, 17, 128, MaxGroup} {
			for _, count := range []int{1000, million} {
				l := choose(t, count, group, bits)
				t.Run("", func(t *testing.T) { do(t, parameters(t, l), rand.New(rand.NewPCG(uint64(bits), uint64(group)))) })
			}
		}
	}
}

// extreme returns a number up to largest, often 0 or the largest.
func extreme(rng *rand.Rand, largest uint64) uint64 {
	return []uint64{rng.Uint64N(largest), 0, largest, largest - rng.Uint64N(min(largest, 3))}[rng.IntN(4)]
}

// TestVectorMessages compares addMessage with and without vectors.
func TestVectorMessages(t *testing.T) {
	vectors := 0
	vectorCases(t, func(t *testing.T, p *Parameters, rng *rand.Rand) {
		s := newScratch(p.tables)
		for _, count := range []int{p.N(), 1, 4, 5, 1023} {
			fields := make([]uint32, count*p.literal.PerCoefficient-rng.IntN(p.literal.PerCoefficient))
			for i := range fields {
				fields[i] = uint32(extreme(rng, fixedpoint.Max(p.literal.Bits)))
			}
			start := make([][]uint64, len(p.primes))
			for j := range start {
				start[j] = make([]uint64, count)
				for i := range start[j] {
					start[j][i] = extreme(rng, 2*p.primes[j].q-1)
				}
			}
			for i := range s.noise[:count] {
				s.noise[i] = int16(extreme(rng, 2*NoiseBound)) - NoiseBound
			}
			var got [2][][]uint64
			for v, runs := range []*messageRuns{p.newMessageRuns(), nil} {
				if runs != nil {
					vectors++
				}
				p.runs = runs
				for j := range start {
					copy(s.residues[j], start[j])
				}
				p.addMessage(s, fields, count)
				for j := range start {
					got[v] = append(got[v], slices.Clone(s.residues[j][:count]))
				}
			}
			for j := range start {
				for i, have := range got[0][j] {
					if want := got[1][j][i]; have != want {
						t.Fatalf("%+v: coefficient %d of %d modulo %d: %d, want %d", p.literal, i, count, p.primes[j].q, have, want)
					}
				}
			}
		}
	})
	if vectors == 0 && !t.Failed() {
		t.Error("no literal uses vectors")
	}
}

// TestVectorOpening compares unmask and decode with and without vectors, on
// numbers that decode and on others.
func TestVectorOpening(t *testing.T) {
	good := 0
	vectorCases(t, func(t *testing.T, p *Parameters, rng *rand.Rand) {
		n := 2 + rng.IntN(p.literal.GroupSize-1)
		for range 40 {
			count := 1 + rng.IntN(30)
			products, sums := make([][]uint64, len(p.primes)), make([][]uint64, len(p.primes))
			for j, f := range p.primes {
				for range count {
					products[j] = append(products[j], extreme(rng, 2*f.q-1))
					sums[j] = append(sums[j], extreme(rng, 1<<52-1))
				}
			}
			var digits [2][][]uint64
			vector := p.garner.vector
			for v := range digits {
				for j := range products {
					digits[v] = append(digits[v], slices.Clone(products[j]))
				}
				p.garner.unmask(digits[v], sums, uint64(NoiseBound*n))
				p.garner.vector = nil
			}
			p.garner.vector = vector
			for j := range products {
				if !slices.Equal(digits[0][j], digits[1][j]) {
					t.Fatalf("%+v: products %v, sums %v: digits %v, want %v", p.literal, products, sums, digits[0][j], digits[1][j])
				}
			}

			words := opened(p, rng, count, n)
			dst := [2][]uint64{make([]uint64, count*p.literal.PerCoefficient-rng.IntN(p.literal.PerCoefficient)), nil}
			dst[1] = slices.Clone(dst[0])
			have := p.decode(dst[0], &words, count, n)
			if want := p.decodeEach(dst[1], &words, count, n); have != want || have && !slices.Equal(dst[0], dst[1]) {
				t.Fatalf("%+v: %v decode to %v, %v; want %v, %v", p.literal, words, dst[0], have, dst[1], want)
			}
			if have {
				good++
			}
		}
	})
	if good < 100 && !t.Failed() {
		t.Errorf("%d vectors decode", good)
	}
}

// opened returns count numbers as the sum of n would give, and in half of the
// calls sets a bit somewhere.
func opened(p *Parameters, rng *rand.Rand, count, n int) (words [3][]uint64) {
	l := p.literal
	for i := range words {
		words[i] = make([]uint64, count)
	}
	put := func(c, at int, v uint64) {
		for b := range 64 {
			if v>>b&1 == 1 {
				words[(at+b)/64][c] |= 1 << ((at + b) % 64)
			}
		}
	}
	for c := range count {
		put(c, 0, extreme(rng, uint64(2*NoiseBound*n)))
		for f := range l.PerCoefficient {
			if c < count-1 || f == 0 { // the last may be cut short
				put(c, l.LogDelta+f*l.Width, extreme(rng, p.largestField(n)))
			}
		}
	}
	if rng.IntN(2) == 0 {
		words[rng.IntN(3)][rng.IntN(count)] ^= 1 << rng.IntN(64)
	}
	return words
}
