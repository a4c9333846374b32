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

// Recalled is something that a hospital signed, or what a round under way works on.
type Recalled struct {
	Kind   string // "join", "answer", "burn"; "asked"; "manifest" for that of the round under way
	Signed []byte // of a manifest its digest; of asked those of manifest and S
}

// Recall calls send with what a hospital signed and the log names: every Answer and Burn
// in order, and each S that it may have answered, because it acknowledged it, then its latest Join in any round, then the manifest of the round under way.
// A hospital whose journal is older than the log asks for it. It reads the batches of the
// log again and holds nothing of them.
func (c *Coordinator) Recall(ctx context.Context, from federation.HospitalID, send func(Recalled) error) error {
	v := c.View()
	kinds := map[round.EntryKind]string{round.Send: "answer", round.Burn: "burn"}
	var manifest federation.Digest // of the round that the entry belongs to
	acknowledged := false
	err := c.entries(ctx, func(e round.Entry) error {
		switch {
		case e.Kind == round.Collect:
			manifest, acknowledged = e.Blob, false
		case e.Kind == round.Ready && e.Hospital == from:
			acknowledged = true
		case e.Kind == round.Select && acknowledged:
			return send(Recalled{"asked", append(manifest[:], e.Blob[:]...)})
		}
		if kind, ok := kinds[e.Kind]; ok && e.Hospital == from {
			return c.sendSigned(ctx, kind, e.Blob, send)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recall for %s: %w", from, err)
	}
	if join, ok := v.State.LatestJoin(from); ok && !join.Blob.IsZero() {
		if err := c.sendSigned(ctx, "join", join.Blob, send); err != nil {
			return err
		}
	}
	if r := v.State.Round; r.Phase.Running() && !r.Manifest.IsZero() {
		return send(Recalled{"manifest", r.Manifest[:]})
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
