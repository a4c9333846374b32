package coordinator

import (
	"context"
	"errors"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/privacy/he"
)

// refusals are the errors that say that a hospital sent what an honest one does not. The
// others say that it came too late, or that the coordinator is in trouble itself.
var refusals = []error{ErrContent, ErrBounds, ErrNotYours, round.ErrConflict, federation.ErrMessage, he.ErrWire,
	envelope.ErrSignature, envelope.ErrSigner}

// NoteRefusal makes the log say that something of a connected hospital was refused, and
// why, once a round and role. Errors that are no refusals of content are not noted.
func (c *Coordinator) NoteRefusal(ctx context.Context, from federation.HospitalID, role string, reason error) {
	for _, sentinel := range refusals {
		if !errors.Is(reason, sentinel) {
			continue
		}
		// A hospital that hangs up at once does not escape the note.
		noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
		defer cancel()
		err := c.Submit(noting, round.MessageRefused{Round: c.View().State.Round.Number, Hospital: from, Role: role, Reason: reason.Error()})
		if err != nil {
			c.cfg.Logger.Warn("refusal not logged", "hospital", from, "reason", reason, "error", err)
		}
		return
	}
}

// OldJournal is the refusal of a Join by the hospital's own word: it signed a later one.
type OldJournal struct {
	Later []byte // canonical bytes of the signed Join that is later
	Err   error
}

// Error gives the machine's refusal.
func (o *OldJournal) Error() string { return o.Err.Error() }

// Unwrap returns the machine's refusal, [round.ErrOldJournal].
func (o *OldJournal) Unwrap() error { return o.Err }
