package he

import (
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/tuneinsight/lattigo/v5/ring"

	"atrium/aggregation/fixedpoint"
)

// Parameters is a checked literal with its tables. It does not change and may
// be shared by goroutines.
type Parameters struct {
	*tables
	workers int
}

// tables is what all views of the same parameters have in common.
type tables struct {
	literal Literal
	layout  layout
	primes  []prime
	public  publicLayout
	message fixedpoint.Packing // into words of wordBits, for encryption
	decoded fixedpoint.Packing // out of words of 64 bits
	garner  garner
	runs    *messageRuns  // nil: not on this processor, or too large for it
	four    *decodeVector // nil: not on this processor
	most    int           // ciphertexts in a sum before it is reduced
	points  int           // of a fingerprint, for each prime
	scratch sync.Pool
}

// prime is one factor of Q with its transform and reduction constants.
type prime struct {
	ring                    *ring.SubRing
	q                       uint64
	inverseHigh, inverseLow uint64 // floor(2^128/q)
	bits                    uint
	mask                    uint64
	overflow                uint64    // of products after the transform: a multiple of q above them
	roots                   []factor  // of the inverse transform, as lattigo orders them
	word                    [3]factor // 2^(62 i)
	two64                   factor    // 2^64
	vector                  *vector   // nil: not on this processor
}

// Parameters checks l and builds its tables.
func (l Literal) Parameters() (*Parameters, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	return l.build()
}

// build is Parameters without the checks.
func (l Literal) build() (*Parameters, error) {
	l.Primes = slices.Clone(l.Primes)
	r, err := ring.NewRing(1<<l.LogN, l.Primes)
	if err != nil {
		return nil, fmt.Errorf("%w: ring: %w", ErrParameters, err)
	}
	t := &tables{literal: l, layout: layoutOf(l), most: 1 << (62 - MaxPrimeBits), points: l.points()}
	for _, s := range r.SubRings {
		t.primes = append(t.primes, newPrime(s))
	}
	t.public = t.newPublicLayout()
	t.garner = newGarner(t.primes)
	t.four = t.newDecodeVector()
	t.runs = t.newMessageRuns()
	t.decoded = fixedpoint.Packing{PerCoefficient: l.PerCoefficient, Width: l.Width, Offset: l.LogDelta, WordBits: 64}
	t.message = t.decoded
	t.message.WordBits = wordBits
	t.scratch.New = func() any { return newScratch(t) }
	return &Parameters{tables: t, workers: 1}, nil
}

// Parallel returns the same parameters, of which each operation on several
// blocks works in up to workers goroutines. Keys and sums of the one are those
// of the other, and so are the results.
func (p *Parameters) Parallel(workers int) *Parameters {
	return &Parameters{tables: p.tables, workers: max(1, workers)}
}

func newPrime(s *ring.SubRing) prime {
	f := prime{ring: s, q: s.Modulus, inverseHigh: s.BRedConstant[0], inverseLow: s.BRedConstant[1], bits: uint(bits.Len64(s.Modulus))}
	f.mask = 1<<f.bits - 1
	f.overflow = uint64(s.N+1) * f.q
	f.roots = make([]factor, s.N)
	for i, w := range s.RootsBackward {
		f.roots[i] = f.factor(ring.IMForm(w, f.q, s.MRedConstant))
	}
	power := uint64(1)
	for i := range f.word {
		f.word[i] = f.factor(power)
		power = f.reduce(f.factor(f.reduce(1<<wordBits)).times(power, f.q))
	}
	f.two64 = f.factor(f.power(64))
	if haveVectors {
		f.vector = f.newVector()
	}
	return f
}

// inverse returns 1/x modulo q.
func (f *prime) inverse(x uint64) uint64 { return ring.ModExp(f.reduce(x), f.q-2, f.q) }

// Literal returns a copy of what p was made from.
func (p *Parameters) Literal() Literal {
	l := p.literal
	l.Primes = slices.Clone(l.Primes)
	return l
}

// KeyBound returns the largest absolute value of a coefficient of the sum of n
// one-time keys.
func (p *Parameters) KeyBound(n int) int32 { return int32(NoiseBound * n) }

// largestField returns the largest sum of n fields.
func (t *tables) largestField(n int) uint64 {
	return uint64(n) * fixedpoint.Max(t.literal.Bits)
}
