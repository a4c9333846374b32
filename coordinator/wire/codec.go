package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"atrium/coordinator/atriumpb"
)

// ErrTooLong: a message has more data than the receiver has room for.
var ErrTooLong = errors.New("more data than was announced")

// Numbers of the data fields in atrium.proto. They are the highest of their messages, so
// that what is sent is what protobuf would send.
const (
	chunkData   protowire.Number = 1 // of Chunk
	segmentData protowire.Number = 7 // of SegmentChunk
)

// Data receives a Chunk or SegmentChunk, of which it takes the data alone: they are
// appended to Bytes, whose capacity is all the room there is ([ErrTooLong]).
type Data struct {
	Bytes   []byte
	TooLong bool // the message was refused with ErrTooLong, of which gRPC keeps only the text
	field   protowire.Number
}

// ChunkInto receives the data of a Chunk behind b.
func ChunkInto(b []byte) *Data { return &Data{Bytes: b, field: chunkData} }

// SegmentInto receives the data of a SegmentChunk behind b.
func SegmentInto(b []byte) *Data { return &Data{Bytes: b, field: segmentData} }

// Codec is gRPC's codec for protobuf but for bulk data. Its name is that of protobuf.
type Codec struct{ proto encoding.CodecV2 }

var _ encoding.CodecV2 = Codec{}

// NewCodec returns the codec.
func NewCodec() Codec { return Codec{proto: encoding.GetCodecV2(grpcproto.Name)} }

// Name implements encoding.CodecV2.
func (Codec) Name() string { return grpcproto.Name }

// Marshal implements encoding.CodecV2.
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *atriumpb.Chunk:
		if len(m.GetData()) >= minBulk {
			return bulk(nil, chunkData, m.GetData()), nil
		}
	case *atriumpb.SegmentChunk:
		if len(m.GetData()) >= minBulk {
			head, err := proto.Marshal(&atriumpb.SegmentChunk{Federation: m.GetFederation(), Header: m.GetHeader(), UpdateRoot: m.GetUpdateRoot(),
				Index: m.GetIndex(), Digest: m.GetDigest(), Size: m.GetSize()})
			return bulk(head, segmentData, m.GetData()), err
		}
	}
	return c.proto.Marshal(v)
}

// bulk is a message whose last field is data.
func bulk(head []byte, field protowire.Number, data []byte) mem.BufferSlice {
	head = protowire.AppendTag(head, field, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(data)))
	return mem.BufferSlice{mem.SliceBuffer(head), mem.SliceBuffer(data)}
}

// Unmarshal implements encoding.CodecV2.
func (c Codec) Unmarshal(b mem.BufferSlice, v any) error {
	d, ok := v.(*Data)
	if !ok {
		return c.proto.Unmarshal(b, v)
	}
	r := b.Reader()
	defer r.Close()
	for r.Remaining() > 0 {
		if err := d.readField(r); err != nil {
			return fmt.Errorf("message with data: %w", err)
		}
	}
	return nil
}

// readField reads one field; the data are kept.
func (d *Data) readField(r *mem.Reader) error {
	tag, err := binary.ReadUvarint(r)
	if err != nil {
		return unexpected(err)
	}
	field, kind := protowire.DecodeTag(tag)
	size := uint64(0)
	switch {
	case field < protowire.MinValidNumber:
		return fmt.Errorf("field number %d", field)
	case kind == protowire.VarintType:
		_, err = binary.ReadUvarint(r)
		return unexpected(err)
	case kind == protowire.Fixed32Type:
		size = 4
	case kind == protowire.Fixed64Type:
		size = 8
	case kind == protowire.BytesType:
		if size, err = binary.ReadUvarint(r); err != nil {
			return unexpected(err)
		}
	default:
		return fmt.Errorf("field %d has wire type %d", field, kind)
	}
	if size > uint64(r.Remaining()) {
		return io.ErrUnexpectedEOF
	}
	if field != d.field || kind != protowire.BytesType {
		_, err = r.Discard(int(size))
		return err
	}
	return d.take(r, int(size))
}

func (d *Data) take(r *mem.Reader, size int) error {
	have := len(d.Bytes)
	if size > cap(d.Bytes)-have {
		d.TooLong = true
		return ErrTooLong
	}
	d.Bytes = d.Bytes[:have+size]
	_, err := io.ReadFull(r, d.Bytes[have:])
	return err
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
