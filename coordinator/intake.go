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
	if err := v.Plan.CheckLacks(join.Lacks); err != nil {
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

// Ready takes a signed Ready for the candidate.
func (c *Coordinator) Ready(ctx context.Context, from federation.HospitalID, blob []byte) error {
	r, digest, err := received[federation.Ready](ctx, c, from, blob)
	if err != nil {
		return err
	}
	v := c.View()
	if r.Candidate != v.State.Round.Candidate {
		return fmt.Errorf("ready of %s: %w", from, round.ErrStale)
	}
	h, err := federation.DecodeHeader(v.Header)
	if err != nil {
		return err
	}
	if r.Asks != federation.AsksDigest(h.Questions, federation.SetDigest(v.State.Round.S)) {
		return fmt.Errorf("ready of %s: it is for other questions or another set: %w", from, ErrContent)
	}
	if r.Checkpoint.Size <= v.CandidateIndex {
		return fmt.Errorf("ready of %s: its checkpoint of size %d is from before entry %d, which names the candidate: %w", from, r.Checkpoint.Size, v.CandidateIndex, ErrContent)
	}
	if err := c.verifyCosignature(ctx, from, r.Checkpoint, r.Cosignature); err != nil {
		return err
	}
	if err := c.keep(ctx, blob); err != nil {
		return err
	}
	return c.Submit(ctx, round.ReadyVerified{Ready: r, Blob: digest})
}

// Vouch takes a submitter's signed fingerprint. Whether the sum of all of them is that of C
// is for custodians to find out.
func (c *Coordinator) Vouch(ctx context.Context, from federation.HospitalID, blob []byte) error {
	m, digest, err := received[federation.Vouch](ctx, c, from, blob)
	if err != nil {
		return err
	}
	v := c.View()
	h, err := federation.DecodeHeader(v.Header)
	if err != nil {
		return err
	}
	params, err := opening.Parameters(h.Ring)
	if err != nil {
		return err
	}
	if len(m.Fingerprint) != params.FingerprintBytes() || m.Checkpoint.Size != v.CandidateIndex+1 {
		return fmt.Errorf("vouch of %s: fingerprint of %d bytes at size %d: %w", from, len(m.Fingerprint), m.Checkpoint.Size, ErrContent)
	}
	if err := c.keep(ctx, blob); err != nil {
		return err
	}
	return c.Submit(ctx, round.VouchVerified{Vouch: m, Blob: digest})
}

// Derived takes a custodian's signed word on what followed from the last opened candidate.
func (c *Coordinator) Derived(ctx context.Context, from federation.HospitalID, blob []byte) error {
	d, digest, err := received[federation.Derived](ctx, c, from, blob)
	if err != nil {
		return err
	}
	if err := c.keep(ctx, blob); err != nil {
		return err
	}
	return c.Submit(ctx, round.DerivedVerified{Derived: d, Blob: digest})
}

// Burn takes a signed Burn of the manifest under way.
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

// SendShares takes a signed Send with its share sums, one a group.
func (c *Coordinator) SendShares(ctx context.Context, from federation.HospitalID, blob []byte, shareSums [][]byte) error {
	m, digest, err := received[federation.Send](ctx, c, from, blob)
	if err != nil {
		return err
	}
	if err := c.checkShares(m, shareSums); err != nil {
		return err
	}
	if err := c.verifyCosignature(ctx, from, m.Checkpoint, m.Cosignature); err != nil {
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
	return c.Submit(ctx, round.SendVerified{Send: m, Blob: digest})
}

// checkShares refuses share sums that were not asked for, and those that nothing could be
// done with: not those that the message names, not one a group of S, or malformed.
func (c *Coordinator) checkShares(m federation.Send, shareSums [][]byte) error {
	v := c.View()
	r := v.State.Round
	if m.Candidate != r.Candidate || r.Candidate.IsZero() || m.Manifest != r.Manifest || !v.State.Stands() {
		return fmt.Errorf("send of %s for candidate %s: %w", m.Custodian, m.Candidate.Short(), round.ErrStale)
	}
	refuse := func(what string, args ...any) error {
		return fmt.Errorf("send of %s: %s: %w", m.Custodian, fmt.Sprintf(what, args...), ErrContent)
	}
	switch {
	case m.Checkpoint.Size <= v.ReadyIndex:
		return refuse("its checkpoint of size %d is from before entry %d, with which custodians were ready", m.Checkpoint.Size, v.ReadyIndex)
	case len(m.ShareSums) != len(r.S) || len(shareSums) != len(r.S):
		return refuse("%d share sums with %d digests for %d groups", len(shareSums), len(m.ShareSums), len(r.S))
	}
	header, err := federation.DecodeHeader(v.Header)
	if err != nil {
		return err
	}
	for g, sum := range shareSums {
		summed := len(r.S[g]) > 0
		switch digest := m.ShareSums[g]; {
		case digest.IsZero() == summed || (len(sum) > 0) != summed:
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

// verifyCosignature checks a custodian's cosignature against the log: the auditor will, and
// one that is wrong would make every later audit stop at it.
func (c *Coordinator) verifyCosignature(ctx context.Context, id federation.HospitalID, head federation.TreeHead, line string) error {
	var root roundlog.Hash
	var failed error
	if err := c.onLoop(ctx, func() { root, failed = c.log.RootAt(ctx, head.Size) }); err != nil {
		return err
	}
	if failed != nil || federation.Digest(root) != head.Root {
		return fmt.Errorf("message of %s: checkpoint of size %d is not this log's: %w", id, head.Size, errors.Join(ErrContent, failed))
	}
	member, _ := c.cfg.Charter.Member(id)
	checkpoint := roundlog.Checkpoint{Origin: c.cfg.Key.Name(), Size: head.Size, Root: root}
	if _, err := checkpoint.VerifyCosignature([]byte(line), string(id), member.IdentityKey); err != nil {
		return fmt.Errorf("message of %s: %w: %w", id, ErrContent, err)
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
