package he

import (
	"errors"
	"fmt"
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

// Open is PrepareKeySum and KeySum.Open in one.
func (p *Parameters) Open(seed [32]byte, keySum []int32, sum *Sum, n int, dst []uint64) error {
	k, err := p.PrepareKeySum(keySum, n)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	return k.Open(seed, sum, dst)
}

// opening is what the goroutines of one Open share and only read.
type opening struct {
	*tables
	seed *[32]byte
	key  *KeySum
	sum  *Sum
}

// blocks opens blocks [first, last) into dst.
func (o *opening) blocks(dst []uint64, first, last int) error {
	s := o.borrow()
	defer o.giveBack(s)
	public := o.publicFrom(o.seed, first)
	products, sums := make([][]uint64, len(o.primes)), make([][]uint64, len(o.primes))
	for block := first; block < last; block++ {
		for j := range o.primes {
			o.expand(s.residues[j], &o.primes[j], public, s)
			o.primes[j].product(s.residues[j], o.key.transformed[j])
		}
		sum := o.sum.blocks[block-o.sum.first]
		for from := 0; from < len(sum[0]); from += chunk {
			to := min(from+chunk, len(sum[0]))
			for j := range o.primes {
				products[j], sums[j] = s.residues[j][from:to], sum[j][from:to]
			}
			o.garner.unmask(products, sums, uint64(NoiseBound*o.key.n))
			o.garner.compose(&s.words, products)
			taken := min(len(dst), (to-from)*o.decoded.PerCoefficient)
			if !o.decode(dst[:taken], &s.words, to-from, o.key.n) {
				return o.locate(&s.words, to-from, taken, block*o.layout.degree+from, o.key.n)
			}
			dst = dst[taken:]
		}
	}
	return nil
}

// unmask replaces products of f by sum + up - product, below 2q: Delta*m plus
// noise moved up to begin at 0. A product is at most f.overflow <= 2^63+2^50, a
// multiple of q, and a sum is below 2^62.
func (f *prime) unmask(product, sum []uint64, up uint64) {
	up += f.overflow
	sum = sum[:len(product)]
	for i, v := range sum {
		product[i] = f.reduceLazy(v + up - product[i])
	}
}
