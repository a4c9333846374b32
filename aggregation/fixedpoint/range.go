package fixedpoint

import "fmt"

// Range returns the format of fields [from, to) alone: what they have of each
// segment, in order, so that a long vector is quantised and dequantised piece
// by piece with the same result. It panics unless 0 <= from < to <= Count().
func (f Format) Range(from, to int) Format {
	out := Format{Bits: f.Bits}
	first := 0
	for _, s := range f.Segments {
		begin, end := max(from, first), min(to, first+s.Count)
		first += s.Count
		if begin < end {
			s.Count = end - begin
			out.Segments = append(out.Segments, s)
		}
	}
	if from < 0 || from >= to || to > first {
		panic(fmt.Sprintf("fixedpoint: fields %d to %d of %d", from, to, first))
	}
	return out
}
