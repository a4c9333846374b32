package roundlog

import (
	"encoding/binary"
	"fmt"

	"atrium/storage"
)

// encodeBundle writes an entry bundle of C2SP tlog-tiles: each entry behind its length
// in two bytes, big-endian.
func encodeBundle(entries [][]byte) []byte {
	var data []byte
	for _, e := range entries {
		data = binary.BigEndian.AppendUint16(data, uint16(len(e)))
		data = append(data, e...)
	}
	return data
}

// DecodeBundle reads an entry bundle of 1 to 256 entries of 1 to [MaxEntryBytes]. The
// entries share memory with data. [ErrEncoding].
func DecodeBundle(data []byte) ([][]byte, error) {
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(entries) == storage.TileWidth {
			return nil, fmt.Errorf("%w: bundle after %d entries", ErrEncoding, len(entries))
		}
		n := int(binary.BigEndian.Uint16(data))
		if n == 0 || n > MaxEntryBytes || n > len(data)-2 {
			return nil, fmt.Errorf("%w: bundle entry %d of %d bytes", ErrEncoding, len(entries), n)
		}
		entries = append(entries, data[2:2+n:2+n])
		data = data[2+n:]
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%w: empty bundle", ErrEncoding)
	}
	return entries, nil
}
