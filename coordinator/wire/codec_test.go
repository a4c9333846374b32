package wire

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"atrium/coordinator/atriumpb"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// cut is a message as HTTP/2 brings it, in frames of size bytes.
func cut(b []byte, size int) mem.BufferSlice {
	var s mem.BufferSlice
	for len(b) > 0 {
		n := min(size, len(b))
		s = append(s, mem.SliceBuffer(b[:n]))
		b = b[n:]
	}
	return s
}

// TestMarshalIsProtobuf: with and without a copy the bytes are protobuf's, and the data
// are not copied where they are many.
func TestMarshalIsProtobuf(t *testing.T) {
	c := NewCodec()
	for _, n := range []int{0, 1, minBulk - 1, minBulk, 1 << 20} {
		data := pattern(n)
		for _, m := range []proto.Message{
			&atriumpb.Chunk{Data: data},
			&atriumpb.SegmentChunk{Data: data},
			&atriumpb.SegmentChunk{Federation: "f", Header: pattern(32), UpdateRoot: pattern(32), Index: 3, Digest: pattern(32), Size: 1 << 40, Data: data},
		} {
			got, err := c.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			want, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Materialize(), want) {
				t.Errorf("%T with %d bytes of data is not protobuf's encoding", m, n)
			}
			if n >= minBulk && &got[1].ReadOnlyData()[0] != &data[0] {
				t.Errorf("%T: %d bytes of data were copied", m, n)
			}
		}
	}
}

// TestEveryFieldIsKept: a field that the codec does not copy would be lost in silence.
func TestEveryFieldIsKept(t *testing.T) {
	if n := (&atriumpb.SegmentChunk{}).ProtoReflect().Descriptor().Fields().Len(); n != int(segmentData) {
		t.Errorf("SegmentChunk has %d fields: Marshal copies %d", n, segmentData)
	}
	if n := (&atriumpb.Chunk{}).ProtoReflect().Descriptor().Fields().Len(); n != int(chunkData) {
		t.Errorf("Chunk has %d fields: Marshal copies %d", n, chunkData)
	}
}

func TestReceiveData(t *testing.T) {
	c, data := NewCodec(), pattern(100_000)
	sent, err := c.Marshal(&atriumpb.SegmentChunk{Federation: "f", Index: 1, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	room := make([]byte, 2, 2+len(data))
	for _, size := range []int{1, 3, 16384, 1 << 20} {
		d := SegmentInto(room)
		if err := c.Unmarshal(cut(sent.Materialize(), size), d); err != nil {
			t.Fatalf("frames of %d bytes: %v", size, err)
		}
		if !bytes.Equal(d.Bytes[2:], data) || &d.Bytes[0] != &room[0] {
			t.Errorf("frames of %d bytes: other data, or in other memory", size)
		}
	}
	small := SegmentInto(make([]byte, 0, len(data)-1))
	if err := c.Unmarshal(sent, small); !errors.Is(err, ErrTooLong) || !small.TooLong {
		t.Errorf("too little room: %v", err)
	}
	if err := c.Unmarshal(cut(sent.Materialize()[:50_000], 16384), SegmentInto(room)); err == nil {
		t.Error("a message that was cut is taken")
	}
}

func TestPool(t *testing.T) {
	p := new(Pool)
	for _, n := range []int{0, 1, 2, 3, 1 << 14, 1<<20 + 17, maxPooled + 1} {
		b := p.Get(n)
		if len(*b) != n {
			t.Errorf("asked for %d bytes, got %d", n, len(*b))
		}
		*b = (*b)[:0] // a prefix, as the contract of mem.BufferPool allows
		p.Put(b)
		if again := p.Get(n); len(*again) != n {
			t.Errorf("asked again for %d bytes, got %d", n, len(*again))
		}
	}
}

// FuzzReceiveData: what is received into Data is what protobuf finds, and nothing else is
// taken that protobuf refuses.
func FuzzReceiveData(f *testing.F) {
	for _, m := range []proto.Message{&atriumpb.SegmentChunk{}, &atriumpb.SegmentChunk{Data: pattern(40)},
		&atriumpb.SegmentChunk{Federation: "f", Header: pattern(32), Index: -1, Size: 5, Data: []byte("x")}} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 3)
	}
	f.Add([]byte{0x3a, 0x01, 'a', 0x3a, 0x01, 'b'}, 1) // data twice: the last counts in protobuf
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		d := SegmentInto(make([]byte, 0, 1<<16))
		if err := NewCodec().Unmarshal(cut(b, max(size, 1)), d); err != nil {
			return
		}
		var m atriumpb.SegmentChunk
		if err := proto.Unmarshal(b, &m); err != nil {
			return // a field that is skipped is not looked into
		}
		if !bytes.HasSuffix(d.Bytes, m.GetData()) {
			t.Errorf("%x: received %x, protobuf has %x", b, d.Bytes, m.GetData())
		}
	})
}
