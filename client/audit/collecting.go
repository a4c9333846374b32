package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
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

// checkCandidate: every acknowledged update is in the candidate, by the submission that
// was acknowledged, unless its group is too small.
func (c *checker) checkCandidate(ctx context.Context, s step) error {
	list, err := c.submitters(ctx, s)
	if err != nil {
		return err
	}
	r := s.before.Round
	want := make([][]federation.HospitalID, len(r.Cohort))
	for g, group := range r.Cohort {
		for _, id := range group {
			if _, ok := r.Update(id); ok {
				want[g] = append(want[g], id)
			}
		}
		if len(want[g]) < c.charter.MinCohort {
			want[g] = nil
		}
	}
	return checkSet(s, list, want, "acknowledged updates")
}

// submitters reads a candidate or S and checks it as a custodian does.
func (c *checker) submitters(ctx context.Context, s step) (federation.Submitters, error) {
	raw, err := c.blob(ctx, s.entry.Blob, federation.MaxManifestBytes, s.name())
	if err != nil {
		return federation.Submitters{}, err
	}
	list, err := federation.DecodeSubmitters(raw)
	if err == nil {
		err = federation.CheckSubmitters(c.charter, c.now.manifest, list)
	}
	if err != nil {
		return list, s.wrong(err)
	}
	for _, group := range list.Groups {
		for _, m := range group {
			if blob, ok := s.before.Round.Update(m.Hospital); !ok || blob != m.Submission {
				return list, s.contrary("submission %s of %s was not acknowledged", m.Submission.Short(), m.Hospital)
			}
		}
	}
	return list, nil
}

// checkSet compares a list of submitters with the hospitals that must be on it.
func checkSet(s step, list federation.Submitters, want [][]federation.HospitalID, source string) error {
	for g, have := range list.Set() {
		for _, id := range want[g] {
			if !slices.Contains(have, id) {
				return s.contrary("it leaves out %s, which is among the %s", id, source)
			}
		}
		for _, id := range have {
			if !slices.Contains(want[g], id) {
				return s.contrary("it has %s, which is not among the %s", id, source)
			}
		}
	}
	return nil
}

func (c *checker) checkAcknowledge(ctx context.Context, s step) error {
	a, err := signed[federation.Acknowledgement](ctx, c, s)
	if err != nil {
		return err
	}
	switch r := s.before.Round; {
	case a.Manifest != r.Manifest:
		return s.contrary("it names manifest %s, not %s", a.Manifest.Short(), r.Manifest.Short())
	case a.Candidate != r.Candidate:
		return s.contrary("it names candidate %s, not %s", a.Candidate.Short(), r.Candidate.Short())
	case !slices.Equal(a.Unreadable, s.entry.Hospitals):
		return s.contrary("the entry has other complaints")
	}
	return nil
}

// checkSelect: S is what the machine chose from the acknowledgements.
func (c *checker) checkSelect(ctx context.Context, s step) error {
	list, err := c.submitters(ctx, s)
	if err != nil {
		return err
	}
	if err := checkSet(s, list, s.after.Round.S, "submitters that follow from the acknowledgements"); err != nil {
		return err
	}
	q := c.asked[s.before.Round.Manifest]
	q.selected, q.index = s.entry.Blob, s.index
	for _, group := range list.Groups {
		q.dropped = append(q.dropped, len(group) == 0)
	}
	c.asked[s.before.Round.Manifest] = q
	return nil
}

// attempt returns the attempt on a manifest that a late message may still be about.
func attempt(s step, manifest federation.Digest) (round.Attempt, bool) {
	i := slices.IndexFunc(s.before.Attempts, func(a round.Attempt) bool { return a.Manifest == manifest })
	if i < 0 {
		return round.Attempt{}, false
	}
	return s.before.Attempts[i], true
}
