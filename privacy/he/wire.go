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
	return good && padded(in, at)
}

// checkBlock reports what addBlock would. It adds to sink, whose numbers mean
// nothing.
func (t *tables) checkBlock(sink []uint64, in []byte, count int) bool {
	at, good := uint(0), true
	for j := range t.primes {
		f := &t.primes[j]
		for from := 0; from < count; from += len(sink) {
			part := sink[:min(len(sink), count-from)]
			good = addResidues(part, in, at, f.bits, f.q) && good
			at += uint(len(part)) * f.bits
		}
	}
	return good && padded(in, at)
}

// padded reports whether the bits from at to the end of its byte are 0.
func padded(in []byte, at uint) bool { return at&7 == 0 || in[at>>3]>>(at&7) == 0 }

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

// CheckSegment refuses what a sum of blocks [first, last) would refuse to add.
// It does not allocate.
func (p *Parameters) CheckSegment(first, last int, wire []byte) error {
	if err := p.checkBlocks(first, last); err != nil {
		return fmt.Errorf("check ciphertext: %w", err)
	}
	if err := p.checkWire(wire, first, last); err != nil {
		return fmt.Errorf("check ciphertext: %w", err)
	}
	s := p.borrow()
	defer p.giveBack(s)
	for block := first; block < last; block++ {
		from, to := p.layout.span(block, block+1)
		at, _ := p.layout.within(first, block, block+1)
		if !p.checkBlock(s.words[0], wire[at:], to-from) {
			return fmt.Errorf("check ciphertext: %w", refusedBlock(block))
		}
	}
	return nil
}

func refusedBlock(block int) error {
	return fmt.Errorf("block %d: residue is not below its prime, or padding is not zero: %w", block, ErrWire)
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
