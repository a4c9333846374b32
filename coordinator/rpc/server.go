package rpc

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/wire"
	"atrium/storage"
)

// Server serves the federations of one coordinator.
type Server struct {
	atriumpb.UnimplementedCoordinatorServer
	federations *served
	logger      *slog.Logger
	room        room
	fetches     chan struct{} // has an element for each object that is being read
}

// New returns a Server for these coordinators.
func New(logger *slog.Logger, coordinators ...*coordinator.Coordinator) *Server {
	s := &Server{federations: &served{all: map[string]*coordinator.Coordinator{}}, logger: logger, fetches: make(chan struct{}, fetches)}
	for _, c := range coordinators {
		s.federations.all[c.Charter().Federation] = c
	}
	return s
}

// Reserve divides this process's file descriptors between connections, of so many
// hospitals, and everything else; ErrDescriptors. It is called before Serve, which
// otherwise reserves for the hospitals that it serves by then.
func (s *Server) Reserve(hospitals int) error {
	limit, err := descriptorLimit()
	if err == nil {
		s.room, err = roomFor(limit, hospitals)
	}
	return err
}

// Serve answers on a listener until ctx ends.
func (s *Server) Serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	return s.serve(ctx, listener, config)
}

func (s *Server) serve(ctx context.Context, listener net.Listener, config *tls.Config, more ...grpc.ServerOption) error {
	if s.room == (room{}) {
		if err := s.Reserve(s.federations.hospitals()); err != nil {
			return err
		}
	}
	door := newDoor(listener, s.room, s.logger)
	server := grpc.NewServer(append(more,
		grpc.Creds(admission{credentials.NewTLS(config), s.federations, s.logger, door}), grpc.ConnectionTimeout(handshakeTime),
		grpc.ForceServerCodecV2(wire.NewCodec()), experimental.BufferPool(new(wire.Pool)),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxConcurrentStreams(maxStreams),
		grpc.InitialWindowSize(windowBytes), grpc.InitialConnWindowSize(windowBytes),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: idlePing, Timeout: idlePing}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}))...)
	atriumpb.RegisterCoordinatorServer(server, s)
	go func() {
		<-ctx.Done()
		server.Stop()
	}()
	if err := server.Serve(door); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// enter returns the federation that a call names and who calls, if it is led here.
func (s *Server) enter(ctx context.Context, name string) (*coordinator.Coordinator, federation.HospitalID, error) {
	c, id, err := s.identify(ctx, name)
	if err != nil {
		return nil, "", err
	}
	if v := c.View(); !v.Leads {
		return nil, "", notLeader(&coordinator.NotLeader{Leader: v.Leader})
	}
	return c, id, nil
}

// identify returns the federation that a call names and who calls, with an error for a hospital
// that was removed.
func (s *Server) identify(ctx context.Context, name string) (*coordinator.Coordinator, federation.HospitalID, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, "", status.Error(codes.Unauthenticated, "no TLS identity")
	}
	who, ok := p.AuthInfo.(caller)
	if !ok {
		return nil, "", status.Error(codes.Unauthenticated, "no TLS identity")
	}
	c, ok := s.federations.get(name)
	if !ok {
		return nil, "", status.Errorf(codes.NotFound, "federation %.80q is not served here", name)
	}
	key := federation.Sum(who.State.PeerCertificates[0].RawSubjectPublicKeyInfo)
	for _, m := range c.Charter().Members { // a hospital has another pseudonym in each federation
		if m.TLSKey == key {
			return c, m.ID, nil
		}
	}
	for _, m := range c.Removed() {
		if m.TLSKey == key {
			return c, m.ID, status.Error(codes.PermissionDenied, coordinator.ErrRemoved.Error())
		}
	}
	return nil, "", status.Error(codes.PermissionDenied, ErrStranger.Error())
}

// farewell is identify for the two calls that a hospital may make which was removed: the poll
// that tells it, and the download of what shows it.
func (s *Server) farewell(ctx context.Context, name string) (c *coordinator.Coordinator, id federation.HospitalID, removed bool, err error) {
	c, id, err = s.identify(ctx, name)
	if err != nil && c != nil {
		return c, id, true, nil
	}
	return c, id, false, err
}

