package fixedpoint

import (
	"errors"
	"fmt"
	"math"
)

// ErrNotFinite is wrapped when an input is NaN or infinite.
var ErrNotFinite = errors.New("value is not finite")

// ErrLength is wrapped when a vector does not have the format's length.
var ErrLength = errors.New("vector length differs from the format")

// ErrSum is wrapped when a sum cannot be one of n fields.
var ErrSum = errors.New("sum out of range")

// Quantise writes the field of each x into dst, both of length f.Count().
// Values outside their segment's range are clamped; saturated counts them.
// rounding is read exactly once for each value, so that field i depends on
// the i-th word alone. On error dst holds nothing usable. f must be valid.
func (f Format) Quantise(dst []uint32, x []float64, rounding Uint64Source) (saturated int, err error) {
	if len(dst) != f.Count() || len(x) != len(dst) {
		return 0, fmt.Errorf("quantise %d values into %d fields, want %d: %w", len(x), len(dst), f.Count(), ErrLength)
	}
	first := 0
	for _, s := range f.Segments {
		n, err := s.quantise(f.Bits, dst[first:first+s.Count], x[first:first+s.Count], rounding)
		if err != nil {
			return 0, err
		}
		saturated += n
		first += s.Count
	}
	return saturated, nil
}

func (s Segment) quantise(bits int, dst []uint32, x []float64, rounding Uint64Source) (saturated int, err error) {
	low, high, scale, offset := s.levels(bits)
	clip := s.Clip
	if s.Encoding == Count {
		clip = 1
	}
	var words [512]uint64
	for first := 0; first < len(x); first += len(words) {
		part := x[first:min(first+len(words), len(x))]
		out := dst[first:][:len(part)]
		fill(words[:len(part)], rounding)
		for i, v := range part {
			if math.Float64bits(v)&infinite == infinite {
				return 0, fmt.Errorf("quantise segment %q index %d: %v: %w", s.Name, first+i, v, ErrNotFinite)
			}
			if v < low {
				v, saturated = low, saturated+1
			} else if v > high {
				v, saturated = high, saturated+1
			}
			v = float64(float64(v/clip) * scale)
			out[i] = uint32(roundStochastic(v, words[i]) + offset)
		}
	}
	return saturated, nil
}

// infinite is the exponent of NaN and the infinities.
const infinite = 0x7ff << 52

// levels returns the range of a value, the number of steps between 0 and
// Clip, and the field of 0.
func (s Segment) levels(bits int) (low, high, scale float64, offset int64) {
	switch s.Encoding {
	case Signed:
		l := int64(1)<<(bits-1) - 1
		return -s.Clip, s.Clip, float64(l), l
	case Unit:
		return 0, s.Clip, float64(Max(bits)), 0
	default:
		return 0, float64(Max(bits)), 1, 0
	}
}

// roundStochastic returns floor(v) or floor(v)+1, the latter with probability
// v-floor(v) up to 2^-53 when word is uniform; |v| is at most 2^32. Which of the two it is
// nobody predicts, a processor neither: so signs are read as bits, without a branch. All
// differences but the last are exact, and that one has the sign of the exact one.
func roundStochastic(v float64, word uint64) int64 {
	n := int64(v)
	n -= negative(v - float64(n)) // now floor(v), or floor(v)-1 for -0, whose word is always below
	return n + negative(float64(int64(word>>11))-float64(float64(v-float64(n))*(1<<53)))
}

// negative returns the sign bit.
func negative(x float64) int64 { return int64(math.Float64bits(x) >> 63) }

// Dequantise writes into dst the sum of n real vectors from the sum of their
// fields (not the mean). It refuses a field above n*(2^Bits-1) with ErrSum
// before it writes anything. f must be valid; n is 1 to MaxSummands.
func (f Format) Dequantise(dst []float64, sum []uint64, n int) error {
	if len(sum) != f.Count() || len(dst) != len(sum) {
		return fmt.Errorf("dequantise %d fields into %d values, want %d: %w", len(sum), len(dst), f.Count(), ErrLength)
	}
	if n < 1 || n > MaxSummands {
		return fmt.Errorf("dequantise a sum of %d vectors, want 1 to %d: %w", n, MaxSummands, ErrSum)
	}
	limit := uint64(n) * Max(f.Bits)
	first := 0
	for _, s := range f.Segments {
		for i, u := range sum[first : first+s.Count] {
			if u > limit {
				return fmt.Errorf("dequantise segment %q index %d: field %d above %d: %w", s.Name, i, u, limit, ErrSum)
			}
		}
		first += s.Count
	}
	first = 0
	for _, s := range f.Segments {
		s.dequantise(f.Bits, dst[first:first+s.Count], sum[first:first+s.Count], n)
		first += s.Count
	}
	return nil
}

func (s Segment) dequantise(bits int, dst []float64, sum []uint64, n int) {
	_, _, scale, offset := s.levels(bits)
	zero := int64(n) * offset
	for i, u := range sum {
		steps := float64(int64(u) - zero)
		if s.Encoding == Count {
			dst[i] = steps
			continue
		}
		dst[i] = float64(float64(steps/scale) * s.Clip)
	}
}
