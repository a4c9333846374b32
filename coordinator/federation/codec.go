package federation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrNotCanonical: the bytes do not re-encode to themselves.
var ErrNotCanonical = errors.New("bytes are not canonical")

// Encode returns the canonical bytes of a value of this package.
// It panics for a value that JSON cannot hold, which no type here is.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("federation: encode %T: %v", v, err))
	}
	return b
}

// Decode reads the canonical bytes of a T of at most limit bytes. Unknown fields,
// other spellings and trailing bytes are refused.
func Decode[T any](b []byte, limit int) (T, error) {
	var v, zero T
	if len(b) > limit {
		return zero, fmt.Errorf("decode %T: %d bytes, at most %d allowed", zero, len(b), limit)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return zero, fmt.Errorf("decode %T: %w", zero, err)
	}
	again, err := json.Marshal(v)
	if err != nil {
		return zero, fmt.Errorf("decode %T: %w", zero, err)
	}
	if !bytes.Equal(b, again) {
		return zero, fmt.Errorf("decode %T: %w", zero, ErrNotCanonical)
	}
	return v, nil
}
