package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/stats"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/storage"
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
	conn, err := grpc.NewClient("atrium:///coordinator", grpc.WithResolvers(addresses),
		grpc.WithTransportCredentials(credentials.NewTLS(cfg.TLS)), grpc.WithStatsHandler(l),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply)),
		grpc.WithInitialWindowSize(4<<20), grpc.WithInitialConnWindowSize(4<<20),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 20 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 5 * time.Second,
			Backoff: backoff.Config{BaseDelay: backoffFirst, Multiplier: 2, Jitter: 0.5, MaxDelay: 5 * time.Second}}))
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", cfg.Addresses, err)
	}
	l.conn, l.api = conn, atriumpb.NewCoordinatorClient(conn)
	return l, nil
}

func (l *link) close() error { return l.conn.Close() }

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

// fetch downloads a content-addressed object and verifies it. A broken connection is
// resumed from what arrived.
func (l *link) fetch(ctx context.Context, digest federation.Digest, limit int) ([]byte, error) {
	var data []byte
	for attempt := 0; ; attempt++ {
		err := l.fetchFrom(ctx, digest, limit, &data)
		if err == nil {
			break
		}
		if attempt == 3 || ctx.Err() != nil {
			return nil, fmt.Errorf("fetch %s: %w", digest.Short(), err)
		}
	}
	if federation.Sum(data) != digest {
		return nil, fmt.Errorf("fetch %s: %w", digest.Short(), storage.ErrDigest)
	}
	return data, nil
}

func (l *link) fetchFrom(ctx context.Context, digest federation.Digest, limit int, data *[]byte) error {
	stream, err := l.api.Fetch(ctx, &atriumpb.FetchRequest{Federation: l.federation, Digest: digest[:], Offset: int64(len(*data))})
	if err != nil {
		return err
	}
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(*data)+len(chunk.GetData()) > limit {
			return fmt.Errorf("more than %d bytes: %w", limit, storage.ErrTooLarge)
		}
		*data = append(*data, chunk.GetData()...)
	}
}

// putSegment uploads one segment of an update in chunks.
func (l *link) putSegment(ctx context.Context, header, root, digest federation.Digest, index int, data []byte) error {
	stream, err := l.api.PutSegment(ctx)
	if err != nil {
		return err
	}
	chunk := &atriumpb.SegmentChunk{Federation: l.federation, Header: header[:], UpdateRoot: root[:], Index: int32(index),
		Digest: digest[:], Size: int64(len(data))}
	for {
		n := min(len(data), chunkBytes)
		chunk.Data, data = data[:n], data[n:]
		if err := stream.Send(chunk); err != nil && !errors.Is(err, io.EOF) { // EOF: CloseAndRecv has the reason
			return err
		}
		if len(data) == 0 {
			break
		}
		chunk = &atriumpb.SegmentChunk{}
	}
	_, err = stream.CloseAndRecv()
	return err
}
