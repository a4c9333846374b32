package he

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
)

// newAES returns AES-256; a 32-byte key is always accepted.
func newAES(key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(fmt.Sprintf("he: %v", err))
	}
	return b
}

// newSecretStream returns an AES-256-CTR key stream with 32 bytes of rand as
// key and 16 as initial counter block.
func newSecretStream(rand io.Reader) (cipher.Stream, error) {
	var seed [48]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return cipher.NewCTR(newAES(seed[:32]), seed[32:]), nil
}

// expand writes the public polynomial of a block for prime index j into dst,
// of length N, in the transform domain. The package comment fixes the layout.
// The key stream costs one small allocation.
func (p *Parameters) expand(dst []uint64, seeded cipher.Block, block, j int, buf []byte) {
	var counter [16]byte
	binary.BigEndian.PutUint64(counter[:8], uint64(block)<<16|uint64(j))
	stream := cipher.NewCTR(seeded, counter[:])
	q, mask := p.primes[j].q, p.primes[j].mask
	for i := 0; i < len(dst); {
		words := buf[:8*min(len(dst)-i, len(buf)/8)]
		clear(words)
		stream.XORKeyStream(words, words)
		for ; len(words) >= 8; words = words[8:] {
			if v := binary.LittleEndian.Uint64(words) & mask; v < q {
				dst[i] = v
				i++
			}
		}
	}
}
