package he

import "fmt"

// decode writes the fields of count opened coefficients, Delta*m plus noise
// moved up by 28n, into dst. It reports whether every noise is at most 56n,
// every field at most n*(2^Bits-1), and every bit without a field 0.
func (t *tables) decode(dst []uint64, words *[3][]uint64, count, n int) bool {
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
