package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// refused records that a task was not done and why, for the log and for `atrium hospital
// status`, where it stays until the next one or until an update of a later round has arrived.
func (d *Daemon) refused(w *atriumpb.Work, err error) {
	d.cfg.Logger.Warn("task", "task", w.GetKind(), "round", w.GetRound(), "error", err)
	if grpcStatus(err) == nil { // ours, not the coordinator's
		text := fmt.Sprintf("%s of round %d at %s: %s", w.GetKind(), w.GetRound(), federation.FormatTime(time.Now()), err)
		d.refusal = w.GetRound()
		d.status.change(noteEvery, func(s *Status) { s.Refused = text })
	}
	d.trouble(w.GetKind(), w.GetRound(), err)
}

// served forgets the refusal of an earlier round: an update of this one has arrived.
func (d *Daemon) served(round uint64) {
	if round > d.refusal {
		d.status.change(noteEvery, func(s *Status) { s.Refused = "" })
	}
}

// sentence tells a person what is wrong, without the words of the transport.
func sentence(err error) string {
	s := grpcStatus(err)
	if s == nil {
		return err.Error()
	}
	switch s.Code() {
	case codes.Unavailable:
		if _, cause, ok := strings.Cut(s.Message(), `desc = "`); ok {
			cause = strings.TrimSuffix(cause, `"`)
			for _, noise := range []string{"transport: ", "Error while dialing: ", "authentication handshake failed: "} {
				cause = strings.TrimPrefix(cause, noise)
			}
			return "no connection to the coordinator: " + cause
		}
		return "the coordinator is not available: " + s.Message()
	case codes.DeadlineExceeded:
		return "the coordinator did not answer in time"
	case codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.FailedPrecondition, codes.AlreadyExists:
		return "the coordinator refused: " + s.Message()
	}
	return "the coordinator answered: " + s.Message()
}

// grpcStatus is what the coordinator or the transport answered, or nil.
func grpcStatus(err error) *status.Status {
	var carrier interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &carrier) {
		return nil
	}
	return carrier.GRPCStatus()
}
