package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrBundle is wrapped by every refusal of a bundle.
var ErrBundle = errors.New("invalid bundle of envelopes")

// bundleVersion is the first byte of a bundle.
const bundleVersion = 1

// MarshalBundle is the stored form of what one hospital sealed to the custodians, by
// custodian, empty where nothing was sealed: a version byte, their number in two bytes,
// the length of each in four, then each, all little endian. So one of them is read
// without the others. It panics beyond MaxBundle envelopes or MaxSealed bytes of one,
// which the caller has checked.
func MarshalBundle(list [][]byte) []byte {
	size := bundleHeader(len(list))
	for _, e := range list {
		size += len(e)
		if len(list) > MaxBundle || len(e) > MaxSealed {
			panic(fmt.Sprintf("envelope: bundle of %d envelopes, one of %d bytes", len(list), len(e)))
		}
	}
	b := binary.LittleEndian.AppendUint16(append(make([]byte, 0, size), bundleVersion), uint16(len(list)))
	for _, e := range list {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e)))
	}
	for _, e := range list {
		b = append(b, e...)
	}
	return b
}

func bundleHeader(count int) int { return 3 + 4*count }

// UnmarshalBundle reads what MarshalBundle wrote; the envelopes are parts of b.
func UnmarshalBundle(b []byte) ([][]byte, error) {
	lengths, err := bundleLengths(b)
	if err != nil {
		return nil, err
	}
	rest, list := b[bundleHeader(len(lengths)):], make([][]byte, len(lengths))
	for i, n := range lengths {
		if n > len(rest) {
			return nil, fmt.Errorf("%w: envelope %d of %d bytes, %d are left", ErrBundle, i, n, len(rest))
		}
		list[i], rest = rest[:n:n], rest[n:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after the last envelope", ErrBundle, len(rest))
	}
	return list, nil
}

// bundleLengths reads the header at the front of b.
func bundleLengths(b []byte) ([]int, error) {
	if len(b) < bundleHeader(0) || b[0] != bundleVersion {
		return nil, fmt.Errorf("%w: %d bytes without a header of version %d", ErrBundle, len(b), bundleVersion)
	}
	count := int(binary.LittleEndian.Uint16(b[1:]))
	if count > MaxBundle || len(b) < bundleHeader(count) {
		return nil, fmt.Errorf("%w: %d envelopes in %d bytes, at most %d allowed", ErrBundle, count, len(b), MaxBundle)
	}
	lengths := make([]int, count)
	for i := range lengths {
		n := binary.LittleEndian.Uint32(b[bundleHeader(i):])
		if n > MaxSealed {
			return nil, fmt.Errorf("%w: envelope %d of %d bytes, at most %d allowed", ErrBundle, i, n, MaxSealed)
		}
		lengths[i] = int(n)
	}
	return lengths, nil
}

// FromBundle returns the envelope at an index of a stored bundle. read returns length
// bytes from an offset on, fewer where the bundle ends.
func FromBundle(read func(offset, length int64) ([]byte, error), index int) ([]byte, error) {
	header, err := read(0, int64(bundleHeader(MaxBundle)))
	if err != nil {
		return nil, err
	}
	lengths, err := bundleLengths(header)
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= len(lengths) {
		return nil, fmt.Errorf("%w: envelope %d of %d", ErrBundle, index, len(lengths))
	}
	offset := bundleHeader(len(lengths))
	for _, n := range lengths[:index] {
		offset += n
	}
	e, err := read(int64(offset), int64(lengths[index]))
	if err == nil && len(e) != lengths[index] {
		err = fmt.Errorf("%w: envelope %d ends early", ErrBundle, index)
	}
	return e, err
}
