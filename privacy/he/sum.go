package he

import "fmt"

// Sum adds ciphertexts, or the same segment of each of them.
type Sum struct {
	p           *Parameters
	first, last int
	blocks      [][][]uint64 // block, prime, coefficient; reduced
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
	if err := p.checkBlocks(first, last); err != nil {
		return nil, fmt.Errorf("new sum: %w", err)
	}
	s := &Sum{p: p, first: first, last: last}
	for block := first; block < last; block++ {
		from, to := p.layout.span(block, block+1)
		polynomials := make([][]uint64, len(p.primes))
		for j := range polynomials {
			polynomials[j] = make([]uint64, to-from)
		}
		s.blocks = append(s.blocks, polynomials)
	}
	return s, nil
}

// Add adds the wire form of the sum's blocks. It refuses another length or
// version, residues that are not below their prime and nonzero padding; a
// refused ciphertext leaves the sum as it was.
func (s *Sum) Add(wire []byte) error {
	body, err := s.p.body(wire, s.first, s.last)
	if err != nil {
		return fmt.Errorf("add ciphertext: %w", err)
	}
	work := s.p.borrow()
	defer s.p.giveBack(work)
	rest := body
	for i := range s.blocks {
		var head []byte
		var count int
		head, count, rest = s.p.cut(rest, s.first+i)
		if err := s.p.decodeBlock(work.residues, head, s.first+i, count); err != nil {
			s.takeBack(work, body, i)
			return fmt.Errorf("add ciphertext: %w", err)
		}
		for j := range s.p.primes {
			f := &s.p.primes[j]
			addVector(s.blocks[i][j], work.residues[j][:count], f.q)
		}
	}
	return nil
}

// takeBack subtracts the first n blocks of body, which Add accepted.
func (s *Sum) takeBack(work *scratch, body []byte, n int) {
	for i := range n {
		var head []byte
		var count int
		head, count, body = s.p.cut(body, s.first+i)
		if err := s.p.decodeBlock(work.residues, head, s.first+i, count); err != nil {
			panic(fmt.Sprintf("he: block decodes differently: %v", err))
		}
		for j := range s.p.primes {
			q, sum := s.p.primes[j].q, s.blocks[i][j]
			for c, v := range work.residues[j][:count] {
				sum[c] = reduceOnce(sum[c]+q-v, q)
			}
		}
	}
}

func addVector(sum, v []uint64, q uint64) {
	v = v[:len(sum)]
	for i := range sum {
		sum[i] = reduceOnce(sum[i]+v[i], q)
	}
}

// reduceOnce returns x modulo q for x below 2q.
func reduceOnce(x, q uint64) uint64 {
	x -= q
	return x + q&-(x>>63)
}

// Marshal returns the sum in the wire form of a ciphertext's blocks.
func (s *Sum) Marshal() []byte {
	out := make([]byte, 0, s.p.layout.segmentBytes(s.first, s.last))
	if s.first == 0 {
		out = append(out, wireVersion)
	}
	for _, polynomials := range s.blocks {
		out = s.p.encodeBlock(out, polynomials, len(polynomials[0]))
	}
	return out
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
	body, err := p.body(wire, first, last)
	if err != nil {
		return nil, fmt.Errorf("decode sum: %w", err)
	}
	s, err := p.NewSegmentSum(first, last)
	if err != nil {
		return nil, err
	}
	for i, polynomials := range s.blocks {
		var head []byte
		head, _, body = p.cut(body, first+i)
		if err := p.decodeBlock(polynomials, head, first+i, len(polynomials[0])); err != nil {
			return nil, fmt.Errorf("decode sum: %w", err)
		}
	}
	return s, nil
}
