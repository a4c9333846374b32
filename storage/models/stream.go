package models

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"atrium/coordinator/federation"
)

// block is how many bytes of tensors are converted at a time; a multiple of 8.
const block = 32 << 10

// write writes the file of tensors in canonical order to a writer that cannot fail: a
// buffer or a hash.
func write(w io.Writer, header []byte, tensors []Tensor) {
	buf := make([]byte, 0, block)
	w.Write(binary.LittleEndian.AppendUint64(buf, uint64(len(header))))
	w.Write(header)
	for _, t := range tensors {
		for rest := t.F64; len(rest) > 0; {
			n := min(len(rest), block/8)
			buf = buf[:8*n]
			for i, x := range rest[:n] {
				binary.LittleEndian.PutUint64(buf[8*i:], math.Float64bits(x))
			}
			w.Write(buf)
			rest = rest[n:]
		}
		for rest := t.F32; len(rest) > 0; {
			n := min(len(rest), block/4)
			buf = buf[:4*n]
			for i, x := range rest[:n] {
				binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(x))
			}
			w.Write(buf)
			rest = rest[n:]
		}
	}
}

// DecodeFrom is Decode of all that a reader gives, of which it holds no copy. The
// caller checks the digest of what was read before it uses the result. An error of the
// reader is returned as it is.
func DecodeFrom(r io.Reader) (Snapshot, error) { return decode(r, MaxSnapshotBytes, nil) }

// decode reads a file of at most limit bytes. place, unless nil, gives the memory of an
// F32 tensor.
func decode(r io.Reader, limit int, place func(name string, n int) []float32) (Snapshot, error) {
	s, header, entries, err := readHeader(r, limit)
	if err != nil {
		return Snapshot{}, err
	}
	limit -= 8 + len(header)
	buf := make([]byte, block)
	for i := range s.Tensors {
		t := &s.Tensors[i]
		if err := t.read(r, entries[i], &limit, place, buf); err != nil {
			return Snapshot{}, inTensor(t.Name, err)
		}
	}
	if n, err := io.ReadFull(r, buf[:1]); n > 0 {
		return Snapshot{}, fmt.Errorf("%w: bytes after the last tensor", ErrSnapshot)
	} else if !errors.Is(err, io.EOF) {
		return Snapshot{}, err
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

// readHeader reads the header and returns the tensors without their values, in the
// order of the data.
func readHeader(r io.Reader, limit int) (Snapshot, []byte, []entry, error) {
	var length [8]byte
	if err := fill(r, length[:]); err != nil {
		return Snapshot{}, nil, nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if limit < 8 || n > MaxHeaderBytes || n > uint64(limit-8) {
		return Snapshot{}, nil, nil, fmt.Errorf("%w: header of %d bytes in a file of at most %d", ErrSnapshot, n, limit)
	}
	header := make([]byte, n)
	if err := fill(r, header); err != nil {
		return Snapshot{}, nil, nil, err
	}
	s, entries, err := decodeHeader(header)
	if err != nil {
		return Snapshot{}, nil, nil, fmt.Errorf("%w: header: %w", ErrSnapshot, err)
	}
	return s, header, entries, nil
}

// fill reads exactly len(b) bytes; a file that ends before is no snapshot.
func fill(r io.Reader, b []byte) error {
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the file ends %d bytes early", ErrSnapshot, len(b)-n)
	}
	return err
}

// inTensor names the tensor in an error about the file.
func inTensor(name string, err error) error {
	if !errors.Is(err, ErrSnapshot) {
		return err
	}
	return fmt.Errorf("tensor %q: %w", name, err)
}

// read reads the tensor's values, of which limit bytes are left.
func (t *Tensor) read(r io.Reader, e entry, limit *int, place func(string, int) []float32, buf []byte) error {
	n, err := elements(t.Shape)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	width := map[string]int{dtypeF32: 4, dtypeF64: 8}[e.Dtype]
	if width == 0 {
		return fmt.Errorf("%w: dtype %q: want F32 or F64", ErrSnapshot, e.Dtype)
	}
	if n > *limit/width {
		return fmt.Errorf("%w: %d bytes left for %d values of %s", ErrSnapshot, *limit, n, e.Dtype)
	}
	*limit -= n * width
	if width == 8 {
		return t.readF64(r, n, buf)
	}
	if place != nil {
		t.F32 = place(t.Name, n)
	} else {
		t.F32 = make([]float32, n)
	}
	for rest := t.F32; len(rest) > 0; {
		part := buf[:min(4*len(rest), len(buf))]
		if err := fill(r, part); err != nil {
			return err
		}
		for i := range len(part) / 4 {
			rest[i] = math.Float32frombits(binary.LittleEndian.Uint32(part[4*i:]))
		}
		rest = rest[len(part)/4:]
	}
	return nil
}

func (t *Tensor) readF64(r io.Reader, n int, buf []byte) error {
	t.F64 = make([]float64, n)
	for rest := t.F64; len(rest) > 0; {
		part := buf[:min(8*len(rest), len(buf))]
		if err := fill(r, part); err != nil {
			return err
		}
		for i := range len(part) / 8 {
			rest[i] = math.Float64frombits(binary.LittleEndian.Uint64(part[8*i:]))
		}
		rest = rest[len(part)/8:]
	}
	return nil
}
