package client

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
)

// ErrFrozen: this hospital signed something that its journal does not know. The journal
// was restored from a backup, or another daemon runs with this identity; a custodian that
// forgot what it answered could answer it differently, so it does nothing any more.
var ErrFrozen = errors.New("frozen: this hospital signed what its journal does not know (restored from a backup, or run twice?): end any second daemon, then run: atrium hospital recover")

// FrozenFile in the state directory holds the reason and keeps the daemon from starting.
const FrozenFile = "frozen"

// Frozen is why a state directory is frozen, and "" where it is not.
func Frozen(dir string) (reason string, err error) {
	b, err := os.ReadFile(filepath.Join(dir, FrozenFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	if text := strings.TrimSpace(string(b)); text != "" {
		return text, nil
	}
	return "no reason is given", nil
}

// checkFrozen refuses a state directory that was frozen.
func checkFrozen(dir string) error {
	reason, err := Frozen(dir)
	if reason == "" || err != nil {
		return err
	}
	return fmt.Errorf("%w: %s: %s", ErrFrozen, filepath.Join(dir, FrozenFile), reason)
}

// freeze ends the daemon for good if the refusal of its Join proves, by this hospital's own
// signature, that a later Join exists, or another one with the number of the Join that
// this run just signed. On the coordinator's word alone nothing is frozen, nor by a Join
// of a run before, which every manifest shows around.
func (d *Daemon) freeze(refusal error) error {
	st := status.Convert(refusal)
	if st.Code() != codes.DataLoss {
		return nil
	}
	for _, detail := range st.Details() {
		proof, ok := detail.(*atriumpb.Message)
		if !ok || bytes.Equal(proof.GetSigned(), d.live.join) {
			continue
		}
		join, _, err := envelope.DecodeMessage[federation.Join](d.cfg.Charter, proof.GetSigned())
		clone := join.Counter == d.state.Counter && d.live.join != nil
		if err != nil || join.Hospital != d.self || join.Counter <= d.state.Counter && !clone {
			continue
		}
		reason := fmt.Sprintf("join %d was signed by this hospital, the journal is at join %d", join.Counter, d.state.Counter)
		if err := Freeze(d.cfg.State, reason); err != nil {
			return fatal{err}
		}
		d.trouble(doingFrozen, 0, ErrFrozen)
		return fatal{fmt.Errorf("%w: %s", ErrFrozen, reason)}
	}
	return nil
}
