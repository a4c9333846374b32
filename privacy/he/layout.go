package he

import "math/bits"

// DefaultSegment is the usual target size of a segment in bytes.
const DefaultSegment = 8 << 20

// wireVersion is the first byte of a ciphertext.
const wireVersion = 1

// Segment is a run of whole blocks, First to Last-1, and the bytes that they
// take up on the wire.
type Segment struct {
	First, Last int
	Bytes       int
}

// layout is the arithmetic of blocks and bytes.
type layout struct {
	degree       int // coefficients of a whole block
	coefficients int // coefficients of all blocks
	residueBits  int // bits of one coefficient on the wire
	perField     int // fields in a coefficient
	fields       int
}

func layoutOf(l Literal) layout {
	out := layout{degree: 1 << l.LogN, coefficients: l.used(), perField: l.PerCoefficient, fields: l.Count}
	for _, q := range l.Primes {
		out.residueBits += bits.Len64(q)
	}
	return out
}

func (y layout) blocks() int { return (y.coefficients + y.degree - 1) / y.degree }

// span returns the coefficients of blocks [first, last) as a range.
func (y layout) span(first, last int) (from, to int) {
	return min(first*y.degree, y.coefficients), min(last*y.degree, y.coefficients)
}

// fieldSpan returns the fields of blocks [first, last) as a range.
func (y layout) fieldSpan(first, last int) (from, to int) {
	from, to = y.span(first, last)
	return min(from*y.perField, y.fields), min(to*y.perField, y.fields)
}

// segmentBytes returns the wire size of blocks [first, last), with the version
// byte when they begin the ciphertext. Whole blocks are whole bytes.
func (y layout) segmentBytes(first, last int) int {
	from, to := y.span(first, last)
	n := ((to-from)*y.residueBits + 7) / 8
	if first == 0 {
		n++
	}
	return n
}

// within returns the range of blocks [from, to) in the wire form of a segment
// that begins at block first; the version byte is before the first block.
func (y layout) within(first, from, to int) (begin, end int) {
	begin = y.segmentBytes(first, first) + (from-first)*y.degree*y.residueBits/8
	return begin, y.segmentBytes(first, to)
}

func (y layout) bytes() int { return y.segmentBytes(0, y.blocks()) }

// N returns the ring degree: the coefficients of a key and of a whole block.
func (p *Parameters) N() int { return p.layout.degree }

// Blocks returns the number of ring elements in a ciphertext.
func (p *Parameters) Blocks() int { return p.layout.blocks() }

// CiphertextBytes returns the exact size of a ciphertext or of a sum.
func (p *Parameters) CiphertextBytes() int { return p.layout.bytes() }

// Fields returns the range of fields that blocks [first, last) carry.
func (p *Parameters) Fields(first, last int) (from, to int) {
	return p.layout.fieldSpan(first, last)
}

// Segments cuts the ciphertext into runs of whole blocks of at most target
// bytes each, or of one block where a block is larger. A target of 0 or less
// means DefaultSegment.
func (p *Parameters) Segments(target int) []Segment {
	if target <= 0 {
		target = DefaultSegment
	}
	block := p.layout.degree * p.layout.residueBits / 8
	step := max(1, (target-1)/block)
	var out []Segment
	for first := 0; first < p.Blocks(); first += step {
		last := min(first+step, p.Blocks())
		out = append(out, Segment{First: first, Last: last, Bytes: p.layout.segmentBytes(first, last)})
	}
	return out
}

// SegmentPlan returns the sizes in bytes of Segments(target); their sum is
// CiphertextBytes.
func (p *Parameters) SegmentPlan(target int) []int {
	var out []int
	for _, s := range p.Segments(target) {
		out = append(out, s.Bytes)
	}
	return out
}
