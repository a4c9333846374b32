package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/wire"
)

// link is the connection to one of the coordinator's addresses; it counts what is sent.
// It belongs to the daemon's goroutine.
type link struct {
	conn       *grpc.ClientConn
	api        atriumpb.CoordinatorClient
	tls        *tls.Config
	dialer     func(context.Context, string) (net.Conn, error) // nil: TCP
	federation string
	sent       atomic.Int64
	route      route
	outage     time.Time // when it began; zero: there is none
	changed    func(connectivity.State)
}

// dial connects. changed hears of the connection's states, from a goroutine that ends with it.
func dial(cfg Config, sent int64, changed func(connectivity.State)) (*link, error) {
	l := &link{federation: cfg.Charter.Federation, tls: cfg.TLS, route: newRoute(cfg.Addresses), changed: changed}
	l.sent.Store(sent)
	l.dialer = cfg.Dial
	return l, l.connect()
}

// connect begins a connection to the address of the route, whose TLS identity is checked
// like every other's. The delays between attempts are the daemon's, so that a connection
// that failed is made anew.
func (l *link) connect() error {
	var more []grpc.DialOption
	if l.dialer != nil {
		more = append(more, grpc.WithContextDialer(l.dialer))
	}
	conn, err := grpc.NewClient("passthrough:///"+l.route.address(), append(more,
		grpc.WithTransportCredentials(dated{credentials.NewTLS(l.tls)}), grpc.WithStatsHandler(l),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply), grpc.ForceCodecV2(wire.NewCodec())),
		experimental.WithBufferPool(new(wire.Pool)),
		grpc.WithInitialWindowSize(4<<20), grpc.WithInitialConnWindowSize(4<<20),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingTime, Timeout: pingTime, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 5 * time.Second,
			Backoff: backoff.Config{BaseDelay: backoffFirst, Multiplier: 2, Jitter: 0.5, MaxDelay: 5 * time.Second}}))...)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", l.route.address(), err)
	}
	l.conn, l.api = conn, atriumpb.NewCoordinatorClient(conn)
	go l.watch(conn)
	return nil
}

// watch tells of a connection until it is closed.
func (l *link) watch(conn *grpc.ClientConn) {
	for state := conn.GetState(); state != connectivity.Shutdown; state = conn.GetState() {
		l.changed(state)
		conn.WaitForStateChange(context.Background(), state)
	}
}

// well notes that a call succeeded.
func (l *link) well() {
	l.outage = time.Time{}
	l.route.well()
}

// fail notes that one did not: it pauses, and connects anew where another address is to
// be asked or the connection is gone.
func (l *link) fail(ctx context.Context, err error) error {
	if l.outage.IsZero() {
		l.outage = time.Now()
	}
	lasted := time.Since(l.outage)
	leader, redirected := leaderOf(err)
	if !redirected && !errors.Is(err, errStoodBy) && l.conn.GetState() == connectivity.Ready && lasted < stayTime { // it answered: its trouble may pass
		return pause(ctx, reconnectDelay(lasted))
	}
	delay := uniform(backoffFirst)
	if errors.Is(err, errStoodBy) {
		l.route.waited()
	} else if !l.route.failed(leader, redirected) {
		delay = reconnectDelay(lasted)
	}
	if err := pause(ctx, delay); err != nil {
		return err
	}
	old := l.conn
	if l.route.wait { // with the one that stands by
		return nil
	}
	return errors.Join(l.connect(), old.Close())
}

// errStoodBy: a coordinator that stands by still does, after as long a wait as is good.
var errStoodBy = errors.New("the coordinator that answers stands by, and the one that leads did not answer")

// standbyTime is how long to wait with a coordinator that stands by before the one that
// leads is asked again: as long as the outage lasts, so that a leader that is back soon
// has its hospitals back soon.
func (l *link) standbyTime() time.Duration {
	return min(max(time.Since(l.outage), standbyFirst), backoffLimit)
}

// leaderOf returns the addresses that a standby named with its refusal.
func leaderOf(err error) (addresses []string, redirected bool) {
	for _, detail := range status.Convert(err).Details() {
		if d, ok := detail.(*atriumpb.NotLeader); ok {
			return d.GetAddresses(), true
		}
	}
	return nil, false
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
