package he

import "math"

// messageRuns is how vectorMessage reads the fields of a coefficient: in runs
// of one or two neighbours, each below 2^52. A run is worth its weight,
// 2^LogDelta for the first, whose product is exact, and a centred residue for
// each other.
type messageRuns struct {
	count     int64
	stride    int64  // bytes from one coefficient's fields to the next
	width     uint64 // bits from one field to the next
	offsets   [maxRuns]int64
	masks     [maxRuns]uint64
	weights   [MaxPrimes][maxRuns]float64
	constants [MaxPrimes][4]float64
}

// maxRuns is enough for 149 bits of fields of 9 bits.
const maxRuns = 8

// newMessageRuns returns nil if a sum could leave what float64 holds exactly,
// or on another processor.
func (t *tables) newMessageRuns() *messageRuns {
	l := t.literal
	m := &messageRuns{stride: int64(4 * l.PerCoefficient), width: uint64(l.Width)}
	if !haveVectors {
		return nil
	}
	pair := l.Width + l.Bits
	for field := 0; field < l.PerCoefficient; {
		i, size := m.count, 2
		if fits := pair <= 52 && (field > 0 || pair+l.LogDelta <= 51); !fits || field+1 == l.PerCoefficient {
			size = 1
		}
		if i == maxRuns || field == 0 && l.Bits+l.LogDelta > 51 {
			return nil
		}
		m.offsets[i], m.masks[i] = int64(4*field), math.MaxUint64>>(64-32*size)
		for j := range t.primes {
			f := &t.primes[j]
			power := uint64(1) << l.LogDelta
			if field > 0 {
				power = f.power(l.LogDelta + field*l.Width)
			}
			if m.weights[j][i] = float64(power); field > 0 {
				m.weights[j][i] = f.centre(power)
			}
		}
		m.count++
		field += size
	}
	for j := range t.primes {
		f := &t.primes[j]
		m.constants[j] = f.vector.constants
		rest := float64(f.q) * (0.5 + math.Exp2(float64(max(pair, l.Bits)-53)))
		if 2*float64(f.q)+0x1p51+NoiseBound+float64(m.count-1)*rest > 0x1p53 {
			return nil
		}
	}
	return m
}

// power returns 2^n modulo q.
func (f *prime) power(n int) uint64 {
	x, two := uint64(1), f.factor(2)
	for range n {
		x = f.reduce(two.times(x, f.q))
	}
	return x
}

// addFields is addMessage for as many of the first coefficients as it returns.
func (m *messageRuns) addFields(t *tables, s *scratch, fields []uint32) int {
	per := t.literal.PerCoefficient
	n := max(0, len(fields)/per-per&1) &^ 3
	if n == 0 {
		return 0
	}
	var residues [MaxPrimes]*uint64
	for j := range s.residues {
		residues[j] = &s.residues[j][0]
	}
	vectorMessage(&residues, len(s.residues), &fields[0], &s.noise[0], n, m)
	return n
}
