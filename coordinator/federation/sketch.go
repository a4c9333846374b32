package federation

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
)

// sketchBuckets is how many projections a sketch has: with 64 an estimated distance is off by
// a fifth or so, which is enough to tell near from far.
const sketchBuckets = 64

// Sketch is 64 public random projections of the parameters of a version: a count sketch
// (Charikar, Chen and Farach-Colton 2002). Every parameter is added to one bucket with one
// sign, both drawn from the federation's name. The distance of two sketches is near to that of
// the parameters, unless they were made to fool it: the draw is public. A sketch promises
// nothing; it lets custodians remember many versions in little space.
type Sketch [sketchBuckets]float32

// Sketcher makes a sketch in one pass. Its sums have one order, so that everyone gets the
// same bits.
type Sketcher struct {
	state uint64
	sums  [sketchBuckets]float64
}

// NewSketcher begins a sketch of a version of a federation.
func NewSketcher(federation string) *Sketcher {
	seed := Sum(append([]byte("atrium/sketch/v1"), federation...))
	return &Sketcher{state: binary.BigEndian.Uint64(seed[:8])}
}

// Add takes the next parameters.
func (k *Sketcher) Add(values []float32) {
	for _, v := range values {
		z := k.draw()
		sign := uint32(z>>63) << 31 // without a branch that nobody could predict
		k.sums[z%sketchBuckets] += float64(math.Float32frombits(math.Float32bits(v) ^ sign))
	}
}

// draw is the next number of SplitMix64 (Steele, Lea and Flood 2014).
func (k *Sketcher) draw() uint64 {
	k.state += 0x9e3779b97f4a7c15
	z := k.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Sketch returns the sketch of what was added. A bucket beyond float32 is its largest value.
func (k *Sketcher) Sketch() Sketch {
	var s Sketch
	for i, v := range k.sums {
		s[i] = float32(max(-math.MaxFloat32, min(v, math.MaxFloat32)))
	}
	return s
}

// Distance estimates how far two versions are apart, relative to the greater norm: 0 to 2.
func (s Sketch) Distance(other Sketch) float64 {
	var apart, a, b float64
	for i := range s {
		x, y := float64(s[i]), float64(other[i])
		d := float64(x - y)
		apart, a, b = apart+float64(d*d), a+float64(x*x), b+float64(y*y)
	}
	if apart == 0 {
		return 0
	}
	return float64(math.Sqrt(float64(apart / max(a, b))))
}

// MarshalText implements encoding.TextMarshaler: the buckets' bits in hexadecimal.
func (s Sketch) MarshalText() ([]byte, error) {
	b := make([]byte, 0, 4*sketchBuckets)
	for _, v := range s {
		b = binary.BigEndian.AppendUint32(b, math.Float32bits(v))
	}
	return hex.AppendEncode(nil, b), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; it accepts finite values only.
func (s *Sketch) UnmarshalText(text []byte) error {
	b := make([]byte, 4*sketchBuckets)
	if len(text) != hex.EncodedLen(len(b)) {
		return fmt.Errorf("sketch of %d characters: want %d", len(text), hex.EncodedLen(len(b)))
	}
	if _, err := hex.Decode(b, text); err != nil {
		return fmt.Errorf("sketch: %w", err)
	}
	for i := range s {
		v := binary.BigEndian.Uint32(b[4*i:])
		if bits.OnesCount32(v>>23&0xff) == 8 {
			return fmt.Errorf("sketch: value %d is not finite", i)
		}
		s[i] = math.Float32frombits(v)
	}
	return nil
}
