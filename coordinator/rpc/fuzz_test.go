package rpc

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"atrium/coordinator/atriumpb"
)

// FuzzPoll: whatever bytes a hospital sends as a poll, what is taken is within bounds.
func FuzzPoll(f *testing.F) {
	d := bytes.Repeat([]byte{7}, 32)
	for _, req := range []*atriumpb.PollRequest{
		{Federation: "f", Incarnation: d, SeenSize: 12, Skip: []string{"join/h-a/0011"}}, {Incarnation: d, SeenSize: -1},
		{Incarnation: d[:31]}, {Incarnation: d, Skip: make([]string, maxSkip+1)}, {Incarnation: d, Skip: []string{string(make([]byte, maxTaskID+1))}}, {},
	} {
		b, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var req atriumpb.PollRequest
		if proto.Unmarshal(b, &req) != nil {
			return
		}
		poll, err := pollOf(&req)
		if err != nil {
			return
		}
		if !bytes.Equal(poll.Incarnation[:], req.GetIncarnation()) || poll.SeenSize < 0 || len(poll.Skip) > maxSkip {
			t.Errorf("%v is taken as %+v", &req, poll)
		}
		for _, id := range poll.Skip {
			if len(id) > maxTaskID {
				t.Errorf("a task of %d bytes is taken", len(id))
			}
		}
	})
}

// FuzzSegment: what the first chunk of an upload says is taken as it is or not at all.
func FuzzSegment(f *testing.F) {
	d := bytes.Repeat([]byte{7}, 32)
	for _, c := range []*atriumpb.SegmentChunk{
		{Federation: "f", Header: d, UpdateRoot: d, Digest: d, Index: 3, Size: 8 << 20, Data: []byte("data")},
		{Header: d, UpdateRoot: d, Digest: d, Index: -1, Size: -1}, {Header: d, UpdateRoot: d}, {Header: d[:1], UpdateRoot: d, Digest: d}, {},
	} {
		b, err := proto.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c atriumpb.SegmentChunk
		if proto.Unmarshal(b, &c) != nil {
			return
		}
		s, err := segmentOf(&c)
		if err != nil {
			return
		}
		again := &atriumpb.SegmentChunk{Header: s.header[:], UpdateRoot: s.root[:], Digest: s.digest[:], Index: int32(s.index)}
		if !bytes.Equal(again.Header, c.GetHeader()) || !bytes.Equal(again.UpdateRoot, c.GetUpdateRoot()) || !bytes.Equal(again.Digest, c.GetDigest()) || again.Index != c.GetIndex() {
			t.Errorf("%v is taken as %+v", &c, s)
		}
	})
}
