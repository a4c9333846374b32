package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/wire"
)

// link is the connection to the coordinator; it counts what is sent.
type link struct {
	conn       *grpc.ClientConn
	api        atriumpb.CoordinatorClient
	federation string
	sent       atomic.Int64
}

func dial(cfg Config, sent int64) (*link, error) {
	l := &link{federation: cfg.Charter.Federation}
	l.sent.Store(sent)
	addresses := manual.NewBuilderWithScheme("atrium")
	var list []resolver.Address
	for _, a := range cfg.Addresses {
		list = append(list, resolver.Address{Addr: a})
	}
	addresses.InitialState(resolver.State{Addresses: list})
	var more []grpc.DialOption
	if cfg.Dial != nil {
		more = append(more, grpc.WithContextDialer(cfg.Dial))
	}
	conn, err := grpc.NewClient("atrium:///coordinator", append(more, grpc.WithResolvers(addresses),
		grpc.WithTransportCredentials(credentials.NewTLS(cfg.TLS)), grpc.WithStatsHandler(l),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply), grpc.ForceCodecV2(wire.NewCodec())),
		experimental.WithBufferPool(new(wire.Pool)),
		grpc.WithInitialWindowSize(4<<20), grpc.WithInitialConnWindowSize(4<<20),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 20 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 5 * time.Second,
			Backoff: backoff.Config{BaseDelay: backoffFirst, Multiplier: 2, Jitter: 0.5, MaxDelay: 5 * time.Second}}))...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", cfg.Addresses, err)
	}
	l.conn, l.api = conn, atriumpb.NewCoordinatorClient(conn)
	return l, nil
}

func (l *link) close() error { return l.conn.Close() }

// retry makes the next call connect at once: the caller has waited, and the connection's
// own delay would come on top of it.
func (l *link) retry() { l.conn.ResetConnectBackoff() }

// TagRPC, HandleRPC, TagConn and HandleConn implement stats.Handler: they add up the
// messages sent, as they go on the wire before TLS.
func (l *link) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (l *link) HandleRPC(_ context.Context, s stats.RPCStats) {
	if out, ok := s.(*stats.OutPayload); ok {
		l.sent.Add(int64(out.WireLength))
	}
}

func (l *link) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (l *link) HandleConn(context.Context, stats.ConnStats)                       {}

// send delivers a small signed message; nil means that it is in the log.
func (l *link) send(ctx context.Context, kind string, signed []byte) error {
	_, err := l.api.Send(ctx, &atriumpb.Message{Federation: l.federation, Kind: kind, Signed: signed})
	return err
}

// putSegment uploads one segment of an update in chunks, which read gives. When the
// coordinator has no room for it now it is sent later, as it asks.
func (l *link) putSegment(ctx context.Context, first *atriumpb.SegmentChunk, read func(offset, length int64) ([]byte, error)) error {
	for {
		err := l.trySegment(ctx, first, read)
		wait, ok := retryAfter(err)
		if !ok {
			return err
		}
		if err := pause(ctx, wait+jitter(1)); err != nil {
			return err
		}
	}
}

// trySegment sends a small first chunk and the others only once the coordinator, which
// may have many hospitals to serve, has made room for them.
func (l *link) trySegment(ctx context.Context, first *atriumpb.SegmentChunk, read func(offset, length int64) ([]byte, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := l.api.PutSegment(ctx)
	if err != nil {
		return err
	}
	length := int64(chunkBytes)
	if first.GetSize() > chunkBytes {
		length = firstBytes
	}
	chunk := &atriumpb.SegmentChunk{Federation: l.federation, Header: first.GetHeader(), UpdateRoot: first.GetUpdateRoot(),
		Index: first.GetIndex(), Digest: first.GetDigest(), Size: first.GetSize()}
	for offset := int64(0); ; length = chunkBytes {
		if chunk.Data, err = read(offset, min(length, first.GetSize()-offset)); err != nil {
			return err
		}
		if err := stream.Send(chunk); errors.Is(err, io.EOF) {
			break // CloseAndRecv has the reason
		} else if err != nil {
			return err
		}
		if offset += int64(len(chunk.GetData())); offset >= first.GetSize() || len(chunk.GetData()) == 0 {
			break
		}
		if header, err := stream.Header(); err != nil || header == nil {
			break // refused
		}
		chunk = &atriumpb.SegmentChunk{}
	}
	_, err = stream.CloseAndRecv()
	return err
}

// retryAfter returns how long the coordinator asks to wait, if that is what it answered.
func retryAfter(err error) (time.Duration, bool) {
	if status.Code(err) != codes.ResourceExhausted {
		return 0, false
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return min(max(info.GetRetryDelay().AsDuration(), 0), maxRetryAfter), true
		}
	}
	return 0, false
}