// Poll implements the long poll. While nobody leads it waits here too, because this
// coordinator may be the next, and so does who cannot reach the one that leads.
func (s *Server) Poll(ctx context.Context, req *atriumpb.PollRequest) (*atriumpb.Work, error) {
	c, id, removed, err := s.farewell(ctx, req.GetFederation())
	if err != nil {
		return nil, err
	}
	poll, err := pollOf(req)
	if err != nil {
		return nil, err
	}
	timeout := time.NewTimer(pollTime)
	defer timeout.Stop()
	for {
		view := c.View()
		if view.Led && !req.GetWait() {
			return nil, notLeader(&coordinator.NotLeader{Leader: view.Leader})
		}
		if view.Leads {
			workFor := c.WorkFor
			if removed {
				workFor = c.FarewellFor
			}
			work, ok, err := workFor(ctx, view, id, poll)
			if err != nil {
				return nil, s.wire(err)
			}
			if ok {
				return workMessage(work), nil
			}
		}
		select {
		case <-view.Changed():
		case <-timeout.C:
			if view.Led {
				return nil, notLeader(&coordinator.NotLeader{Leader: view.Leader})
			}
			return &atriumpb.Work{}, nil
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

func workMessage(w coordinator.Work) *atriumpb.Work {
	return &atriumpb.Work{Id: w.ID, Kind: string(w.Kind), Round: w.Round, Header: w.Header, Manifest: w.Manifest[:],
		Checkpoint: w.Checkpoint, Consistency: w.Consistency, Candidate: w.Candidate, Entry: w.Entry, EntryIndex: w.EntryIndex,
		Inclusion: w.Inclusion, Version: w.Version, Snapshot: w.Snapshot[:], Reason: w.Reason,
		Readies: w.Readies, Vouches: w.Vouches, Sends: w.Sends, Derived: w.Derived}
}

// Send implements the small signed messages.
func (s *Server) Send(ctx context.Context, req *atriumpb.Message) (*atriumpb.Receipt, error) {
	c, id, err := s.enter(ctx, req.GetFederation())
	if err != nil {
		return nil, err
	}
	take, ok := map[string]func(context.Context, federation.HospitalID, []byte) error{
		"join": c.Join, "decline": c.Decline, "ready": c.Ready, "vouch": c.Vouch, "burn": c.Burn, "derived": c.Derived,
	}[req.GetKind()]
	if !ok {
		return nil, status.Errorf(codes.InvalidArgument, "message of kind %.40q", req.GetKind())
	}
	err = take(ctx, id, req.GetSigned())
	switch req.GetKind() {
	case "ready":
		return &atriumpb.Receipt{}, s.refuse(ctx, c, id, federation.RoleCustodian, err)
	case "vouch":
		return &atriumpb.Receipt{}, s.refuse(ctx, c, id, federation.RoleUpdate, err)
	}
	return &atriumpb.Receipt{}, s.wire(err)
}

// Held implements the resumption of an upload.
func (s *Server) Held(ctx context.Context, req *atriumpb.HeldRequest) (*atriumpb.HeldReply, error) {
	c, id, err := s.enter(ctx, req.GetFederation())
	if err != nil {
		return nil, err
	}
	header, err := digest(req.GetHeader())
	if err != nil {
		return nil, err
	}
	root, err := digest(req.GetUpdateRoot())
	if err != nil {
		return nil, err
	}
	if _, err := c.SegmentSize(id, header, 0); err != nil {
		return nil, s.wire(err)
	}
	indexes, err := c.Held(ctx, id, header, root)
	reply := &atriumpb.HeldReply{}
	for _, i := range indexes {
		reply.Indexes = append(reply.Indexes, int32(i))
	}
	return reply, s.wire(err)
}

// PutSegment implements the upload of one segment. It reads no more than the header
// implies and stores nothing that is short or long.
func (s *Server) PutSegment(stream grpc.ClientStreamingServer[atriumpb.SegmentChunk, atriumpb.Receipt]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	c, id, err := s.enter(stream.Context(), first.GetFederation())
	if err != nil {
		return err
	}
	says, err := segmentOf(first)
	if err != nil {
		return err
	}
	header, index := says.header, says.index
	size, err := c.SegmentSize(id, header, index)
	if err != nil {
		return s.wire(err)
	}
	if first.GetSize() != int64(size) {
		return s.refuse(stream.Context(), c, id, federation.RoleUpdate,
			fmt.Errorf("segment %d of %d bytes: the header implies %d: %w", index, first.GetSize(), size, coordinator.ErrContent))
	}
	if len(first.GetData()) > size {
		return s.refuse(stream.Context(), c, id, federation.RoleUpdate,
			fmt.Errorf("segment %d is longer than the %d bytes that the header implies: %w", index, size, coordinator.ErrContent))
	}
	place, err := c.Place(stream.Context(), id, size)
	if err != nil {
		return s.wire(err)
	}
	reuse := true
	defer func() { place.Release(reuse) }()
	if err := stream.SendHeader(nil); err != nil { // the hospital waits for it before it sends more
		return err
	}
	var data []byte
	data, reuse, err = receive(stream, append(place.Buffer, first.GetData()...), index, size)
	if errors.Is(err, coordinator.ErrContent) {
		return s.refuse(stream.Context(), c, id, federation.RoleUpdate, err)
	} else if err != nil {
		return err
	}
	if len(data) != size {
		return s.refuse(stream.Context(), c, id, federation.RoleUpdate,
			fmt.Errorf("segment %d of %d bytes: the header implies %d: %w", index, len(data), size, coordinator.ErrContent))
	}
	kept, err := c.PutSegment(stream.Context(), id, header, says.root, index, says.digest, data)
	reuse = !kept
	if err != nil {
		return s.refuse(stream.Context(), c, id, federation.RoleUpdate, err)
	}
	return stream.SendAndClose(&atriumpb.Receipt{})
}

// Submit implements the submission of an update.
func (s *Server) Submit(ctx context.Context, req *atriumpb.SubmitRequest) (*atriumpb.Receipt, error) {
	c, id, err := s.enter(ctx, req.GetFederation())
	if err != nil {
		return nil, err
	}
	return &atriumpb.Receipt{}, s.refuse(ctx, c, id, federation.RoleUpdate, c.SubmitUpdate(ctx, id, req.GetSigned(), req.GetEnvelopes()))
}

// Envelopes implements what a custodian opens.
func (s *Server) Envelopes(req *atriumpb.EnvelopesRequest, stream grpc.ServerStreamingServer[atriumpb.EnvelopeItem]) error {
	c, id, err := s.enter(stream.Context(), req.GetFederation())
	if err != nil {
		return err
	}
	candidate, err := digest(req.GetCandidate())
	if err != nil {
		return err
	}
	return s.wire(c.EnvelopesFor(stream.Context(), id, candidate, func(signed, envelope []byte) error {
		return stream.Send(&atriumpb.EnvelopeItem{Signed: signed, Envelope: envelope})
	}))
}

// SendShares implements what a custodian sends.
func (s *Server) SendShares(ctx context.Context, req *atriumpb.SharesRequest) (*atriumpb.Receipt, error) {
	c, id, err := s.enter(ctx, req.GetFederation())
	if err != nil {
		return nil, err
	}
	return &atriumpb.Receipt{}, s.refuse(ctx, c, id, federation.RoleCustodian, c.SendShares(ctx, id, req.GetSigned(), req.GetShareSums()))
}

// Ciphertext implements the download of what a candidate sums.
func (s *Server) Ciphertext(req *atriumpb.CiphertextRequest, stream grpc.ServerStreamingServer[atriumpb.Chunk]) error {
	c, _, err := s.enter(stream.Context(), req.GetFederation())
	if err != nil {
		return err
	}
	candidate, err := digest(req.GetCandidate())
	if err != nil {
		return err
	}
	name, err := c.CiphertextName(stream.Context(), candidate, federation.HospitalID(req.GetHospital()), int(req.GetIndex()))
	if err != nil {
		return s.wire(err)
	}
	return s.stream(c, name, req.GetOffset(), stream)
}

// Fetch implements the download of a content-addressed object from an offset on.
func (s *Server) Fetch(req *atriumpb.FetchRequest, stream grpc.ServerStreamingServer[atriumpb.Chunk]) error {
	c, _, removed, err := s.farewell(stream.Context(), req.GetFederation())
	if err != nil {
		return err
	}
	if v := c.View(); !v.Leads {
		return notLeader(&coordinator.NotLeader{Leader: v.Leader})
	}
	want, err := digest(req.GetDigest())
	if err != nil {
		return err
	}
	if removed && !c.Shows(want) {
		return s.wire(coordinator.ErrRemoved)
	}
	name := storage.Blob(want)
	if _, err := c.Bucket().Stat(stream.Context(), name); errors.Is(err, storage.ErrNotFound) {
		name = storage.ModelSegment(want)
	}
	return s.stream(c, name, req.GetOffset(), stream)
}

// stream sends an object from an offset on.
func (s *Server) stream(c *coordinator.Coordinator, name string, from int64, stream grpc.ServerStreamingServer[atriumpb.Chunk]) error {
	if from < 0 {
		return status.Errorf(codes.InvalidArgument, "fetch from offset %d", from)
	}
	info, err := c.Bucket().Stat(stream.Context(), name)
	if err != nil {
		return s.wire(err)
	}
	for offset := from; offset < info.Size; offset += chunkBytes {
		data, err := s.read(stream.Context(), c.Bucket(), name, offset)
		if err != nil {
			return s.wire(err)
		}
		if err := stream.Send(&atriumpb.Chunk{Data: data}); err != nil {
			return err
		}
	}
	return nil
}

// read reads a chunk of an object. Only so many are read at one time, because each read
// has a file or a connection open.
func (s *Server) read(ctx context.Context, bucket storage.Bucket, name string, offset int64) ([]byte, error) {
	select {
	case s.fetches <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.fetches }()
	return bucket.Get(ctx, name, offset, chunkBytes)
}

// Recall implements what a hospital whose journal is older than the log asks for.
func (s *Server) Recall(req *atriumpb.RecallRequest, stream grpc.ServerStreamingServer[atriumpb.Message]) error {
	c, id, err := s.enter(stream.Context(), req.GetFederation())
	if err != nil {
		return err
	}
	return s.wire(c.Recall(stream.Context(), id, func(r coordinator.Recalled) error {
		return stream.Send(&atriumpb.Message{Federation: req.GetFederation(), Kind: r.Kind, Signed: r.Signed})
	}))
}

// Status tells a hospital where the federation stands, and its own part.
func (s *Server) Status(ctx context.Context, req *atriumpb.StatusRequest) (*atriumpb.StatusReply, error) {
	c, id, err := s.identify(ctx, req.GetFederation())
	if err != nil {
		return nil, err
	}
	out, err := json.Marshal(c.StatusFor(id))
	return &atriumpb.StatusReply{Json: out}, err
}
