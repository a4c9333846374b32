package fixedpoint

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// Uint64Source yields uniform 64-bit words.
type Uint64Source interface{ Uint64() uint64 }

// Rounding is a deterministic stream of words for stochastic rounding: the bytes of
// AES-256 in counter mode, from counter 0, each eight of them a little-endian word. One
// goroutine uses it.
type Rounding struct {
	stream cipher.Stream
	buffer [4096]byte
	used   int
}

// NewRounding returns the stream of the seed, which is the key. A seed that others know
// lets them know the rounding, which hides nothing.
func NewRounding(seed [32]byte) *Rounding {
	block, err := aes.NewCipher(seed[:])
	if err != nil {
		panic("fixedpoint: " + err.Error()) // the key has 32 bytes
	}
	r := &Rounding{stream: cipher.NewCTR(block, make([]byte, aes.BlockSize))}
	r.used = len(r.buffer)
	return r
}

// Uint64 returns the next word.
func (r *Rounding) Uint64() uint64 {
	var word [1]uint64
	r.fill(word[:])
	return word[0]
}

// fill returns the next words.
func (r *Rounding) fill(words []uint64) {
	for len(words) > 0 {
		if r.used == len(r.buffer) {
			clear(r.buffer[:])
			r.stream.XORKeyStream(r.buffer[:], r.buffer[:])
			r.used = 0
		}
		n := min(len(words), (len(r.buffer)-r.used)/8)
		from := r.buffer[r.used:][:8*n]
		for i := range words[:n] {
			words[i] = binary.LittleEndian.Uint64(from[8*i:])
		}
		r.used += 8 * n
		words = words[n:]
	}
}

// fill reads the next words of a source.
func fill(words []uint64, from Uint64Source) {
	if r, ok := from.(*Rounding); ok { // spares a call for each
		r.fill(words)
		return
	}
	for i := range words {
		words[i] = from.Uint64()
	}
}
