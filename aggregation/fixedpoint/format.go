package fixedpoint

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Encoding names how a real value becomes a field of b bits.
type Encoding string

const (
	// Signed maps x in [-Clip, Clip] to round(x/Clip*L)+L with L = 2^(b-1)-1;
	// 0 is exact.
	Signed Encoding = "signed"
	// Unit maps x in [0, Clip] to round(x/Clip*(2^b-1)); both ends are exact.
	Unit Encoding = "unit"
	// Count maps an integer in [0, 2^b-1] to itself; Clip is 0.
	Count Encoding = "count"
)

// ErrFormat is wrapped by every refusal of Validate.
var ErrFormat = errors.New("invalid fixed-point format")

// Segment is a run of Count consecutive fields with one encoding. Clip is in
// the units of the value.
type Segment struct {
	Name     string   `json:"name"`
	Count    int      `json:"count"`
	Encoding Encoding `json:"encoding"`
	Clip     float64  `json:"clip"`
}

// Format is the layout of a whole vector: its segments in order, every field
// of Bits bits.
type Format struct {
	Bits     int       `json:"bits"`
	Segments []Segment `json:"segments"`
}

// Validate reports the first thing wrong with f, wrapping ErrFormat: Bits is
// 8, 16, 24 or 32, names are unique and not empty, counts are at least 1 and
// together at most MaxFields, clips fit their encoding.
func (f Format) Validate() error {
	switch f.Bits {
	case 8, 16, 24, 32:
	default:
		return fmt.Errorf("%w: %d bits, want 8, 16, 24 or 32", ErrFormat, f.Bits)
	}
	if len(f.Segments) == 0 || len(f.Segments) > MaxSegments {
		return fmt.Errorf("%w: %d segments, want 1 to %d", ErrFormat, len(f.Segments), MaxSegments)
	}
	names := make(map[string]bool, len(f.Segments))
	total := 0
	for i, s := range f.Segments {
		if err := s.validate(); err != nil {
			return fmt.Errorf("%w: segment %d: %w", ErrFormat, i, err)
		}
		if names[s.Name] {
			return fmt.Errorf("%w: segment %d: second one named %q", ErrFormat, i, s.Name)
		}
		names[s.Name] = true
		if s.Count > MaxFields-total {
			return fmt.Errorf("%w: segment %q: more than %d fields in all", ErrFormat, s.Name, MaxFields)
		}
		total += s.Count
	}
	return nil
}

func (s Segment) validate() error {
	if s.Name == "" || len(s.Name) > MaxName {
		return fmt.Errorf("name of %d bytes, want 1 to %d", len(s.Name), MaxName)
	}
	if s.Count < 1 {
		return fmt.Errorf("count %d of %q, want at least 1", s.Count, s.Name)
	}
	switch s.Encoding {
	case Signed, Unit:
		if !(s.Clip >= MinClip && s.Clip <= MaxClip) {
			return fmt.Errorf("clip %v of %q, want %v to %v", s.Clip, s.Name, MinClip, MaxClip)
		}
	case Count:
		if s.Clip != 0 || math.Signbit(s.Clip) {
			return fmt.Errorf("clip %v of %q, want 0 for a count", s.Clip, s.Name)
		}
	default:
		return fmt.Errorf("encoding %q of %q, want signed, unit or count", s.Encoding, s.Name)
	}
	return nil
}

// Count returns the number of fields of the whole vector.
func (f Format) Count() int {
	total := 0
	for _, s := range f.Segments {
		total += s.Count
	}
	return total
}

// Zero is the field of a value of 0.
func (s Segment) Zero(bits int) uint64 {
	_, _, _, offset := s.levels(bits)
	return uint64(offset)
}

// Max returns the largest value of one field of b bits, 2^b-1.
func Max(b int) uint64 { return 1<<b - 1 }

// Width returns the bits that hold any sum of groupSize fields of b bits:
// b + ceil(log2 groupSize), since groupSize*(2^b-1) < 2^Width. It panics when
// groupSize is below 1.
func Width(b, groupSize int) int {
	if groupSize < 1 {
		panic(fmt.Sprintf("fixedpoint: width for a group of %d", groupSize))
	}
	return b + bits.Len(uint(groupSize-1))
}
