package he

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tuneinsight/lattigo/v5/ring"

	"atrium/aggregation/fixedpoint"
)

// ErrFields is wrapped when fields do not fit the parameters: their number, or
// one of them above 2^Bits-1.
var ErrFields = errors.New("fields do not fit the parameters")

// Encrypt returns the whole ciphertext of Count fields, CiphertextBytes long.
// seed is common to the group and the manifest; key is fresh. It reads 48
// bytes of rand.
func (p *Parameters) Encrypt(seed [32]byte, key *OneTimeKey, fields []uint32, rand io.Reader) ([]byte, error) {
	return p.EncryptBlocks(make([]byte, 0, p.CiphertextBytes()), 0, p.Blocks(), seed, key, fields, rand)
}

// EncryptBlocks appends blocks [first, last) to dst: one segment of the
// ciphertext. fields are those of these blocks alone, see Fields. A key takes
// segments in ascending order, each block once. It reads 48 bytes of rand at
// each call.
func (p *Parameters) EncryptBlocks(dst []byte, first, last int, seed [32]byte, key *OneTimeKey, fields []uint32, rand io.Reader) ([]byte, error) {
	if err := p.checkBlocks(first, last); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := p.checkFields(first, last, fields); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	secret, err := newSecretStream(rand)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := key.claim(p, seed, first, last); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	key.mu.RLock()
	defer key.mu.RUnlock()
	if key.erased {
		return nil, fmt.Errorf("encrypt: %v is erased: %w", key, ErrKey)
	}
	s := p.borrow()
	defer p.giveBack(s)
	dst = slices.Grow(dst, p.layout.segmentBytes(first, last))
	if first == 0 {
		dst = append(dst, wireVersion)
	}
	public := newAES(seed[:])
	for block := first; block < last; block++ {
		from, to := p.layout.span(block, block+1)
		taken := min(len(fields), (to-from)*p.literal.PerCoefficient)
		p.maskBlock(s, public, key.transformed, block)
		sampleGaussian(s.noise[:to-from], secret, s.bytes)
		p.addMessage(s, fields[:taken])
		dst = p.encodeBlock(dst, s.residues, to-from)
		fields = fields[taken:]
	}
	return dst, nil
}

func (p *Parameters) checkFields(first, last int, fields []uint32) error {
	from, to := p.Fields(first, last)
	if len(fields) != to-from {
		return fmt.Errorf("%d fields for blocks %d to %d, want %d: %w", len(fields), first, last, to-from, ErrFields)
	}
	for i, v := range fields {
		if uint64(v) > fixedpoint.Max(p.literal.Bits) {
			return fmt.Errorf("field %d has more than %d bits: %w", from+i, p.literal.Bits, ErrFields)
		}
	}
	return nil
}

// maskBlock sets s.residues to the coefficients of a*key for a block; key is
// transformed and in Montgomery form.
func (p *Parameters) maskBlock(s *scratch, public cipher.Block, key [][]uint64, block int) {
	for j := range p.primes {
		f := &p.primes[j]
		p.expand(s.public, public, block, j, s.bytes)
		f.ring.MulCoeffsMontgomeryLazy(s.public, key[j], s.residues[j])
		f.ring.INTT(s.residues[j], s.residues[j])
	}
}

// addMessage adds Delta*m + e to s.residues, where m packs the fields and e is
// s.noise.
func (p *Parameters) addMessage(s *scratch, fields []uint32) {
	k, shift := p.literal.PerCoefficient, uint(p.literal.LogDelta)
	count := 0
	for ; len(fields) > 0; count++ {
		taken := min(k, len(fields))
		m := &s.message[count]
		fixedpoint.Pack(m, fields[:taken], p.literal.Width)
		*m = shiftLeft(*m, shift)
		fields = fields[taken:]
	}
	for j := range p.primes {
		p.primes[j].accumulate(s.residues[j][:count], s.message[:count], s.noise[:count])
	}
}

// accumulate sets each r to r + m + e modulo q, for r below q and |e| below q.
// Each lazy product is at most 2q-1 and q is below 2^61, so that the sum of
// five terms, at most 8q-5, does not overflow.
func (f *prime) accumulate(r []uint64, m [][3]uint64, e []int16) {
	m, e = m[:len(r)], e[:len(r)]
	q, qInv, barret := f.q, f.qInv, f.barret
	c0, c1, c2 := f.limb[0], f.limb[1], f.limb[2]
	for i := range r {
		x := &m[i]
		v := r[i] + ring.MRedLazy(x[0], c0, q, qInv) + ring.MRedLazy(x[1], c1, q, qInv) + ring.MRedLazy(x[2], c2, q, qInv)
		r[i] = ring.BRedAdd(v+f.lift(int64(e[i])), q, barret)
	}
}
