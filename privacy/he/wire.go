package he

import (
	"errors"
	"fmt"
)

// ErrWire is wrapped by every refusal of a ciphertext's bytes.
var ErrWire = errors.New("invalid ciphertext encoding")

// encodeBlock writes the wire form of count coefficients of a block, reduced,
// to the beginning of out and returns its length.
func (t *tables) encodeBlock(out []byte, residues [][]uint64, count int) int {
	w := bitWriter{out: out}
	for j := range t.primes {
		w.write(residues[j][:count], t.primes[j].bits)
	}
	return w.flush()
}

// addBlock adds the count coefficients of a block to sum, one slice for each
// prime. in begins with the block and may go on. It reports whether all
// residues are below their prime and the padding is 0; it adds all the same.
func (t *tables) addBlock(sum [][]uint64, in []byte, count int) bool {
	at, good := uint(0), true
	for j := range t.primes {
		f := &t.primes[j]
		good = addResidues(sum[j][:count], in, at, f.bits, f.q) && good
		at += uint(count) * f.bits
	}
	return good && (at&7 == 0 || in[at>>3]>>(at&7) == 0)
}

// takeBlock subtracts what addBlock added.
func (t *tables) takeBlock(sum [][]uint64, in []byte, count int) {
	at := uint(0)
	for j := range t.primes {
		for c := range sum[j][:count] {
			sum[j][c] -= bitsAt(in, at, t.primes[j].bits)
			at += t.primes[j].bits
		}
	}
}

// checkBlocks refuses a range of blocks that a ciphertext does not have.
func (t *tables) checkBlocks(first, last int) error {
	if blocks := t.layout.blocks(); first < 0 || last <= first || last > blocks {
		return fmt.Errorf("blocks %d to %d of %d: %w", first, last, blocks, ErrWire)
	}
	return nil
}

// checkWire checks the size and version of the wire form of blocks [first,
// last).
func (t *tables) checkWire(wire []byte, first, last int) error {
	if want := t.layout.segmentBytes(first, last); len(wire) != want {
		return fmt.Errorf("blocks %d to %d: %d bytes, want %d: %w", first, last, len(wire), want, ErrWire)
	}
	if first == 0 && wire[0] != wireVersion {
		return fmt.Errorf("version %d, want %d: %w", wire[0], wireVersion, ErrWire)
	}
	return nil
}
