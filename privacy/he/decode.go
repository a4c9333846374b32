package he

import (
	"fmt"
	"math"
)

// decode writes the fields of count opened coefficients, Delta*m plus noise
// moved up by 28n, into dst. It reports whether every noise is at most 56n,
// every field at most n*(2^Bits-1), and every bit without a field 0.
func (t *tables) decode(dst []uint64, words *[3][]uint64, count, n int) bool {
	done, good := t.decodeFour(dst, words, n)
	rest := [3][]uint64{words[0][done:count], words[1][done:count], words[2][done:count]}
	return good && (done == count || t.decodeEach(dst[done*t.literal.PerCoefficient:], &rest, count-done, n))
}

// decodeFour is decode, four fields at a time, for as many of the first
// coefficients as it returns.
func (t *tables) decodeFour(dst []uint64, words *[3][]uint64, n int) (done int, good bool) {
	d, per := t.four, t.literal.PerCoefficient
	if d == nil {
		return 0, true
	}
	if done = (len(dst) - int(4*d.vectors) + per) / per; done <= 0 {
		return 0, true
	}
	w := [3]*uint64{&words[0][0], &words[1][0], &words[2][0]}
	return done, vectorDecode(&dst[0], &w, done, d, uint64(2*NoiseBound*n), t.largestField(n)) == 0
}

// decodeVector is where vectorDecode finds the noise and the fields in the
// three words of a coefficient, four lanes of which the last is 0.
type decodeVector struct {
	stride      int64 // bytes from one coefficient's fields to the next
	vectors     int64 // of four fields
	noise, rest [4]uint64
	fields      [maxPerCoefficient / 4]fourFields
}

// maxPerCoefficient is for fields of 9 bits in 149.
const maxPerCoefficient = 16

// fourFields is how the fields follow from the words: right shifts of the word
// in which each begins, left shifts of the next one. low and high are the
// numbers of half words.
type fourFields struct {
	low, high         [8]uint32
	right, left, mask [4]uint64
}

// newDecodeVector returns nil on another processor.
func (t *tables) newDecodeVector() *decodeVector {
	l := t.literal
	if !haveVectors || l.PerCoefficient > maxPerCoefficient {
		return nil
	}
	d := &decodeVector{stride: int64(8 * l.PerCoefficient), vectors: int64(l.PerCoefficient+3) / 4}
	d.noise[0] = 1<<l.LogDelta - 1
	for i, end := 0, t.fieldsEnd(l.PerCoefficient); i < len(d.rest); i++ {
		d.rest[i] = math.MaxUint64 << max(end-64*i, 0)
	}
	for i := range l.PerCoefficient {
		f, lane, at := &d.fields[i/4], i%4, l.LogDelta+i*l.Width
		word := uint32(at / 64)
		f.low[2*lane], f.low[2*lane+1] = 2*word, 2*word+1
		f.high[2*lane], f.high[2*lane+1] = 2*word+2, 2*word+3
		f.right[lane], f.left[lane], f.mask[lane] = uint64(at%64), uint64(64-at%64), 1<<l.Width-1
	}
	return d
}

// decodeEach is decode, one field after the other.
func (t *tables) decodeEach(dst []uint64, words *[3][]uint64, count, n int) bool {
	l := t.literal
	noiseMask, largestNoise, over := uint64(1)<<l.LogDelta-1, uint64(2*NoiseBound*n), uint64(0)
	for _, x := range words[0][:count] {
		over |= largestNoise - x&noiseMask
	}
	rest, end := uint64(0), t.fieldsEnd(l.PerCoefficient)
	for i := end / 64; i < len(words); i++ {
		for _, x := range words[i][:count] {
			rest |= x >> (max(end-64*i, 0) & 63)
		}
	}
	last := len(dst) - (count-1)*l.PerCoefficient
	rest |= above(words, count-1, t.fieldsEnd(last))
	return t.decoded.Unpack(dst, words, t.largestField(n)) && over>>63 == 0 && rest == 0
}

// fieldsEnd returns the bit after the first fields of a coefficient.
func (t *tables) fieldsEnd(fields int) int { return t.literal.LogDelta + fields*t.literal.Width }

// above returns a number that is 0 when coefficient i has no bit at end or
// above.
func above(words *[3][]uint64, i, end int) (rest uint64) {
	for j := end / 64; j < len(words); j++ {
		rest |= words[j][i] >> (max(end-64*j, 0) & 63)
	}
	return rest
}

// locate names the first of count coefficients, which hold fields values, that
// decode refuses. The first one is that of number first in the ciphertext.
func (t *tables) locate(words *[3][]uint64, count, fields, first, n int) error {
	l := t.literal
	values := make([]uint64, l.PerCoefficient)
	for i := range count {
		if words[0][i]&(1<<l.LogDelta-1) > uint64(2*NoiseBound*n) {
			return fmt.Errorf("coefficient %d: %w", first+i, ErrNoise)
		}
		used := min(l.PerCoefficient, fields-i*l.PerCoefficient)
		one := [3][]uint64{words[0][i:], words[1][i:], words[2][i:]}
		t.decoded.Unpack(values[:used], &one, 0)
		for j, v := range values[:used] {
			if v > t.largestField(n) {
				return fmt.Errorf("coefficient %d, field %d: %w", first+i, j, ErrRange)
			}
		}
		if above(words, i, t.fieldsEnd(used)) != 0 {
			return fmt.Errorf("coefficient %d: a bit without a field is set: %w", first+i, ErrRange)
		}
	}
	panic("he: nothing to locate")
}
