package audit

import (
	"context"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/privacy/shamir"
	"atrium/storage"
)

// checkAnswer checks an answer to the round under way or, late, to an abandoned one:
// that it is about the S of its manifest, under a checkpoint that has S in it.
func (c *checker) checkAnswer(ctx context.Context, s step) error {
	a, err := signed[federation.Send](ctx, c, s)
	if err != nil {
		return err
	}
	q := c.asked[a.Manifest]
	_, custodian := c.charter.Point(a.Custodian)
	at, known := attempt(s, a.Manifest)
	switch {
	case a.Manifest != s.entry.Manifest:
		return s.contrary("it names manifest %s, not %s", a.Manifest.Short(), s.entry.Manifest.Short())
	case !known || q.selected.IsZero() || q.round != s.entry.Round:
		return s.contrary("nobody was asked to answer under manifest %s", a.Manifest.Short())
	case !custodian:
		return s.contrary("%s is no custodian", a.Custodian)
	case a.Submitters != q.selected:
		return s.contrary("it answers S %s, not %s", a.Submitters.Short(), q.selected.Short())
	case a.Checkpoint.Size <= q.index || a.Checkpoint.Size > s.index:
		return s.contrary("its checkpoint of size %d is not between S, entry %d, and itself", a.Checkpoint.Size, q.index)
	case len(a.ShareSums) != len(q.dropped):
		return s.contrary("%d share sums for %d groups", len(a.ShareSums), len(q.dropped))
	}
	for _, burn := range at.Burns {
		if burn.Hospital == a.Custodian {
			c.note("%s answered under manifest %s of round %d, which it had burned", c.nameOf(a.Custodian), a.Manifest.Short(), q.round)
		}
	}
	for g, digest := range a.ShareSums {
		if err := c.checkShareSum(ctx, s, q, g, digest); err != nil {
			return err
		}
	}
	return c.cosigned(s, a.Custodian, a.Checkpoint, a.Cosignature)
}

func (c *checker) checkShareSum(ctx context.Context, s step, q asked, group int, digest federation.Digest) error {
	if digest.IsZero() != q.dropped[group] {
		return s.contrary("share sum of group %d: there is one for each group of S", group)
	}
	if digest.IsZero() {
		return nil
	}
	what := fmt.Sprintf("share sum of %s for group %d in round %d", s.entry.Hospital, group, q.round)
	raw, err := c.blob(ctx, digest, int64(shamir.EncodedSize(q.degree)), what)
	if err != nil {
		return err
	}
	if _, err := shamir.Unmarshal(raw, q.degree); err != nil {
		return wrong(storage.Blob(digest), what, err)
	}
	return nil
}

// checkBurn checks a promise never to answer under an abandoned manifest. One that its
// custodian broke says something about the custodian, not about the log.
func (c *checker) checkBurn(ctx context.Context, s step) error {
	b, err := signed[federation.Burn](ctx, c, s)
	if err != nil {
		return err
	}
	a, known := attempt(s, b.Manifest)
	switch {
	case b.Manifest != s.entry.Manifest:
		return s.contrary("it names manifest %s, not %s", b.Manifest.Short(), s.entry.Manifest.Short())
	case !known || !a.Abandoned || a.Round != s.entry.Round:
		return s.contrary("manifest %s is not of an abandoned round", b.Manifest.Short())
	case slices.Contains(a.Answered, b.Custodian):
		c.note("%s burned manifest %s of round %d, which it had answered", c.nameOf(b.Custodian), b.Manifest.Short(), a.Round)
	}
	return nil
}

// nameOf is how people know a hospital: its name where the charter shows it.
func (h *history) nameOf(id federation.HospitalID) string {
	if m, ok := h.charter.Member(id); ok && m.Name != "" {
		return m.Name
	}
	return string(id)
}
