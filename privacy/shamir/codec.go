package shamir

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// version is the first byte of an encoded share or share sum.
const version = 1

// ErrEncoding is wrapped by every refusal of Unmarshal.
var ErrEncoding = errors.New("invalid share encoding")

// EncodedSize returns the bytes of an encoded vector of n coefficients.
func EncodedSize(n int) int { return 1 + 2*n }

// Marshal encodes a share or share sum: a version byte, then each element as
// two little-endian bytes. Elements are below P.
func Marshal(share []uint16) []byte {
	out := make([]byte, 1, EncodedSize(len(share)))
	out[0] = version
	for _, v := range share {
		out = binary.LittleEndian.AppendUint16(out, v)
	}
	return out
}

// Unmarshal decodes a vector of exactly n coefficients and refuses elements
// that are not below P.
func Unmarshal(b []byte, n int) ([]uint16, error) {
	if n < 0 || n > MaxLength || len(b) != EncodedSize(n) {
		return nil, fmt.Errorf("decode share: %d bytes for %d coefficients: %w", len(b), n, ErrEncoding)
	}
	if b[0] != version {
		return nil, fmt.Errorf("decode share: version %d, want %d: %w", b[0], version, ErrEncoding)
	}
	share := make([]uint16, n)
	for i := range share {
		share[i] = binary.LittleEndian.Uint16(b[1+2*i:])
	}
	if err := checkElements(share); err != nil {
		return nil, fmt.Errorf("decode share: %w: %w", ErrEncoding, err)
	}
	return share, nil
}
