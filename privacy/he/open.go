package he

import (
	"errors"
	"fmt"

	"atrium/aggregation/fixedpoint"
)

// Sentinels of Open.
var (
	// ErrKeySum means that the key sum cannot be one of n keys.
	ErrKeySum = errors.New("key sum out of range")
	// ErrNoise means that a coefficient's noise cannot be that of n
	// ciphertexts: the key sum, the seed or a ciphertext is wrong.
	ErrNoise = errors.New("noise out of range")
	// ErrRange means that a field cannot be the sum of n fields.
	ErrRange = errors.New("field out of range")
)

// Open decodes a sum of n ciphertexts under seed with keySum, the N
// coefficients of the sum of their n one-time keys, into dst, which has one
// entry for each field of the sum's blocks. It checks every |key coefficient|
// <= 28n (ErrKeySum), every coefficient's |noise| <= 28n (ErrNoise) and every
// field <= n*(2^Bits-1) (ErrRange), and names the first that fails. On error
// dst is zeroed.
func (p *Parameters) Open(seed [32]byte, keySum []int32, sum *Sum, n int, dst []uint64) error {
	if sum.p != p {
		return fmt.Errorf("open: sum is of other parameters: %w", ErrParameters)
	}
	if n < MinGroup || n > p.literal.GroupSize {
		return fmt.Errorf("open: sum of %d, want %d to %d: %w", n, MinGroup, p.literal.GroupSize, ErrParameters)
	}
	from, to := p.Fields(sum.first, sum.last)
	if len(dst) != to-from {
		return fmt.Errorf("open: %d fields, want %d: %w", len(dst), to-from, ErrFields)
	}
	key, err := p.transformKeySum(keySum, n)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	s := p.borrow()
	defer p.giveBack(s)
	public := newAES(seed[:])
	rest := dst
	for i, polynomials := range sum.blocks {
		block := sum.first + i
		taken := min(len(rest), len(polynomials[0])*p.literal.PerCoefficient)
		p.maskBlock(s, public, key, block)
		p.unmask(s, polynomials, n)
		if err := p.decode(s, rest[:taken], block, len(polynomials[0]), n); err != nil {
			clear(dst)
			return fmt.Errorf("open: %w", err)
		}
		rest = rest[taken:]
	}
	return nil
}

func (p *Parameters) transformKeySum(keySum []int32, n int) ([][]uint64, error) {
	if len(keySum) != p.N() {
		return nil, fmt.Errorf("key sum of %d coefficients, want %d: %w", len(keySum), p.N(), ErrKeySum)
	}
	bound := p.KeyBound(n)
	for i, v := range keySum {
		if v > bound || v < -bound {
			return nil, fmt.Errorf("key coefficient %d is %d, beyond %d: %w", i, v, bound, ErrKeySum)
		}
	}
	var key [][]uint64
	for j := range p.primes {
		f, values := &p.primes[j], make([]uint64, p.N())
		for i, v := range keySum {
			values[i] = f.lift(int64(v))
		}
		f.transformKey(values)
		key = append(key, values)
	}
	return key, nil
}

// unmask replaces s.residues by sum - s.residues + 28n: Delta*m plus noise
// moved up to begin at 0.
func (p *Parameters) unmask(s *scratch, sum [][]uint64, n int) {
	up := uint64(NoiseBound * n)
	for j := range p.primes {
		q, mask := p.primes[j].q, s.residues[j][:len(sum[j])]
		for i, v := range sum[j] {
			mask[i] = reduceOnce(reduceOnce(v+q-mask[i], q)+up, q)
		}
	}
}

// decode splits count coefficients into noise and fields and checks both. The
// fields of the last coefficient that dst has no room for must be 0.
func (p *Parameters) decode(s *scratch, dst []uint64, block, count, n int) error {
	l := p.literal
	noiseMask, largestNoise, largest := uint64(1)<<l.LogDelta-1, uint64(2*NoiseBound*n), p.largestField(n)
	for i := range count {
		x := p.garner.combine(s.residues, i)
		if noise := x[0] & noiseMask; noise > largestNoise {
			return fmt.Errorf("coefficient %d: %w", block*p.N()+i, ErrNoise)
		}
		m := shiftRight(x, uint(l.LogDelta))
		if exceeds(m, l.PerCoefficient*l.Width) {
			return fmt.Errorf("coefficient %d: %w", block*p.N()+i, ErrRange)
		}
		fixedpoint.Unpack(s.fields, &m, l.Width)
		taken := copy(dst, s.fields)
		dst = dst[taken:]
		for j, v := range s.fields {
			if v > largest || j >= taken && v != 0 {
				return fmt.Errorf("coefficient %d, field %d: %w", block*p.N()+i, j, ErrRange)
			}
		}
	}
	return nil
}
