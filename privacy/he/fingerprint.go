package he

import (
	"encoding/binary"
	"fmt"
)

// fingerprintVersion is the first byte of a fingerprint.
const fingerprintVersion = 1

// Fingerprint computes a linear hash of a ciphertext, or of a sum, out of its
// segments in order: for each prime q and each of its points α the value
// Σ c[k]·α^k modulo q, k counting the coefficients of the ciphertext from 0.
// Fingerprints add up as ciphertexts do. It belongs to one goroutine and holds
// 4 KiB for each value.
type Fingerprint struct {
	p      *Parameters
	points [][]point  // prime, point
	power  [][]uint64 // the point to the first coefficient of block next
	sum    [][]uint64 // over the blocks before next
	next   int
}

// NewFingerprint returns the fingerprint of no block yet at the points that
// follow from seed. The seed must not have been known, nor open to choice,
// when the ciphertexts and their sum were fixed; see README.md.
func (p *Parameters) NewFingerprint(seed [32]byte) *Fingerprint {
	f := &Fingerprint{p: p, power: p.newValues(), sum: p.newValues()}
	source := pointSource{seed: seed}
	for j := range p.primes {
		q := &p.primes[j]
		f.points = append(f.points, nil)
		for i := range p.points {
			f.points[j] = append(f.points[j], q.point(source.below(q), p.layout.degree))
			f.power[j][i] = 1
		}
	}
	return f
}

// newValues returns a 0 for each prime and point.
func (t *tables) newValues() [][]uint64 {
	out := make([][]uint64, len(t.primes))
	for j := range out {
		out[j] = make([]uint64, t.points)
	}
	return out
}

// Add takes the wire form of blocks [first, last), which begin where the
// blocks before ended. It refuses what Sum.Add refuses, and then leaves the
// fingerprint as it was.
func (f *Fingerprint) Add(first, last int, wire []byte) error {
	if err := f.p.checkBlocks(first, last); err != nil {
		return fmt.Errorf("fingerprint: %w", err)
	}
	if first != f.next {
		return fmt.Errorf("fingerprint: blocks %d to %d, want block %d next: %w", first, last, f.next, ErrWire)
	}
	if err := f.p.checkWire(wire, first, last); err != nil {
		return fmt.Errorf("fingerprint: %w", err)
	}
	values := make([][][]uint64, last-first)
	err := f.p.split(first, last, func(from, to int) error {
		s := f.p.borrow()
		defer f.p.giveBack(s)
		for block := from; block < to; block++ {
			values[block-first] = f.p.newValues()
			at, _ := f.p.layout.within(first, block, block+1)
			if !f.block(values[block-first], s.words[0], wire[at:], block) {
				return refusedBlock(block)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fingerprint: %w", err)
	}
	for _, v := range values {
		f.append(v)
	}
	f.next = last
	return nil
}

// block sets values to those of a block by itself. in begins with the block
// and may go on. It reports whether all residues are below their prime and the
// padding is 0. Whole chunks are whole bytes.
func (f *Fingerprint) block(values [][]uint64, c []uint64, in []byte, block int) bool {
	from, to := f.p.layout.span(block, block+1)
	count := to - from
	at, good := uint(0), true
	for j := range f.p.primes {
		q := &f.p.primes[j]
		for i := (count - 1) / chunk * chunk; i >= 0; i -= chunk {
			n := min(chunk, count-i)
			part := c[:(n+3)&^3]
			clear(part)
			good = addResidues(part[:n], in, at+uint(i)*q.bits, q.bits, q.q) && good
			for r, v := range values[j] {
				values[j][r] = q.horner(v, &f.points[j][r], part)
			}
		}
		at += uint(count) * q.bits
	}
	return good && padded(in, at)
}

// append adds the values of block next.
func (f *Fingerprint) append(values [][]uint64) {
	for j := range f.p.primes {
		q := &f.p.primes[j]
		for i, v := range values[j] {
			power := f.power[j][i]
			f.sum[j][i] = q.reduce(f.sum[j][i] + q.factor(power).times(v, q.q))
			f.power[j][i] = q.reduce(f.points[j][i].block.times(power, q.q))
		}
	}
}

// Bytes returns the fingerprint after the last block: the version byte 1 and,
// for each prime in the literal's order and each of its points, the value in
// eight bytes, little-endian.
func (f *Fingerprint) Bytes() ([]byte, error) {
	if f.next != f.p.Blocks() {
		return nil, fmt.Errorf("fingerprint: %d of %d blocks: %w", f.next, f.p.Blocks(), ErrWire)
	}
	return f.p.encodeValues(f.sum), nil
}

func (t *tables) encodeValues(values [][]uint64) []byte {
	out := []byte{fingerprintVersion}
	for _, of := range values {
		for _, v := range of {
			out = binary.LittleEndian.AppendUint64(out, v)
		}
	}
	return out
}

// FingerprintBytes returns the size of a fingerprint.
func (p *Parameters) FingerprintBytes() int { return 1 + 8*len(p.primes)*p.points }

// AddFingerprints returns the fingerprint of the sum of the ciphertexts whose
// fingerprints are given, at the same points. It refuses an empty list, another
// length or version, and values that are not below their prime (ErrWire).
func (p *Parameters) AddFingerprints(list [][]byte) ([]byte, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("add fingerprints: none given: %w", ErrWire)
	}
	sum := p.newValues()
	for i, b := range list {
		if err := p.addValues(sum, b); err != nil {
			return nil, fmt.Errorf("add fingerprint %d: %w", i, err)
		}
	}
	return p.encodeValues(sum), nil
}

// addValues adds the values of a fingerprint to sum, or some of those of one
// that it refuses.
func (t *tables) addValues(sum [][]uint64, b []byte) error {
	if want := 1 + 8*len(t.primes)*t.points; len(b) != want {
		return fmt.Errorf("%d bytes, want %d: %w", len(b), want, ErrWire)
	}
	if b[0] != fingerprintVersion {
		return fmt.Errorf("version %d, want %d: %w", b[0], fingerprintVersion, ErrWire)
	}
	b = b[1:]
	for j := range sum {
		q := t.primes[j].q
		for i := range sum[j] {
			v := binary.LittleEndian.Uint64(b)
			if v >= q {
				return fmt.Errorf("value %d is not below prime %d: %w", v, q, ErrWire)
			}
			sum[j][i], b = reduceOnce(sum[j][i]+v, q), b[8:]
		}
	}
	return nil
}
