package audit

import (
	"context"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/storage"
)

// checkUpdate checks a submission, counted or discarded, and its ciphertext.
func (c *checker) checkUpdate(ctx context.Context, s step) error {
	m, err := signed[federation.Submission](ctx, c, s)
	if err != nil {
		return err
	}
	if err := federation.CheckSubmission(c.charter, c.now.manifest, m, len(c.now.sizes)); err != nil {
		return s.wrong(err)
	}
	if err := c.plan.CheckBand(c.now.header.Kind, m); err != nil {
		return s.wrong(err)
	}
	if !c.deep {
		return nil
	}
	return c.checkSegments(ctx, s, m)
}

// checkSegments reads a ciphertext. Segments may be gone if the log says, now or later,
// that their round expired; one that is there must be the one that was signed.
func (c *checker) checkSegments(ctx context.Context, s step, m federation.Submission) error {
	for index, size := range c.now.sizes {
		name, err := storage.UpdateSegment(c.now.digest, string(m.Hospital), m.UpdateRoot(), index)
		if err != nil {
			return s.wrong(err)
		}
		what := segmentName(index, m.Hospital, s.entry.Round)
		_, err = c.object(ctx, name, m.Segments[index], int64(size), what)
		if errors.Is(err, storage.ErrNotFound) {
			c.gone = append(c.gone, gone{s.entry.Round, name, what})
			continue
		}
		if err != nil {
			return err
		}
		c.report.Segments++
	}
	return nil
}

// gone is a ciphertext segment that is not there.
type gone struct {
	round        uint64
	object, what string
}

// checkGone: what is gone must be of a round that expired, by the end of the log.
func (c *checker) checkGone() error {
	for _, g := range c.gone {
		if g.round > c.memo.State.Expired {
			return wrong(g.object, g.what, fmt.Errorf("%s: %w, and no entry of the log lets it go", g.object, storage.ErrNotFound))
		}
	}
	c.report.Retired = len(c.gone)
	return nil
}

func segmentName(index int, id federation.HospitalID, number uint64) string {
	return fmt.Sprintf("ciphertext segment %d of %s in round %d", index, id, number)
}
