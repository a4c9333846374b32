package fixedpoint

import "math/rand/v2"

// Uint64Source yields uniform 64-bit words.
type Uint64Source interface{ Uint64() uint64 }

// Rounding is a deterministic stream of words for stochastic rounding:
// ChaCha8 as specified by math/rand/v2. One goroutine uses it.
type Rounding struct{ stream *rand.ChaCha8 }

// NewRounding returns the stream of the seed. A seed that others know lets
// them know the rounding, which hides nothing.
func NewRounding(seed [32]byte) *Rounding {
	return &Rounding{stream: rand.NewChaCha8(seed)}
}

// Uint64 returns the next word.
func (r *Rounding) Uint64() uint64 { return r.stream.Uint64() }
