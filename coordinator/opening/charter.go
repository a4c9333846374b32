package opening

import (
	"context"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// Charters follows the charters of a log while it is read. It belongs to one goroutine.
type Charters struct {
	ctx     context.Context
	bucket  storage.Bucket
	inForce federation.Charter
	next    *round.NextEpoch
}

// NewCharters begins with the charter that is in force where reading begins.
func NewCharters(ctx context.Context, b storage.Bucket, inForce federation.Charter) *Charters {
	return &Charters{ctx: ctx, bucket: b, inForce: inForce}
}

// Option tells roundlog by which keys the log is signed, one after the other.
func (c *Charters) Option() roundlog.Option {
	return roundlog.WithSuccession(c.inForce.LogKey, c.successor)
}

// successor verifies the charter with which a batch begins, if it does: the first batch
// of an epoch is signed by the key of its charter. An error names the object that is wrong.
func (c *Charters) successor(b roundlog.Batch) (string, error) {
	e, err := round.DecodeEntry(b.Entries[0])
	if err != nil || e.Kind != round.CharterSet || e.Blob == c.inForce.Digest() {
		return "", nil // whoever applies the entry finds what is wrong with it
	}
	next, err := NextCharter(c.ctx, c.bucket, c.inForce, e.Blob, e.Attachment)
	if err != nil {
		return "", err
	}
	c.next = &next
	return next.Charter.LogKey, nil
}

// Before is the state to apply an entry to: it knows the charter that was verified for
// the entry. A charter anywhere but at the beginning of a batch was not.
func (c *Charters) Before(s round.State, e round.Entry) round.State {
	s.Coming = nil
	if e.Kind == round.CharterSet && c.next != nil && e.Blob == c.next.Charter.Digest() {
		s.Coming, c.inForce, c.next = c.next, c.next.Charter, nil
	}
	return s
}

// NextCharter reads the charter that follows another with all that it rests on, and
// verifies every signature and rule.
func NextCharter(ctx context.Context, b storage.Bucket, before federation.Charter, charter, countersignatures federation.Digest) (round.NextEpoch, error) {
	fail := func(err error) (round.NextEpoch, error) {
		return round.NextEpoch{}, fmt.Errorf("%s: charter of epoch %d: %w", storage.Blob(charter), before.Epoch+1, err)
	}
	after, signed, err := readCharter(ctx, b, charter, countersignatures)
	if err != nil {
		return fail(err)
	}
	closings, err := readClosings(ctx, b, after)
	if err != nil {
		return fail(err)
	}
	inherited, err := envelope.VerifyTransition(before, after, signed, closings)
	if err != nil {
		return fail(err)
	}
	return round.NextEpoch{Charter: after, Inherited: inherited}, nil
}

func readCharter(ctx context.Context, b storage.Bucket, charter, countersignatures federation.Digest) (federation.Charter, federation.Countersignatures, error) {
	var signed federation.Countersignatures
	raw, err := storage.GetBlob(ctx, b, charter, federation.MaxCharterBytes)
	if err != nil {
		return federation.Charter{}, signed, err
	}
	after, err := federation.DecodeCharter(raw)
	if err != nil {
		return after, signed, err
	}
	if raw, err = storage.GetBlob(ctx, b, countersignatures, federation.MaxCharterBytes); err != nil {
		return after, signed, err
	}
	signed, err = federation.Decode[federation.Countersignatures](raw, federation.MaxCharterBytes)
	return after, signed, err
}

// readClosings reads the closing statements that a charter names.
func readClosings(ctx context.Context, b storage.Bucket, after federation.Charter) (closings [][]byte, err error) {
	for _, digest := range after.Closings {
		raw, err := storage.GetBlob(ctx, b, digest, 2*federation.MaxClosingBytes)
		if err != nil {
			return nil, err
		}
		closings = append(closings, raw)
	}
	return closings, nil
}

// Line reads the charters that lead to one, from that of epoch 1 on. Each names the one
// before by digest, so that the last pins them all. That each may follow the one before
// is checked where the log is read.
func Line(ctx context.Context, b storage.Bucket, last federation.Charter) ([]federation.Charter, error) {
	line := []federation.Charter{last}
	for c := last; c.Epoch > 1; {
		raw, err := storage.GetBlob(ctx, b, c.Previous, federation.MaxCharterBytes)
		if err != nil {
			return nil, fmt.Errorf("charter of epoch %d: %w", c.Epoch-1, err)
		}
		before, err := federation.DecodeCharter(raw)
		if err != nil {
			return nil, fmt.Errorf("charter of epoch %d: %w", c.Epoch-1, err)
		}
		if before.Epoch != c.Epoch-1 {
			return nil, fmt.Errorf("charter of epoch %d before epoch %d: %w", before.Epoch, c.Epoch, federation.ErrTransition)
		}
		line, c = append([]federation.Charter{before}, line...), before
	}
	return line, nil
}
