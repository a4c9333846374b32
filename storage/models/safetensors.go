package models

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
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
	return encode(s)
}

// encode is Encode of a snapshot that is valid.
func encode(s Snapshot) []byte {
	tensors := canonicalOrder(s.Tensors)
	header := encodeHeader(s.Metadata, tensors)
	size := 8 + len(header)
	for _, t := range tensors {
		size += t.bytes()
	}
	w := bytes.NewBuffer(make([]byte, 0, size))
	write(w, header, tensors)
	return w.Bytes()
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
func Decode(b []byte) (Snapshot, error) { return decode(bytes.NewReader(b), len(b), nil) }

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
