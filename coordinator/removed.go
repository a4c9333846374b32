package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage"
)

// ErrRemoved: the charter in force does not name the hospital, and the one before did. All
// that it is given is what shows it that.
var ErrRemoved = errors.New("the charter in force does not name this hospital any more")

// readRemoved lists the hospitals of the charter before that the one in force has not.
func readRemoved(ctx context.Context, b storage.Bucket, inForce federation.Charter) ([]federation.Member, error) {
	if inForce.Epoch == 1 {
		return nil, nil
	}
	raw, err := storage.GetBlob(ctx, b, inForce.Previous, federation.MaxCharterBytes)
	if err != nil {
		return nil, fmt.Errorf("charter of epoch %d: %w", inForce.Epoch-1, err)
	}
	before, err := federation.DecodeCharter(raw)
	if err != nil {
		return nil, fmt.Errorf("charter of epoch %d: %w", inForce.Epoch-1, err)
	}
	var list []federation.Member
	for _, m := range before.Members {
		if _, ok := inForce.Member(m.ID); !ok {
			list = append(list, m)
		}
	}
	return list, nil
}

// Removed lists the hospitals that the charter in force removed.
func (c *Coordinator) Removed() []federation.Member { return c.removed }

// FarewellFor is WorkFor a hospital that was removed: it is shown the charter, while it
// follows the one before, and nothing else ever.
func (c *Coordinator) FarewellFor(ctx context.Context, v *View, id federation.HospitalID, p Poll) (w Work, ok bool, err error) {
	if p.Charter != v.State.Charter.Previous {
		return Work{}, false, ErrRemoved
	}
	return c.WorkFor(ctx, v, id, p)
}

// Shows reports whether an object is one of those on which the charter in force rests: what a
// hospital that was removed may fetch.
func (c *Coordinator) Shows(digest federation.Digest) bool {
	v := c.View()
	e, err := round.DecodeEntry(v.CharterEntry)
	if err != nil {
		return false
	}
	return digest == e.Blob || digest == e.Attachment || slices.Contains(v.State.Charter.Closings, digest)
}
