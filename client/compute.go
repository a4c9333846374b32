package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/debug"

	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
	"atrium/client/dataset"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// contribution is the vector that this hospital contributes to a round, in the layout of
// the header's format: the change of each parameter as it was trained, which is scaled
// and clipped when it is read, and values.
type contribution struct {
	delta  []float32 // train only
	share  float64   // of the weight cap: multiplies the clipped delta
	clip   float64
	values []float64 // what follows the delta
}

// read writes the values from an index on into dst.
func (c contribution) read(dst []float64, from int) {
	n := 0
	if from < len(c.delta) {
		n = min(len(c.delta)-from, len(dst))
		for i, v := range c.delta[from : from+n] {
			x := float64(v)
			if x > c.clip {
				x = c.clip
			} else if x < -c.clip {
				x = -c.clip
			}
			dst[i] = float64(c.share * x)
		}
	}
	copy(dst[n:], c.values[max(0, from-len(c.delta)):])
}

// saturated counts the values beyond the clip; fixedpoint.ErrNotFinite.
func (c contribution) saturated() (int, error) {
	// Magnitudes of floats are in the order of their bits; limit is of the largest that
	// does not meet the clip.
	limit := math.Float32bits(float32(c.clip))
	if float64(math.Float32frombits(limit)) > c.clip {
		limit--
	}
	n := 0
	for i, v := range c.delta {
		magnitude := math.Float32bits(v) &^ (1 << 31)
		if magnitude <= limit {
			continue
		}
		if magnitude >= 0xff<<23 {
			return 0, fmt.Errorf("change of parameter %d is %v: %w", i, v, fixedpoint.ErrNotFinite)
		}
		n++
	}
	return n, nil
}

// compute returns what this hospital contributes.
func (d *Daemon) compute(ctx context.Context, h federation.Header) (contribution, error) {
	switch h.Kind {
	case federation.Statistics:
		return contribution{values: dataset.Sums(d.train, d.cfg.Plan, d.cfg.Plan.Privacy.WeightCap)}, nil
	case federation.Evaluate:
		values, err := d.computeScores(ctx, h)
		return contribution{values: values}, err
	}
	return d.computeDelta(ctx, h)
}

// model is a snapshot as this hospital uses it.
type model struct {
	snapshot   federation.Digest
	parameters federation.Digest
	params     []float32
	norm       aggregation.Normalisation
}

// base downloads the snapshot that a header names, unless it is at hand, and refuses one
// whose parameters are not those of the question. Nobody changes what it returns.
func (d *Daemon) base(ctx context.Context, digest, parameters federation.Digest) ([]float32, aggregation.Normalisation, error) {
	if digest.IsZero() || d.model.snapshot != digest {
		d.forget() // it is not held beside the other
		m, err := d.download(ctx, digest)
		if err != nil {
			return nil, aggregation.Normalisation{}, err
		}
		d.model = m
	}
	if got := d.model.parameters; !parameters.IsZero() && got != parameters {
		return nil, aggregation.Normalisation{}, fmt.Errorf("snapshot %s has parameters %s, not %s: %w",
			digest.Short(), got.Short(), parameters.Short(), federation.ErrHeader)
	}
	return d.model.params, d.model.norm, nil
}

// forget lets the model go; memory is kept for the next round where models are small.
func (d *Daemon) forget() {
	d.model = model{params: d.model.params}
	if d.cfg.Plan.ParameterCount() >= largeModel {
		d.model.params, d.fields, d.wire, d.wireDigest = nil, nil, nil, federation.Digest{}
	}
	d.letGo()
}

// letGo gives the memory of what is no longer used back to the system, where models are
// large: the collector left to itself lets the garbage of one step lie beside the next.
func (d *Daemon) letGo() {
	if d.cfg.Plan.ParameterCount() >= largeModel {
		debug.FreeOSMemory()
	}
}

// download decodes a snapshot while it arrives.
func (d *Daemon) download(ctx context.Context, digest federation.Digest) (model, error) {
	from := d.link.open(ctx, digest, models.MaxSnapshotBytes)
	defer from.close()
	s, params, norm, err := models.DecodeForPlan(d.cfg.Plan, from, d.model.params)
	if errors.Is(err, models.ErrSnapshot) { // what was not read may show that the digest is wrong
		if _, failed := io.Copy(io.Discard, from); failed != nil {
			err = failed
		}
	}
	if err != nil {
		return model{}, fmt.Errorf("snapshot %s: %w", digest.Short(), err)
	}
	return model{snapshot: digest, parameters: models.ParametersDigest(s), params: params, norm: norm}, nil
}

// checkBase verifies the base of a header before this hospital joins.
func (d *Daemon) checkBase(ctx context.Context, h federation.Header) error {
	if h.Base.IsZero() {
		return nil
	}
	_, _, err := d.base(ctx, h.Base, h.Parameters)
	return err
}

// computeDelta trains locally: its contribution is weight/cap times the clipped change of
// each parameter, the weight, and how many coordinates met the clip. The base is let go,
// because the next version will be another.
func (d *Daemon) computeDelta(ctx context.Context, h federation.Header) (contribution, error) {
	plan := d.cfg.Plan
	params, norm, err := d.base(ctx, h.Base, h.Parameters)
	if err != nil {
		return contribution{}, err
	}
	x, y, err := d.train.Inputs(norm)
	if err != nil {
		return contribution{}, err
	}
	seed, err := d.seed("order", h)
	if err != nil {
		return contribution{}, err
	}
	delta, loss, err := d.trainer.Train(ctx, params, x, y, d.train.Rows, plan.Local, binary.LittleEndian.Uint64(seed[:8]))
	if err != nil {
		return contribution{}, err
	}
	d.forget()
	weight := dataset.Weight(d.train.Rows, plan.Privacy.WeightCap)
	c := contribution{delta: delta, share: float64(weight) / float64(plan.Privacy.WeightCap), clip: plan.Privacy.Clip}
	saturated, err := c.saturated()
	if err != nil {
		return contribution{}, err
	}
	c.values = []float64{float64(weight), float64(min(saturated, 1<<h.Format.Bits-1))}
	d.cfg.Logger.Debug("trained", "round", h.Round, "loss", loss, "saturated", saturated)
	return c, nil
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
