package models

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"atrium/coordinator/federation"
)

const (
	metadataKey = "__metadata__"
	dtypeF32    = "F32"
	dtypeF64    = "F64"
)

// entry is a tensor in the header; the order of the fields is the canonical one.
type entry struct {
	Dtype   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

func (t Tensor) dtype() string {
	if t.F64 != nil {
		return dtypeF64
	}
	return dtypeF32
}

func (t Tensor) bytes() int { return 4*len(t.F32) + 8*len(t.F64) }

// canonicalOrder returns the tensors as the file has them: F64 first, then by name.
func canonicalOrder(tensors []Tensor) []Tensor {
	sorted := slices.Clone(tensors)
	slices.SortFunc(sorted, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(b.dtype(), a.dtype()), cmp.Compare(a.Name, b.Name))
	})
	return sorted
}

// Encode returns the canonical safetensors file of a snapshot. It panics for one
// that Validate refuses.
func Encode(s Snapshot) []byte {
	if err := s.Validate(); err != nil {
		panic("models: encode: " + err.Error())
	}
	tensors := canonicalOrder(s.Tensors)
	header := encodeHeader(s.Metadata, tensors)
	size := 8 + len(header)
	for _, t := range tensors {
		size += t.bytes()
	}
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, size), uint64(len(header)))
	b = append(b, header...)
	for _, t := range tensors {
		for _, x := range t.F64 {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
		for _, x := range t.F32 {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	return b
}

// encodeHeader writes the padded header of tensors in this order.
func encodeHeader(metadata map[string]string, tensors []Tensor) []byte {
	b := []byte{'{'}
	member := func(key string, value any) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, federation.Encode(key)...)
		b = append(b, ':')
		b = append(b, federation.Encode(value)...)
	}
	if len(metadata) > 0 {
		member(metadataKey, metadata) // encoding/json sorts the keys
	}
	offset := 0
	for _, t := range tensors {
		end := offset + t.bytes()
		member(t.Name, entry{t.dtype(), append([]int{}, t.Shape...), [2]int{offset, end}})
		offset = end
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	return b
}

// Decode reads what Encode wrote. Any other file, of this or another program, is
// refused with an error that wraps ErrSnapshot: Encode of the result is b.
func Decode(b []byte) (Snapshot, error) {
	if len(b) < 8 || len(b) > MaxSnapshotBytes {
		return Snapshot{}, fmt.Errorf("%w: %d bytes, want 8 to %d", ErrSnapshot, len(b), MaxSnapshotBytes)
	}
	n := binary.LittleEndian.Uint64(b)
	if n > MaxHeaderBytes || n > uint64(len(b)-8) {
		return Snapshot{}, fmt.Errorf("%w: header of %d bytes in a file of %d", ErrSnapshot, n, len(b))
	}
	header, data := b[8:8+n], b[8+n:]
	s, entries, err := decodeHeader(header)
	if err != nil {
		return Snapshot{}, fmt.Errorf("%w: header: %w", ErrSnapshot, err)
	}
	for i := range s.Tensors {
		t := &s.Tensors[i]
		if data, err = t.decodeData(entries[i], data); err != nil {
			return Snapshot{}, fmt.Errorf("%w: tensor %q: %w", ErrSnapshot, t.Name, err)
		}
	}
	if len(data) > 0 {
		return Snapshot{}, fmt.Errorf("%w: %d bytes after the last tensor", ErrSnapshot, len(data))
	}
	if err := s.Validate(); err != nil {
		return Snapshot{}, err
	}
	// The data are read in the order of the header without a hole; that leaves only
	// the header's own spelling, offsets and order to compare.
	if !bytes.Equal(header, encodeHeader(s.Metadata, canonicalOrder(s.Tensors))) {
		return Snapshot{}, fmt.Errorf("%w: header: %w", ErrSnapshot, federation.ErrNotCanonical)
	}
	return s, nil
}

// decodeHeader returns the tensors without their values, in the order of the data.
func decodeHeader(header []byte) (Snapshot, []entry, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(header, &members); err != nil {
		return Snapshot{}, nil, err
	}
	var s Snapshot
	if raw, ok := members[metadataKey]; ok {
		if err := json.Unmarshal(raw, &s.Metadata); err != nil {
			return Snapshot{}, nil, fmt.Errorf("%s: %w", metadataKey, err)
		}
		delete(members, metadataKey)
	}
	if len(members) > MaxTensors {
		return Snapshot{}, nil, fmt.Errorf("%d tensors, at most %d allowed", len(members), MaxTensors)
	}
	byName := make(map[string]entry, len(members))
	for name, raw := range members {
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return Snapshot{}, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		byName[name] = e
		s.Tensors = append(s.Tensors, Tensor{Name: name, Shape: e.Shape})
	}
	slices.SortFunc(s.Tensors, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(byName[a.Name].Offsets[0], byName[b.Name].Offsets[0]), cmp.Compare(a.Name, b.Name))
	})
	entries := make([]entry, len(s.Tensors))
	for i, t := range s.Tensors {
		entries[i] = byName[t.Name]
	}
	return s, entries, nil
}

// decodeData takes the tensor's values from the front of data and returns the rest.
func (t *Tensor) decodeData(e entry, data []byte) ([]byte, error) {
	n, err := elements(t.Shape)
	if err != nil {
		return nil, err
	}
	width := map[string]int{dtypeF32: 4, dtypeF64: 8}[e.Dtype]
	if width == 0 {
		return nil, fmt.Errorf("dtype %q: want F32 or F64", e.Dtype)
	}
	if n > len(data)/width {
		return nil, fmt.Errorf("%d bytes left for %d values of %s", len(data), n, e.Dtype)
	}
	if width == 4 {
		t.F32 = make([]float32, n)
		for i := range t.F32 {
			t.F32[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	} else {
		t.F64 = make([]float64, n)
		for i := range t.F64 {
			t.F64[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
		}
	}
	return data[n*width:], nil
}
