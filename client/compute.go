package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"atrium/aggregation"
	"atrium/client/dataset"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// compute returns the vector that this hospital contributes, in the layout of the
// header's format.
func (d *Daemon) compute(ctx context.Context, h federation.Header) ([]float64, error) {
	switch h.Kind {
	case federation.Statistics:
		return dataset.Sums(d.train, d.cfg.Plan, d.cfg.Plan.Privacy.WeightCap), nil
	case federation.Evaluate:
		return d.computeScores(ctx, h)
	}
	return d.computeDelta(ctx, h)
}

// base downloads the snapshot that a header names, and refuses one whose parameters
// are not those of the question.
func (d *Daemon) base(ctx context.Context, digest, parameters federation.Digest) ([]float32, aggregation.Normalisation, error) {
	raw, err := d.link.fetch(ctx, digest, models.MaxSnapshotBytes)
	if err != nil {
		return nil, aggregation.Normalisation{}, err
	}
	s, err := models.Decode(raw)
	if err != nil {
		return nil, aggregation.Normalisation{}, err
	}
	if got := models.ParametersDigest(s); !parameters.IsZero() && got != parameters {
		return nil, aggregation.Normalisation{}, fmt.Errorf("snapshot %s has parameters %s, not %s: %w",
			digest.Short(), got.Short(), parameters.Short(), federation.ErrHeader)
	}
	return models.OfPlan(d.cfg.Plan, s)
}

// checkBase verifies the base of a header before this hospital joins.
func (d *Daemon) checkBase(ctx context.Context, h federation.Header) error {
	if h.Base.IsZero() {
		return nil
	}
	_, _, err := d.base(ctx, h.Base, h.Parameters)
	return err
}

// computeDelta trains locally and returns weight/cap times the clipped change of each
// parameter, the weight, and how many coordinates met the clip.
func (d *Daemon) computeDelta(ctx context.Context, h federation.Header) ([]float64, error) {
	plan := d.cfg.Plan
	params, norm, err := d.base(ctx, h.Base, h.Parameters)
	if err != nil {
		return nil, err
	}
	x, y, err := d.train.Inputs(norm)
	if err != nil {
		return nil, err
	}
	seed, err := d.seed("order", h)
	if err != nil {
		return nil, err
	}
	delta, loss, err := d.trainer.Train(ctx, params, x, y, d.train.Rows, plan.Local, binary.LittleEndian.Uint64(seed[:8]))
	if err != nil {
		return nil, err
	}
	weight := dataset.Weight(d.train.Rows, plan.Privacy.WeightCap)
	share := float64(weight) / float64(plan.Privacy.WeightCap)
	vector := make([]float64, 0, len(delta)+2)
	saturated := 0
	for _, v := range delta {
		clipped := max(-plan.Privacy.Clip, min(plan.Privacy.Clip, float64(v)))
		if math.Abs(float64(v)) > plan.Privacy.Clip {
			saturated++
		}
		vector = append(vector, share*clipped)
	}
	d.cfg.Logger.Debug("trained", "round", h.Round, "loss", loss, "saturated", saturated)
	limit := int(h.Format.Bits)
	return append(vector, float64(weight), float64(min(saturated, 1<<limit-1))), nil
}

// computeScores scores the test records with the base and returns confusion counts and
// score histograms.
func (d *Daemon) computeScores(ctx context.Context, h federation.Header) ([]float64, error) {
	scores, err := d.score(ctx, h.Base, h.Parameters)
	if err != nil {
		return nil, err
	}
	c, err := aggregation.NewConfusion(d.test.Y, scores)
	if err != nil {
		return nil, err
	}
	histogram, err := aggregation.NewHistogram(d.test.Y, scores)
	if err != nil {
		return nil, err
	}
	vector := []float64{c.TP, c.FP, c.TN, c.FN}
	vector = append(vector, histogram.Positive[:]...)
	return append(vector, histogram.Negative[:]...), nil
}

// score returns the probability of each test record under a snapshot.
func (d *Daemon) score(ctx context.Context, snapshot, parameters federation.Digest) ([]float64, error) {
	params, norm, err := d.base(ctx, snapshot, parameters)
	if err != nil {
		return nil, err
	}
	x, _, err := d.test.Inputs(norm)
	if err != nil {
		return nil, err
	}
	return d.trainer.Score(params, x, d.test.Rows)
}
