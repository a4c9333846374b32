package he

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrWire is wrapped by every refusal of a ciphertext's bytes.
var ErrWire = errors.New("invalid ciphertext encoding")

// bitWriter appends numbers of up to 61 bits to a little-endian bit string.
type bitWriter struct {
	out  []byte
	acc  uint64
	have uint
}

func (w *bitWriter) write(values []uint64, bits uint) {
	out, acc, have := w.out, w.acc, w.have
	for _, v := range values {
		acc |= v << have
		have += bits
		if have >= 64 {
			out = binary.LittleEndian.AppendUint64(out, acc)
			have -= 64
			acc = v >> (bits - have)
		}
	}
	w.out, w.acc, w.have = out, acc, have
}

// flush fills up the last byte with zero bits.
func (w *bitWriter) flush() {
	for w.have > 0 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
		w.have -= min(w.have, 8)
	}
	w.acc = 0
}

// bitReader is the inverse. The caller has checked the length.
type bitReader struct {
	in   []byte
	acc  uint64
	have uint
}

func (r *bitReader) read(values []uint64, bits uint) {
	in, acc, have := r.in, r.acc, r.have
	mask := uint64(1)<<bits - 1
	for i := range values {
		if have >= bits {
			values[i] = acc & mask
			acc >>= bits
			have -= bits
			continue
		}
		var word uint64
		fresh := uint(64)
		if len(in) >= 8 {
			word, in = binary.LittleEndian.Uint64(in), in[8:]
		} else {
			fresh = uint(8 * len(in))
			for j, b := range in {
				word |= uint64(b) << (8 * j)
			}
			in = nil
		}
		values[i] = (acc | word<<have) & mask
		taken := bits - have
		acc, have = word>>taken, fresh-taken
	}
	r.in, r.acc, r.have = in, acc, have
}

// encodeBlock appends the wire form of count coefficients of a block.
func (p *Parameters) encodeBlock(out []byte, residues [][]uint64, count int) []byte {
	w := bitWriter{out: out}
	for j := range p.primes {
		w.write(residues[j][:count], p.primes[j].bits)
	}
	w.flush()
	return w.out
}

// decodeBlock reads count coefficients of a block from exactly its bytes; it
// refuses residues that are not below their prime and padding that is not 0.
func (p *Parameters) decodeBlock(residues [][]uint64, in []byte, block, count int) error {
	r := bitReader{in: in}
	for j := range p.primes {
		values := residues[j][:count]
		r.read(values, p.primes[j].bits)
		largest, over := p.primes[j].q-1, uint64(0)
		for _, v := range values {
			over |= largest - v
		}
		if over>>63 != 0 {
			return fmt.Errorf("block %d: residue is not below prime %d: %w", block, p.primes[j].q, ErrWire)
		}
	}
	if r.acc != 0 {
		return fmt.Errorf("block %d: padding is not zero: %w", block, ErrWire)
	}
	return nil
}

// checkBlocks refuses a range of blocks that a ciphertext does not have.
func (p *Parameters) checkBlocks(first, last int) error {
	if first < 0 || last <= first || last > p.Blocks() {
		return fmt.Errorf("blocks %d to %d of %d: %w", first, last, p.Blocks(), ErrWire)
	}
	return nil
}

// body checks the size and version of the wire form of blocks [first, last)
// and returns what follows the version.
func (p *Parameters) body(wire []byte, first, last int) ([]byte, error) {
	if want := p.layout.segmentBytes(first, last); len(wire) != want {
		return nil, fmt.Errorf("blocks %d to %d: %d bytes, want %d: %w", first, last, len(wire), want, ErrWire)
	}
	if first > 0 {
		return wire, nil
	}
	if wire[0] != wireVersion {
		return nil, fmt.Errorf("version %d, want %d: %w", wire[0], wireVersion, ErrWire)
	}
	return wire[1:], nil
}

// cut returns the bytes and the coefficients of one block and what follows.
func (p *Parameters) cut(body []byte, block int) (head []byte, count int, rest []byte) {
	from, to := p.layout.span(block, block+1)
	n := ((to-from)*p.layout.residueBits + 7) / 8
	return body[:n], to - from, body[n:]
}
