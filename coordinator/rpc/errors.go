package rpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/privacy/he"
	"atrium/storage"
)

// kinds maps sentinels to the gRPC code that tells a hospital what to do: drop the
// message (FailedPrecondition, InvalidArgument, PermissionDenied), or try again.
var kinds = []struct {
	sentinel error
	code     codes.Code
}{
	{round.ErrStale, codes.FailedPrecondition},
	{round.ErrWrongPhase, codes.FailedPrecondition},
	{round.ErrNotDue, codes.FailedPrecondition},
	{round.ErrMismatch, codes.InvalidArgument},
	{round.ErrConflict, codes.AlreadyExists},
	{round.ErrOldJournal, codes.DataLoss},
	{round.ErrTooMany, codes.ResourceExhausted},
	{round.ErrUnknown, codes.PermissionDenied},
	{round.ErrNotInCohort, codes.PermissionDenied},
	{round.ErrNotCustodian, codes.PermissionDenied},
	{envelope.ErrSignature, codes.Unauthenticated},
	{envelope.ErrSigner, codes.Unauthenticated},
	{coordinator.ErrNotYours, codes.PermissionDenied},
	{coordinator.ErrContent, codes.InvalidArgument},
	{coordinator.ErrBounds, codes.ResourceExhausted},
	{coordinator.ErrAhead, codes.OutOfRange},
	{coordinator.ErrOtherCharter, codes.FailedPrecondition},
	{coordinator.ErrRemoved, codes.PermissionDenied},
	{federation.ErrMessage, codes.InvalidArgument},
	{he.ErrWire, codes.InvalidArgument},
	{storage.ErrDifferent, codes.AlreadyExists},
	{coordinator.ErrStopped, codes.Unavailable},
	{coordinator.ErrUnavailable, codes.Unavailable},
	{storage.ErrNotFound, codes.NotFound},
	{context.Canceled, codes.Canceled},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
}

// refuse is wire for what a hospital sent; the log says what was refused and why.
func (s *Server) refuse(ctx context.Context, c *coordinator.Coordinator, id federation.HospitalID, role string, err error) error {
	if err == nil {
		return nil
	}
	c.NoteRefusal(ctx, id, role, err)
	return s.wire(err)
}

// notLeader tells a hospital to ask another coordinator, and which if that is known.
func notLeader(err *coordinator.NotLeader) error {
	st, failed := status.New(codes.Unavailable, err.Error()).WithDetails(&atriumpb.NotLeader{Addresses: err.Leader})
	if failed != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	return st.Err()
}

// withProof adds the hospital's own signed word where that is the reason.
func withProof(st *status.Status, err error) error {
	var old *coordinator.OldJournal
	if !errors.As(err, &old) {
		return st.Err()
	}
	with, failed := st.WithDetails(&atriumpb.Message{Kind: "join", Signed: old.Later})
	if failed != nil {
		return st.Err()
	}
	return with.Err()
}

// wire turns an error into one with a code. What has no kind is the coordinator's own
// trouble: the hospital is told to try again, the details stay in the log.
func (s *Server) wire(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	if errors.Is(err, coordinator.ErrBusy) {
		return busy(err)
	}
	var elsewhere *coordinator.NotLeader
	if errors.As(err, &elsewhere) {
		return notLeader(elsewhere)
	}
	for _, k := range kinds {
		if errors.Is(err, k.sentinel) {
			return withProof(status.New(k.code, err.Error()), err)
		}
	}
	s.logger.Error("request", "error", err)
	return status.Error(codes.Unavailable, "the coordinator could not do this now; its log says why")
}
