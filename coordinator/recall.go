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
	Kind   string // "send", "burn", "join"; "stood" for what it may have sent for
	Signed []byte // of stood the digests of manifest and candidate
}

// Recall calls send with what a hospital signed and the log names: every Send and Burn in
// order, and each candidate that stood with it ready and no Send of it: it may have sent what
// was lost on the way; then its latest Join in any round. A hospital whose journal is older
// than the log asks for it. It reads the batches of the log again and holds nothing of them.
func (c *Coordinator) Recall(ctx context.Context, from federation.HospitalID, send func(Recalled) error) error {
	v := c.View()
	kinds := map[round.EntryKind]string{round.Send: "send", round.Burn: "burn"}
	stood := standing{from: from, threshold: c.cfg.Charter.Threshold}
	err := c.entries(ctx, func(e round.Entry) error {
		if name := stood.follow(e); name != nil {
			return send(Recalled{"stood", name})
		}
		if kind, ok := kinds[e.Kind]; ok && e.Hospital == from {
			return c.sendSigned(ctx, kind, e.Blob, send)
		}
		return nil
	})
	if name := stood.ends(); err == nil && name != nil {
		err = send(Recalled{"stood", name})
	}
	if err != nil {
		return fmt.Errorf("recall for %s: %w", from, err)
	}
	if join, ok := v.State.LatestJoin(from); ok && !join.Blob.IsZero() {
		return c.sendSigned(ctx, "join", join.Blob, send)
	}
	return nil
}

// standing follows the candidates of a log for a custodian.
type standing struct {
	from                federation.HospitalID
	threshold           int
	manifest, candidate federation.Digest
	ready, sent         bool
	clean               int
}

// follow takes up an entry, and names the candidate of the round before where it may have
// been sent for and the log does not say so.
func (s *standing) follow(e round.Entry) (name []byte) {
	switch {
	case e.Kind == round.Collect:
		name = s.ends()
		*s = standing{from: s.from, threshold: s.threshold, manifest: e.Blob}
	case e.Kind == round.Candidate:
		s.candidate, s.ready, s.clean = e.Blob, false, 0
	case e.Kind == round.Ready && len(e.Hospitals) == 0:
		s.clean++
		s.ready = s.ready || e.Hospital == s.from
	case e.Kind == round.Send && e.Hospital == s.from:
		s.sent = true
	}
	return name
}

func (s *standing) ends() []byte {
	if !s.ready || s.sent || s.clean < s.threshold {
		return nil
	}
	return append(s.manifest[:], s.candidate[:]...)
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
