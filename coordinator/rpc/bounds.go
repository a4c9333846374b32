package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/storage/roundlog"
)

// digest reads 32 bytes.
func digest(b []byte) (federation.Digest, error) {
	var d federation.Digest
	if len(b) != len(d) {
		return d, status.Errorf(codes.InvalidArgument, "digest of %d bytes", len(b))
	}
	copy(d[:], b)
	return d, nil
}

// pollOf reads what a hospital says about itself.
func pollOf(req *atriumpb.PollRequest) (coordinator.Poll, error) {
	incarnation, err := digest(req.GetIncarnation())
	var charter federation.Digest
	if err == nil && len(req.GetCharter()) > 0 {
		charter, err = digest(req.GetCharter())
	}
	malformed := err != nil || len(req.GetSkip()) > maxSkip || req.GetSeenSize() < 0 || len(req.GetCheckpoint()) > roundlog.MaxCheckpointBytes
	for _, id := range req.GetSkip() {
		malformed = malformed || len(id) > maxTaskID
	}
	if malformed {
		return coordinator.Poll{}, status.Error(codes.InvalidArgument, "poll is malformed")
	}
	return coordinator.Poll{Incarnation: incarnation, SeenSize: req.GetSeenSize(), Checkpoint: req.GetCheckpoint(), Adopted: req.GetAdopted(),
		Skip: req.GetSkip(), Charter: charter}, nil
}

// segment is what the first chunk of a stream says that follows.
type segment struct {
	header, root, digest federation.Digest
	index                int
}

func segmentOf(first *atriumpb.SegmentChunk) (s segment, err error) {
	for _, part := range []struct {
		to   *federation.Digest
		from []byte
	}{{&s.header, first.GetHeader()}, {&s.root, first.GetUpdateRoot()}, {&s.digest, first.GetDigest()}} {
		if *part.to, err = digest(part.from); err != nil {
			return segment{}, err
		}
	}
	s.index = int(first.GetIndex())
	return s, nil
}
