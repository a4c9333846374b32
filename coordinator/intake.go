package coordinator

import (
	"context"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// Refusals of what a hospital sends, besides the machine's.
var (
	ErrNotYours = errors.New("signed by another hospital than the one that is connected")
	ErrContent  = errors.New("content is not what was signed")
	ErrBounds   = errors.New("size or number is out of bounds")
)

// received verifies a signed message from the hospital that is connected.
func received[T envelope.Message](ctx context.Context, c *Coordinator, from federation.HospitalID, blob []byte) (T, federation.Digest, error) {
	var zero T
	m, digest, err := envelope.DecodeMessage[T](c.cfg.Charter, blob)
	switch {
	case errors.Is(err, envelope.ErrSignature), errors.Is(err, envelope.ErrSigner):
		return zero, digest, err
	case err != nil:
		return zero, digest, fmt.Errorf("message from %s: %w: %w", from, ErrContent, err)
	case m.From() != from:
		return zero, digest, fmt.Errorf("message of %s from %s: %w", m.From(), from, ErrNotYours)
	}
	return m, digest, nil
}

func (c *Coordinator) keep(ctx context.Context, blob []byte) error {
	_, err := storage.PutBlob(ctx, c.cfg.Bucket, blob)
	return err
}

// Join takes a signed Join for the round that gathers.
func (c *Coordinator) Join(ctx context.Context, from federation.HospitalID, blob []byte) error {
	join, digest, err := received[federation.Join](ctx, c, from, blob)
	if err != nil {
		return err
	}
	if len(join.Key) > 0 {
		if err := envelope.CheckPublic(join.Key); err != nil {
			return fmt.Errorf("join of %s: %w: %w", from, ErrContent, err)
		}
	}
	v := c.View()
	if join.Header != v.State.Round.Header {
		return fmt.Errorf("join of %s: %w", from, round.ErrStale)
	}
	member, _ := c.cfg.Charter.Member(from)
	if _, err := roundlog.VerifyCosignature(v.HeaderCheckpoint, []byte(join.Cosignature), string(from), member.IdentityKey); err != nil {
		return fmt.Errorf("join of %s: %w: %w", from, ErrContent, err)
	}
	if err := c.keep(ctx, blob); err != nil {
		return err
	}
	err = c.Submit(ctx, round.JoinVerified{VerifiedJoin: federation.VerifiedJoin{Join: join, Blob: digest}})
	if !errors.Is(err, round.ErrOldJournal) {
		return err
	}
	latest, _ := c.View().State.LatestJoin(from)
	later, failed := storage.GetBlob(ctx, c.cfg.Bucket, latest.Blob, federation.MaxMessageBytes)
	if failed != nil {
		return errors.Join(err, failed)
	}
	return &OldJournal{Later: later, Err: err}
}

// Decline takes a signed Decline.
func (c *Coordinator) Decline(ctx context.Context, from federation.HospitalID, blob []byte) error {
	d, digest, err := received[federation.Decline](ctx, c, from, blob)
	if err != nil {
		return err
	}
	if err := c.keep(ctx, blob); err != nil {
		return err
	}
	return c.Submit(ctx, round.DeclineVerified{Decline: d, Blob: digest})
}

// Acknowledge takes a signed Acknowledgement of the candidate.
func (c *Coordinator) Acknowledge(ctx context.Context, from federation.HospitalID, blob []byte) error {
	a, digest, err := received[federation.Ready](ctx, c, from, blob)
	if err != nil {
		return err
	}
	if err := c.keep(ctx, blob); err != nil {
		return err
	}
	return c.Submit(ctx, round.ReadyVerified{Acknowledgement: a, Blob: digest})
}

// Burn takes a signed Burn of an abandoned manifest.
func (c *Coordinator) Burn(ctx context.Context, from federation.HospitalID, blob []byte) error {
	b, digest, err := received[federation.Burn](ctx, c, from, blob)
	if err != nil {
		return err
	}
	if err := c.keep(ctx, blob); err != nil {
		return err
	}
	return c.Submit(ctx, round.BurnVerified{Burn: b, Blob: digest})
}

// Answer takes a signed Answer with its share sums, one a group.
func (c *Coordinator) Answer(ctx context.Context, from federation.HospitalID, blob []byte, shareSums [][]byte) error {
	a, digest, err := received[federation.Send](ctx, c, from, blob)
	if err != nil {
		return err
	}
	if err := c.checkAnswer(ctx, a, shareSums); err != nil {
		return err
	}
	if err := c.verifyAnswerCosignature(ctx, a); err != nil {
		return err
	}
	for _, sum := range shareSums {
		if len(sum) > 0 {
			if err := c.keep(ctx, sum); err != nil {
				return err
			}
		}
	}
	if err := c.keep(ctx, blob); err != nil {
		return err
	}
	return c.Submit(ctx, round.SendVerified{Answer: a, Blob: digest})
}

// checkAnswer refuses an answer that was not asked for, and one that nothing could be done
// with: share sums that are not those it names, not one a group of S, or malformed.
func (c *Coordinator) checkAnswer(ctx context.Context, a federation.Send, shareSums [][]byte) error {
	asked, ok := c.View().Asked[a.Manifest]
	if !ok || a.Submitters != asked.Submitters {
		return fmt.Errorf("answer of %s for S %s under manifest %s: %w", a.Custodian, a.Submitters.Short(), a.Manifest.Short(), round.ErrStale)
	}
	refuse := func(what string, args ...any) error {
		return fmt.Errorf("answer of %s: %s: %w", a.Custodian, fmt.Sprintf(what, args...), ErrContent)
	}
	switch {
	case a.Checkpoint.Size <= asked.Index:
		return refuse("its checkpoint of size %d is from before entry %d, which names S", a.Checkpoint.Size, asked.Index)
	case len(a.ShareSums) != len(asked.Kept) || len(shareSums) != len(asked.Kept):
		return refuse("%d share sums with %d digests for %d groups", len(shareSums), len(a.ShareSums), len(asked.Kept))
	}
	header, err := opening.Header(ctx, c.cfg.Bucket, asked.Header)
	if err != nil {
		return err
	}
	for g, sum := range shareSums {
		switch digest := a.ShareSums[g]; {
		case digest.IsZero() == asked.Kept[g] || (len(sum) > 0) != asked.Kept[g]:
			return refuse("share sum of group %d: there is one for each group of S", g)
		case len(sum) == 0:
			continue
		case federation.Sum(sum) != digest:
			return refuse("share sum of group %d is not the one that was signed", g)
		}
		if _, err := shamir.Unmarshal(sum, 1<<header.Ring.LogN); err != nil {
			return refuse("share sum of group %d: %v", g, err)
		}
	}
	return nil
}

// verifyAnswerCosignature checks an answer's cosignature against the log: the auditor
// will, and one that is wrong would make every later audit stop at it.
func (c *Coordinator) verifyAnswerCosignature(ctx context.Context, a federation.Send) error {
	var root roundlog.Hash
	var failed error
	if err := c.onLoop(ctx, func() { root, failed = c.log.RootAt(ctx, a.Checkpoint.Size) }); err != nil {
		return err
	}
	if failed != nil || federation.Digest(root) != a.Checkpoint.Root {
		return fmt.Errorf("answer of %s: checkpoint of size %d is not this log's: %w", a.Custodian, a.Checkpoint.Size, errors.Join(ErrContent, failed))
	}
	member, _ := c.cfg.Charter.Member(a.Custodian)
	checkpoint := roundlog.Checkpoint{Origin: c.cfg.Key.Name(), Size: a.Checkpoint.Size, Root: root}
	if _, err := checkpoint.VerifyCosignature([]byte(a.Cosignature), string(a.Custodian), member.IdentityKey); err != nil {
		return fmt.Errorf("answer of %s: %w: %w", a.Custodian, ErrContent, err)
	}
	return nil
}

// verifiedManifest reads the manifest of the round under way; the last one is kept.
func (c *Coordinator) verifiedManifest(ctx context.Context, digest federation.Digest) (federation.VerifiedManifest, error) {
	if m := c.manifestCache.Load(); m != nil && m.Digest == digest {
		return *m, nil
	}
	raw, err := storage.GetBlob(ctx, c.cfg.Bucket, digest, federation.MaxManifestBytes)
	if err != nil {
		return federation.VerifiedManifest{}, err
	}
	m, err := envelope.OpenManifest(c.cfg.Charter, raw)
	if err != nil {
		return m, err
	}
	c.manifestCache.Store(&m)
	return m, nil
}
