package rpc

import (
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/wire"
)

// busy is the refusal that says when to ask again.
func busy(err error) error {
	st, failed := status.New(codes.ResourceExhausted, err.Error()).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	if failed != nil {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	return st.Err()
}

// received is the outcome of receive.
type received struct {
	data []byte
	err  error
}

// receive reads the rest of a segment behind data, whose capacity is at least size, to no
// more than size bytes. A stream that takes longer than a segment may is given up, and
// then data may still be written to.
func receive(stream grpc.ClientStreamingServer[atriumpb.SegmentChunk, atriumpb.Receipt], data []byte, index, size int) (got []byte, done bool, err error) {
	outcome := make(chan received, 1)
	go func() {
		rest := wire.SegmentInto(data[:len(data):size])
		for {
			err := stream.RecvMsg(rest) // fails once the handler has returned
			switch {
			case errors.Is(err, io.EOF):
				outcome <- received{data: rest.Bytes}
				return
			case rest.TooLong:
				outcome <- received{err: fmt.Errorf("segment %d is longer than the %d bytes that the header implies: %w", index, size, coordinator.ErrContent)}
				return
			case err != nil:
				outcome <- received{err: err}
				return
			}
		}
	}()
	timer := time.NewTimer(segmentTime)
	defer timer.Stop()
	select {
	case r := <-outcome:
		return r.data, true, r.err
	case <-timer.C:
		return nil, false, status.Errorf(codes.DeadlineExceeded, "segment %d took longer than %v", index, segmentTime)
	}
}
