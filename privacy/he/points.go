package he

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// pointsLabel begins what is hashed into points.
const pointsLabel = "atrium/he/points/v1"

// pointsFor returns the least r with (coefficients/q)^r <= 2^-FingerprintBits,
// or maxPoints+1 when maxPoints are too few.
func pointsFor(coefficients int, q uint64) int {
	n, modulus := big.NewInt(int64(coefficients)), new(big.Int).SetUint64(q)
	left, right := new(big.Int).Lsh(big.NewInt(1), FingerprintBits), big.NewInt(1)
	for r := 1; r <= maxPoints; r++ {
		left.Mul(left, n)
		if right.Mul(right, modulus); left.Cmp(right) <= 0 {
			return r
		}
	}
	return maxPoints + 1
}

// pointSource is the stream of words out of which points are taken: the
// digests SHA-256(pointsLabel, seed, counter), the counter in 8 bytes and
// big-endian from 0 on, each cut into four little-endian words.
type pointSource struct {
	seed    [32]byte
	counter uint64
	left    []byte
}

func (s *pointSource) word() uint64 {
	if len(s.left) == 0 {
		in := append([]byte(pointsLabel), s.seed[:]...)
		digest := sha256.Sum256(binary.BigEndian.AppendUint64(in, s.counter))
		s.counter, s.left = s.counter+1, digest[:]
	}
	v := binary.LittleEndian.Uint64(s.left)
	s.left = s.left[8:]
	return v
}

// below returns the next word that, masked to the bit length of f's prime, is
// in [1, q): a uniform point, after fewer than two words on average.
func (s *pointSource) below(f *prime) uint64 {
	for {
		if v := s.word() & f.mask; v != 0 && v < f.q {
			return v
		}
	}
}

// point is a point modulo a prime with the powers that evaluation takes.
type point struct {
	powers []uint64 // 0 to chunk-1, held
	chunk  factor   // the power chunk
	block  factor   // the power N
}

func (f *prime) point(alpha uint64, degree int) point {
	t := point{powers: make([]uint64, chunk)}
	step, power := f.factor(alpha), uint64(1)
	for i := range t.powers {
		t.powers[i] = held(power)
		power = f.reduce(step.times(power, f.q))
	}
	t.chunk = f.factor(power)
	t.block = f.factor(ring.ModExp(alpha, uint64(degree), f.q))
	return t
}

// horner takes one step from the last chunk of a block to its first: value
// times the point's power chunk, plus the chunk's own value. c ends in
// zeros where it would not be a multiple of four long.
func (f *prime) horner(value uint64, t *point, c []uint64) uint64 {
	high, low := dot(c, t.powers)
	return f.reduce(t.chunk.times(value, f.q) + f.two64.times(high, f.q) + f.reduceLazy(low))
}
