package client

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator/atriumpb"
)

func TestSentence(t *testing.T) {
	for want, err := range map[string]error{
		"no connection to the coordinator: dial tcp 10.0.0.1:7443: i/o timeout": status.Error(codes.Unavailable,
			`connection error: desc = "transport: Error while dialing: dial tcp 10.0.0.1:7443: i/o timeout"`),
		"no connection to the coordinator: tls: failed to verify certificate": status.Error(codes.Unavailable,
			`connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate"`),
		"the coordinator is not available: coordinator stopped":        status.Error(codes.Unavailable, "coordinator stopped"),
		"the coordinator did not answer in time":                       status.Error(codes.DeadlineExceeded, "context deadline exceeded"),
		"the coordinator refused: TLS key is not in the charter":       status.Error(codes.PermissionDenied, "TLS key is not in the charter"),
		"the coordinator answered: blob abc: object does not exist":    fmt.Errorf("fetch abc: %w", status.Error(codes.NotFound, "blob abc: object does not exist")),
		"the coordinator's messages do not fit together":               ErrDishonest,
		"round 3: header refused: round 0":                             errors.New("round 3: header refused: round 0"),
		"the coordinator refused: join of h-a: signature is not valid": status.Error(codes.InvalidArgument, "join of h-a: signature is not valid"),
	} {
		if got := sentence(err); got != want {
			t.Errorf("%v:\n got %q\nwant %q", err, got, want)
		}
	}
}

// TestRefusalEnds: what status shows as refused stays through its own round, and goes when an
// update of a later one has arrived.
func TestRefusalEnds(t *testing.T) {
	d := &Daemon{status: newDisplay(t.TempDir(), func(err error) { t.Error(err) }), cfg: Config{Logger: slog.New(slog.DiscardHandler)}, link: &link{}}
	defer d.status.close()
	d.refused(&atriumpb.Work{Kind: "update", Round: 10}, errors.New("paused"))
	for _, c := range []struct {
		round uint64
		shown bool
	}{{10, true}, {11, false}} {
		d.served(c.round)
		if got := d.status.get().Refused; (got != "") != c.shown {
			t.Errorf("after an update of round %d: %q", c.round, got)
		}
	}
}
