package he

import "fmt"

// KeySum is the sum of n one-time keys, ready to open the segments of their
// ciphertexts' sum. It does not change and may be shared by goroutines.
type KeySum struct {
	p           *Parameters
	n           int
	transformed []multiplicand
}

// PrepareKeySum checks and transforms the N centred coefficients of the sum of
// n one-time keys: every |coefficient| <= 28n (ErrKeySum), n within the group.
func (p *Parameters) PrepareKeySum(keySum []int32, n int) (*KeySum, error) {
	if n < MinGroup || n > p.literal.GroupSize {
		return nil, fmt.Errorf("prepare key sum: sum of %d, want %d to %d: %w", n, MinGroup, p.literal.GroupSize, ErrParameters)
	}
	if len(keySum) != p.N() {
		return nil, fmt.Errorf("prepare key sum of %d coefficients, want %d: %w", len(keySum), p.N(), ErrKeySum)
	}
	bound := p.KeyBound(n)
	for i, v := range keySum {
		if v > bound || v < -bound {
			return nil, fmt.Errorf("prepare key sum: coefficient %d is %d, beyond %d: %w", i, v, bound, ErrKeySum)
		}
	}
	s := p.borrow()
	defer p.giveBack(s)
	return &KeySum{p: p, n: n, transformed: transformKey(p.tables, keySum, s)}, nil
}

// Open decodes a sum of n ciphertexts, or a segment of it, under seed into
// dst, which has one entry for each field of the sum's blocks. It checks every
// coefficient's |noise| <= 28n (ErrNoise) and every field <= n*(2^Bits-1)
// (ErrRange), and names the first that fails. On error dst is zeroed.
func (k *KeySum) Open(seed [32]byte, sum *Sum, dst []uint64) error {
	if sum.p.tables != k.p.tables {
		return fmt.Errorf("open: sum is of other parameters: %w", ErrParameters)
	}
	from, to := k.p.Fields(sum.first, sum.last)
	if len(dst) != to-from {
		return fmt.Errorf("open: %d fields, want %d: %w", len(dst), to-from, ErrFields)
	}
	sum.settle()
	o := opening{tables: k.p.tables, seed: &seed, key: k, sum: sum}
	err := k.p.split(sum.first, sum.last, func(first, last int) error {
		low, high := k.p.fieldsWithin(sum.first, first, last)
		return o.blocks(dst[low:high], first, last)
	})
	if err != nil {
		clear(dst)
		return fmt.Errorf("open: %w", err)
	}
	return nil
}
