package he

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"atrium/aggregation/fixedpoint"
	"atrium/privacy/secrecy"
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
	var secret secretSource
	var err error
	secrecy.Do(func() { secret, err = newSecretSource(rand) })
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := key.claim(p.tables, seed, first, last); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	key.mu.RLock()
	defer key.mu.RUnlock()
	if key.erased {
		return nil, fmt.Errorf("encrypt: %v is erased: %w", key, ErrKey)
	}
	size := p.layout.segmentBytes(first, last)
	dst = slices.Grow(dst, size)
	out := dst[len(dst) : len(dst)+size]
	if first == 0 {
		out[0] = wireVersion
	}
	e := encryption{tables: p.tables, seed: &seed, key: key.transformed, secret: secret, first: first}
	err = p.split(first, last, func(from, to int) error {
		begin, end := p.layout.within(first, from, to)
		low, high := p.fieldsWithin(first, from, to)
		secrecy.Do(func() { e.blocks(out[begin:end], from, to, fields[low:high]) }) // a goroutine of its own
		return nil
	})
	return dst[:len(dst)+size], err
}

// fieldsWithin returns the range of blocks [from, to) in the fields of a
// segment that begins at block first.
func (p *Parameters) fieldsWithin(first, from, to int) (low, high int) {
	base, _ := p.Fields(first, to)
	low, high = p.Fields(from, to)
	return low - base, high - base
}

func (p *Parameters) checkFields(first, last int, fields []uint32) error {
	from, to := p.Fields(first, last)
	if len(fields) != to-from {
		return fmt.Errorf("%d fields for blocks %d to %d, want %d: %w", len(fields), first, last, to-from, ErrFields)
	}
	all, rest := uint32(0), fields
	for ; len(rest) >= 8; rest = rest[8:] {
		v := (*[8]uint32)(rest)
		all |= v[0] | v[1] | v[2] | v[3] | v[4] | v[5] | v[6] | v[7]
	}
	for _, v := range rest {
		all |= v
	}
	if uint64(all) <= fixedpoint.Max(p.literal.Bits) {
		return nil
	}
	i := slices.IndexFunc(fields, func(v uint32) bool { return uint64(v) > fixedpoint.Max(p.literal.Bits) })
	return fmt.Errorf("field %d has more than %d bits: %w", from+i, p.literal.Bits, ErrFields)
}

// encryption is what the goroutines of one EncryptBlocks share and only read.
type encryption struct {
	*tables
	seed   *[32]byte
	key    []multiplicand
	secret secretSource
	first  int
}

// blocks writes the wire form of blocks [from, to) to out. Errors of block b
// begin at word N*(b-first) of the secret stream.
func (e *encryption) blocks(out []byte, from, to int, fields []uint32) {
	s := e.borrow()
	defer e.giveBack(s)
	public := e.publicFrom(e.seed, from)
	secret := e.secret.from((from - e.first) * e.layout.degree / 2)
	for block := from; block < to; block++ {
		low, high := e.layout.span(block, block+1)
		count := high - low
		taken := min(len(fields), count*e.literal.PerCoefficient)
		sampleGaussian(s.noise[:count], secret, s.bytes)
		for j := range e.primes {
			e.expand(s.residues[j], &e.primes[j], public, s)
			e.primes[j].product(s.residues[j], e.key[j])
		}
		e.addMessage(s, fields[:taken], count)
		out = out[e.encodeBlock(out, s.residues, count):]
		fields = fields[taken:]
	}
}

// addMessage adds Delta*m + e to the first count of s.residues, where m packs
// the fields and e is s.noise, and reduces them.
func (t *tables) addMessage(s *scratch, fields []uint32, count int) {
	done := 0
	if t.runs != nil {
		done = t.runs.addFields(t, s, fields)
		fields = fields[done*t.literal.PerCoefficient:]
	}
	for from := done; from < count; from += chunk {
		to := min(from+chunk, count)
		taken := min(len(fields), (to-from)*t.message.PerCoefficient)
		t.message.Pack(&s.words, fields[:taken])
		for i, e := range s.noise[from:to] {
			s.words[0][i] += uint64(int64(e))
		}
		for j := range t.primes {
			t.primes[j].accumulate(s.residues[j][from:to], &s.words, t.messageBits())
		}
		fields = fields[taken:]
	}
}

// messageBits returns the length of a message with Delta.
func (t *tables) messageBits() int {
	return t.message.Offset + t.message.PerCoefficient*t.message.Width
}

// accumulate sets each r, a product of f, to r + m modulo q, where m is made of
// words of wordBits and has size bits in all. A product is below 2^63+2^50, the
// first word between -28 and 2^62, the second adds less than 2q < 2^51, the
// third as much, or less than 2^61 when its product needs no reduction: with q,
// the sum lies between 0 and 2^64.
func (f *prime) accumulate(r []uint64, m *[3][]uint64, size int) {
	m0, m1, m2 := m[0][:len(r)], m[1][:len(r)], m[2][:len(r)]
	q, w1, w2 := f.q, f.word[1], f.word[2]
	switch third := size - 2*wordBits; {
	case size <= wordBits:
		for i, v := range r {
			r[i] = f.reduce(v + m0[i] + q)
		}
	case third <= 0:
		for i, v := range r {
			r[i] = f.reduce(v + m0[i] + q + w1.times(m1[i], q))
		}
	case third+int(f.bits) <= 61:
		for i, v := range r {
			r[i] = f.reduce(v + m0[i] + q + w1.times(m1[i], q) + m2[i]*w2.value)
		}
	default:
		for i, v := range r {
			r[i] = f.reduce(v + m0[i] + q + w1.times(m1[i], q) + w2.times(m2[i], q))
		}
	}
}
