package coordinator

import (
	"context"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// Recalled is something that a hospital signed.
type Recalled struct {
	Kind   string // "send", "burn", "join"
	Signed []byte
}

// Recall calls send with what a hospital signed and the log names: every Send and Burn in
// order, then its latest Join in any round. A hospital whose journal is older than the log
// asks for it. It reads the batches of the log again and holds nothing of them.
func (c *Coordinator) Recall(ctx context.Context, from federation.HospitalID, send func(Recalled) error) error {
	v := c.View()
	kinds := map[round.EntryKind]string{round.Send: "send", round.Burn: "burn"}
	err := c.entries(ctx, func(e round.Entry) error {
		if kind, ok := kinds[e.Kind]; ok && e.Hospital == from {
			return c.sendSigned(ctx, kind, e.Blob, send)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recall for %s: %w", from, err)
	}
	if join, ok := v.State.LatestJoin(from); ok && !join.Blob.IsZero() {
		return c.sendSigned(ctx, "join", join.Blob, send)
	}
	return nil
}

func (c *Coordinator) sendSigned(ctx context.Context, kind string, digest federation.Digest, send func(Recalled) error) error {
	signed, err := storage.GetBlob(ctx, c.cfg.Bucket, digest, federation.MaxMessageBytes)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return send(Recalled{kind, signed})
}

// entries shows every entry to fn, from this coordinator's own batches,
// which it verified when it took them up.
func (c *Coordinator) entries(ctx context.Context, fn func(round.Entry) error) error {
	for n := int64(0); ; n++ {
		raw, err := storage.GetAtMost(ctx, c.cfg.Bucket, storage.Batch(n), roundlog.MaxBatchBytes)
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := roundlog.UnverifiedBatch(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", storage.Batch(n), err)
		}
		for i, raw := range b.Entries {
			e, err := round.DecodeEntry(raw)
			if err == nil {
				err = fn(e)
			}
			if err != nil {
				return fmt.Errorf("entry %d: %w", b.Size+int64(i), err)
			}
		}
	}
}
