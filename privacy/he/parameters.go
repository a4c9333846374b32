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
// be shared by goroutines: lattigo's transforms only read their tables, and
// scratch comes from a pool.
type Parameters struct {
	literal Literal
	layout  layout
	primes  []prime
	garner  garner
	scratch sync.Pool
}

// prime is one factor of Q with its transform and reduction constants.
type prime struct {
	ring   *ring.SubRing
	q      uint64
	qInv   uint64    // -1/q modulo 2^64 in lattigo's sign convention
	barret []uint64  // lattigo's Barrett constant
	limb   [3]uint64 // 2^(64 i) in Montgomery form
	bits   uint
	mask   uint64
}

// Parameters checks l and builds its tables.
func (l Literal) Parameters() (*Parameters, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	l.Primes = slices.Clone(l.Primes)
	r, err := ring.NewRing(1<<l.LogN, l.Primes)
	if err != nil {
		return nil, fmt.Errorf("%w: ring: %w", ErrParameters, err)
	}
	p := &Parameters{literal: l, layout: layoutOf(l)}
	for _, s := range r.SubRings {
		p.primes = append(p.primes, newPrime(s))
	}
	p.garner = newGarner(p.primes)
	p.scratch.New = func() any { return newScratch(p) }
	return p, nil
}

func newPrime(s *ring.SubRing) prime {
	f := prime{ring: s, q: s.Modulus, qInv: s.MRedConstant, barret: s.BRedConstant, bits: uint(bits.Len64(s.Modulus))}
	f.mask = 1<<f.bits - 1
	f.limb[0] = f.montgomery(1)
	for i := 1; i < len(f.limb); i++ {
		f.limb[i] = f.montgomery(f.limb[i-1])
	}
	return f
}

// montgomery returns x*2^64 modulo q for x below q.
func (f *prime) montgomery(x uint64) uint64 { return ring.MForm(x, f.q, f.barret) }

// inverse returns 1/x modulo q.
func (f *prime) inverse(x uint64) uint64 {
	return ring.ModExp(ring.BRedAdd(x, f.q, f.barret), f.q-2, f.q)
}

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
func (p *Parameters) largestField(n int) uint64 {
	return uint64(n) * fixedpoint.Max(p.literal.Bits)
}

// scratch is the working memory of one block.
type scratch struct {
	public   []uint64   // a, for one prime
	residues [][]uint64 // one polynomial for each prime
	message  [][3]uint64
	noise    []int16
	bytes    []byte
	fields   []uint64
}

const scratchBytes = 4096

func newScratch(p *Parameters) *scratch {
	n := p.layout.degree
	s := &scratch{public: make([]uint64, n), noise: make([]int16, n), bytes: make([]byte, scratchBytes)}
	s.fields, s.message = make([]uint64, p.literal.PerCoefficient), make([][3]uint64, n)
	for range p.primes {
		s.residues = append(s.residues, make([]uint64, n))
	}
	return s
}

func (p *Parameters) borrow() *scratch { return p.scratch.Get().(*scratch) }

// giveBack erases what is secret before another use.
func (p *Parameters) giveBack(s *scratch) {
	clear(s.message)
	clear(s.noise)
	clear(s.bytes)
	clear(s.fields)
	for _, r := range s.residues {
		clear(r)
	}
	p.scratch.Put(s)
}
