package rpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
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
	{round.ErrUnknown, codes.PermissionDenied},
	{round.ErrNotInCohort, codes.PermissionDenied},
	{round.ErrNotCustodian, codes.PermissionDenied},
	{envelope.ErrSignature, codes.Unauthenticated},
	{envelope.ErrSigner, codes.Unauthenticated},
	{coordinator.ErrNotYours, codes.PermissionDenied},
	{coordinator.ErrContent, codes.InvalidArgument},
	{coordinator.ErrBounds, codes.ResourceExhausted},
	{coordinator.ErrStopped, codes.Unavailable},
	{storage.ErrNotFound, codes.NotFound},
	{context.Canceled, codes.Canceled},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
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
	for _, k := range kinds {
		if errors.Is(err, k.sentinel) {
			return status.Error(k.code, err.Error())
		}
	}
	s.logger.Error("request", "error", err)
	return status.Error(codes.Unavailable, "the coordinator could not do this now; its log says why")
}
