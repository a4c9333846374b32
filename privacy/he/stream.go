package he

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// newAES returns AES-256; a 32-byte key is always accepted.
func newAES(key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(fmt.Sprintf("he: %v", err))
	}
	return b
}

// counterAt returns the counter block that follows initial by n.
func counterAt(initial [16]byte, n uint64) (out [16]byte) {
	low, carry := bits.Add64(binary.BigEndian.Uint64(initial[8:]), n, 0)
	binary.BigEndian.PutUint64(out[8:], low)
	binary.BigEndian.PutUint64(out[:8], binary.BigEndian.Uint64(initial[:8])+carry)
	return out
}

// secretSource is an AES-256-CTR key stream that starts anywhere.
type secretSource struct {
	block   cipher.Block
	initial [16]byte
}

// newSecretSource takes 32 bytes of rand as key and 16 as initial counter
// block.
func newSecretSource(rand io.Reader) (secretSource, error) {
	var seed [48]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return secretSource{}, fmt.Errorf("read randomness: %w", err)
	}
	return secretSource{block: newAES(seed[:32]), initial: [16]byte(seed[32:])}, nil
}

// from returns the key stream from 16*n bytes on.
func (s secretSource) from(n int) cipher.Stream {
	counter := counterAt(s.initial, uint64(n))
	return cipher.NewCTR(s.block, counter[:])
}

// publicLayout cuts a seed's key stream into pieces, one for each block and
// prime; see the package comment.
type publicLayout struct {
	longest    uint // bits of a prime
	wordBytes  int
	pieceBytes int
	order      [32]byte // for vectorExpand: of two words in 16 bytes, twice
}

func (t *tables) newPublicLayout() publicLayout {
	var y publicLayout
	for i := range t.primes {
		y.longest = max(y.longest, t.primes[i].bits)
	}
	y.wordBytes = int(y.longest+7) / 8
	y.pieceBytes = y.wordBytes * (t.layout.degree + spareWords)
	for i := range y.order {
		if y.order[i] = 0x80; i%8 < y.wordBytes {
			y.order[i] = byte(i%16/8*y.wordBytes + i%8)
		}
	}
	return y
}

// publicFrom returns a seed's key stream from the first piece of a block on.
func (t *tables) publicFrom(seed *[32]byte, block int) cipher.Stream {
	counter := counterAt([16]byte{}, uint64(block)*uint64(len(t.primes)*t.public.pieceBytes/16))
	return cipher.NewCTR(newAES(seed[:]), counter[:])
}

// expand reads the next piece of the stream and writes prime f's residues of a
// public polynomial, in the transform domain, into dst of length N.
func (t *tables) expand(dst []uint64, f *prime, stream cipher.Stream, s *scratch) {
	size := t.public.wordBytes
	rejected := s.rejected[:0]
	for from := 0; from < len(dst); from += chunk {
		part := dst[from:min(from+chunk, len(dst))]
		keyStream(stream, s.bytes[:len(part)*size])
		at := 0
		if haveVectors && len(part)%4 == 0 && vectorExpand(&part[0], &s.bytes[0], len(part), size, &t.public.order, f.mask, f.q) == 0 {
			continue
		}
		for i := range part {
			v := binary.LittleEndian.Uint64(s.bytes[at:at+8]) & f.mask
			part[i] = v
			if v >= f.q {
				rejected = append(rejected, int32(from+i))
			}
			at += size
		}
	}
	keyStream(stream, s.bytes[:spareWords*size])
	for at := 0; at < spareWords*size && len(rejected) > 0; at += size {
		if v := binary.LittleEndian.Uint64(s.bytes[at:at+8]) & f.mask; v < f.q {
			dst[rejected[0]] = v
			rejected = rejected[1:]
		}
	}
	for _, i := range rejected {
		dst[i] = 0
	}
}

// keyStream fills dst from the stream.
func keyStream(stream cipher.Stream, dst []byte) {
	clear(dst)
	stream.XORKeyStream(dst, dst)
}
