package he

import (
	"fmt"
	"slices"
)

// Sum adds ciphertexts, or the same segment of each of them. It holds eight
// bytes for each residue of its blocks.
type Sum struct {
	p           *Parameters
	first, last int
	blocks      [][][]uint64 // block, prime, coefficient; sums of added residues
	added       int          // ciphertexts since the blocks were reduced, one for what was before
}

// NewSum returns the empty sum of whole ciphertexts.
func (p *Parameters) NewSum() *Sum {
	s, err := p.NewSegmentSum(0, p.Blocks())
	if err != nil {
		panic(fmt.Sprintf("he: %v", err))
	}
	return s
}

// NewSegmentSum returns the empty sum of blocks [first, last).
func (p *Parameters) NewSegmentSum(first, last int) (*Sum, error) {
	s := &Sum{p: p}
	if err := s.Reset(first, last); err != nil {
		return nil, fmt.Errorf("new sum: %w", err)
	}
	return s, nil
}

// Reset makes s the empty sum of blocks [first, last). It keeps the memory,
// so that one Sum serves for one segment after the other.
func (s *Sum) Reset(first, last int) error {
	if err := s.p.checkBlocks(first, last); err != nil {
		return fmt.Errorf("reset sum: %w", err)
	}
	s.first, s.last, s.added = first, last, 0
	s.blocks = slices.Grow(s.blocks[:0], last-first)[:last-first]
	for i := range s.blocks {
		from, to := s.p.layout.span(first+i, first+i+1)
		if s.blocks[i] == nil {
			s.blocks[i] = make([][]uint64, len(s.p.primes))
		}
		for j, have := range s.blocks[i] {
			if n := to - from; n > cap(have) {
				s.blocks[i][j] = make([]uint64, n) // is zero
			} else {
				s.blocks[i][j] = have[:n]
				clear(have[:n])
			}
		}
	}
	return nil
}

// Add adds the wire form of the sum's blocks. It refuses another length or
// version, residues that are not below their prime and nonzero padding; a
// refused ciphertext leaves the sum as it was.
func (s *Sum) Add(wire []byte) error {
	if err := s.p.checkWire(wire, s.first, s.last); err != nil {
		return fmt.Errorf("add ciphertext: %w", err)
	}
	if s.added >= s.p.most {
		s.reduce()
	}
	err := s.p.split(s.first, s.last, func(first, last int) error { return s.addBlocks(wire, first, last) })
	if err != nil {
		s.takeBack(wire)
		return fmt.Errorf("add ciphertext: %w", err)
	}
	s.added++
	return nil
}

// addBlocks adds blocks [first, last) whatever they hold and names the first
// that is refused.
func (s *Sum) addBlocks(wire []byte, first, last int) (err error) {
	for block := first; block < last; block++ {
		sum := s.blocks[block-s.first]
		at, _ := s.p.layout.within(s.first, block, block+1)
		if !s.p.addBlock(sum, wire[at:], len(sum[0])) && err == nil {
			err = refusedBlock(block)
		}
	}
	return err
}

// takeBack subtracts a wire form that addBlocks added, whatever it held.
func (s *Sum) takeBack(wire []byte) {
	for i, sum := range s.blocks {
		at, _ := s.p.layout.within(s.first, s.first+i, s.first+i+1)
		s.p.takeBlock(sum, wire[at:], len(sum[0]))
	}
}

// reduce brings every residue below its prime.
func (s *Sum) reduce() {
	for _, sum := range s.blocks {
		for j := range sum {
			f := &s.p.primes[j]
			for c, v := range sum[j] {
				sum[j][c] = f.reduce(v)
			}
		}
	}
	s.added = min(s.added, 1)
}

// settle reduces if a number may have reached 2^52.
func (s *Sum) settle() {
	if uint64(s.added)<<s.p.public.longest > 1<<52 {
		s.reduce()
	}
}

// Marshal returns the sum in the wire form of a ciphertext's blocks.
func (s *Sum) Marshal() []byte { return s.AppendTo(nil) }

// AppendTo appends the sum in the wire form of a ciphertext's blocks to dst.
func (s *Sum) AppendTo(dst []byte) []byte {
	s.reduce()
	size := s.p.layout.segmentBytes(s.first, s.last)
	dst = slices.Grow(dst, size)
	out := dst[len(dst) : len(dst)+size]
	if s.first == 0 {
		out[0] = wireVersion
		out = out[1:]
	}
	for _, sum := range s.blocks {
		out = out[s.p.encodeBlock(out, sum, len(sum[0])):]
	}
	return dst[:len(dst)+size]
}

// UnmarshalSum decodes a sum of whole ciphertexts with the checks of Add.
func (p *Parameters) UnmarshalSum(wire []byte) (*Sum, error) {
	return p.UnmarshalSegmentSum(0, p.Blocks(), wire)
}

// UnmarshalSegmentSum decodes a sum of blocks [first, last).
func (p *Parameters) UnmarshalSegmentSum(first, last int, wire []byte) (*Sum, error) {
	if err := p.checkBlocks(first, last); err != nil {
		return nil, fmt.Errorf("decode sum: %w", err)
	}
	if err := p.checkWire(wire, first, last); err != nil {
		return nil, fmt.Errorf("decode sum: %w", err)
	}
	s, err := p.NewSegmentSum(first, last)
	if err != nil {
		return nil, err
	}
	if err := s.Add(wire); err != nil {
		return nil, fmt.Errorf("decode sum: %w", err)
	}
	return s, nil
}
