package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	"atrium/aggregation"
	"atrium/client/dataset"
	"atrium/client/train"
	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/models"
)

// compute returns what this hospital contributes.
func (d *Daemon) compute(ctx context.Context, h federation.Header) (contribution, error) {
	switch h.Kind {
	case federation.Statistics:
		return contribution{values: dataset.Sums(d.train.Mask(d.masked()), d.cfg.Plan, d.cfg.Plan.Privacy.WeightCap)}, nil
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
	control    []float32 // of the server, over the shared parameters; SCAFFOLD only
	clips      []float64 // of each shared tensor in the train round on it; nil: the plan's
	counted    uint64    // the round that last summed an update of this hospital; 0: none
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
	from, err := d.openSnapshot(ctx, digest)
	if err != nil {
		return model{}, err
	}
	defer from.Close()
	s, params, norm, err := models.DecodeForPlan(d.cfg.Plan, from, d.model.params)
	if errors.Is(err, models.ErrSnapshot) { // what was not read may show that the digest is wrong
		if _, failed := io.Copy(io.Discard, from); failed != nil {
			err = failed
		}
	}
	if err != nil {
		return model{}, fmt.Errorf("snapshot %s: %w", digest.Short(), err)
	}
	clips, err := models.Clips(d.cfg.Plan, s)
	if err != nil {
		return model{}, fmt.Errorf("snapshot %s: %w", digest.Short(), err)
	}
	m := model{snapshot: digest, parameters: models.ParametersDigest(s), params: params, norm: norm, clips: models.ClipValues(clips)}
	return m, d.readState(&m, s)
}

// openSnapshot reads a version from the store, where it was derived here, or else as it
// arrives from the coordinator.
func (d *Daemon) openSnapshot(ctx context.Context, digest federation.Digest) (io.ReadCloser, error) {
	raw, err := storage.GetVerified(ctx, d.store, storage.ModelSegment(digest), digest, models.MaxSnapshotBytes)
	if err == nil {
		return io.NopCloser(bytes.NewReader(raw)), nil
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return nil, fatal{err}
	}
	return d.link.open(ctx, digest, models.MaxSnapshotBytes), nil
}

// readState takes from a snapshot what the plan's rule keeps there for hospitals.
func (d *Daemon) readState(m *model, s models.Snapshot) error {
	plan := d.cfg.Plan
	var err error
	if m.counted, err = counted(plan, s, d.self); err != nil {
		return err
	}
	m.control, err = controlOf(plan, s)
	return err
}

// counted is the round that last summed an update of a hospital, 0 if none.
func counted(p federation.Plan, s models.Snapshot, hospital federation.HospitalID) (uint64, error) {
	list, err := models.LastCounted(p, s)
	for _, c := range list {
		if c.Hospital == hospital {
			return c.Round, err
		}
	}
	return 0, err
}

// freshControl is the control variate with which a rule begins, nil for one that has none.
func freshControl(p federation.Plan) []float32 {
	if p.Aggregation.Rule != federation.Scaffold {
		return nil
	}
	return make([]float32, p.SharedCount())
}

// controlOf is the server's control variate, nil for a rule that has none.
func controlOf(p federation.Plan, s models.Snapshot) ([]float32, error) {
	if p.Aggregation.Rule != federation.Scaffold {
		return nil, nil
	}
	tensors, err := models.State(p, s, models.StateControl)
	if err != nil {
		return nil, err
	}
	var control []float32
	for _, t := range tensors {
		control = append(control, t.F32...)
	}
	if tensors == nil {
		control = freshControl(p)
	}
	return control, nil
}

// checkBase downloads a base from which the round may start (mayStart), if need be, and compares
// the header's clips with what follows.
func (d *Daemon) checkBase(ctx context.Context) error {
	h := d.live.header
	if h.Base.IsZero() {
		return nil
	}
	if _, _, err := d.base(ctx, h.Base, h.Parameters); err != nil {
		return err
	}
	return federation.CheckClips(d.cfg.Plan, h, d.model.clips)
}

// computeDelta trains locally: its contribution is the clipped change of each shared
// parameter times its weight over the greatest one, what else the plan's rule sums, the weight, and how many
// coordinates met the clip. The base is let go, because the next version will be another.
func (d *Daemon) computeDelta(ctx context.Context, h federation.Header) (contribution, error) {
	plan := d.cfg.Plan
	params, norm, err := d.base(ctx, h.Base, h.Parameters)
	if err != nil {
		return contribution{}, err
	}
	own, control := kept{}, d.model.control
	if h.Restarts() { // what was kept belongs to the versions that are left behind
		control = freshControl(plan)
	} else if own, err = d.recall(ctx, true); err != nil {
		return contribution{}, err
	}
	seed, err := d.seed("order", h)
	if err != nil {
		return contribution{}, err
	}
	clips, err := h.Clips(plan)
	if err != nil {
		return contribution{}, err
	}
	job := training{plan: plan, behind: h.Steps, clips: clips, records: d.train, params: params, norm: norm, control: control, own: own, masked: d.masked(),
		seed: binary.LittleEndian.Uint64(seed[:8])}
	if job.steps, err = d.stepsInTime(ctx, job, h); err != nil {
		return contribution{}, err
	}
	began := time.Now()
	c, next, loss, err := job.run(ctx, d.trainer)
	if err != nil {
		return contribution{}, err
	}
	_, steps := job.local()
	d.pace.trained(steps, time.Since(began))
	if plan.Aggregation.KeepsState() {
		if err := d.keep(ctx, h.Round, next); err != nil {
			return contribution{}, err
		}
	}
	d.forget()
	d.cfg.Logger.Debug("trained", "round", h.Round, "steps", steps, "loss", loss, "saturated", c.values[1:1+len(plan.Shared())])
	return c, nil
}

// training is one round's local training, with all that it depends on.
type training struct {
	plan    federation.Plan
	behind  uint64    // train rounds that the base went through
	clips   []float64 // the header's, nil where the plan fixes them
	records *dataset.Table
	params  []float32 // of the base
	norm    aggregation.Normalisation
	control []float32 // the server's control variate, where the rule has one
	own     kept
	masked  federation.Columns // by the manifest
	seed    uint64             // of the order of records
	steps   int                // of partial work; 0: all
}

// local is how the round trains, and in how many steps.
func (j training) local() (l federation.Local, steps int) {
	l = j.plan.LocalAt(j.behind)
	all, most := l.StepsOf(j.records.Rows), j.plan.MostSteps(j.records.Rows)
	if steps = most; j.steps > 0 {
		steps = min(j.steps, most)
	}
	if steps < all {
		return l.InSteps(steps), steps
	}
	l.PartialWork = federation.PartialWork{}
	return l, all
}

// run returns the contribution, what the hospital keeps if it is summed, and the loss.
func (j training) run(ctx context.Context, trainer train.Trainer) (contribution, kept, float64, error) {
	x, y, err := dataset.View(j.records, j.plan, j.norm, j.masked).Inputs(j.norm)
	if err != nil {
		return contribution{}, kept{}, 0, err
	}
	start := j.own.merge(j.plan, j.params)
	how, steps := j.local()
	delta, loss, err := trainer.Train(ctx, start, j.own.correction(j.plan, j.control), x, y, j.records.Rows, how, j.seed)
	if err != nil {
		return contribution{}, kept{}, 0, err
	}
	shared, local := split(j.plan, start, delta)
	c, err := contribute(j.plan, j.clips, shared, j.control, j.records.Rows, steps)
	if err != nil {
		return contribution{}, kept{}, 0, err
	}
	return c, kept{control: c.nextControl(j.plan, j.own.control), local: local}, loss, nil
}

// contribute makes what the plan's rule sums of a change of the shared parameters; clips
// are the header's, nil where the plan fixes them; control is the server's control
// variate, where the rule has one; steps are those that were taken.
func contribute(p federation.Plan, clips []float64, change, control []float32, rows, steps int) (contribution, error) {
	weight := p.Privacy.WeightOf(rows)
	share := float64(weight) / float64(p.Privacy.MostWeight())
	v := vector{change: change, scale: 1, clip: 1, share: share}
	c := contribution{}
	var effort []float64
	switch p.Aggregation.Rule {
	case federation.FedNova: // the share of its work rather than of its records, at most 1 after the clip
		norm := p.EffortOf(steps)
		factor := share * p.FullEffort(p.Privacy.WeightCap) / norm
		v.scale, v.share = max(1, factor), min(1, factor)
		effort = make([]float64, aggregation.EffortDigits(p.Privacy.Bits))
		if err := aggregation.Effort(effort, weight, norm, p.Privacy.Bits); err != nil {
			return c, err
		}
		c.vectors = v.tensors(p, clips)
	case federation.Scaffold:
		second := slices.Clone(change)
		if err := aggregation.ControlChange(second, control, p.EffortOf(steps), p.Local.LearningRate); err != nil {
			return c, err
		}
		w := vector{change: second, scale: p.ControlScale(), clip: federation.ControlClip, share: share}
		c.vectors = append(v.tensors(p, clips), w.tensors(p, clips)...)
	default:
		c.vectors = v.tensors(p, clips)
	}
	saturated, err := c.saturated(len(p.Shared()))
	c.values = []float64{float64(weight)}
	for _, n := range saturated {
		c.values = append(c.values, float64(min(n, 1<<p.Privacy.Bits-1)))
	}
	c.values = append(c.values, effort...)
	return c, err
}

// nextControl is this hospital's next control variate: what it contributes, clipped, is
// what is added, so that the server's remains the mean of the hospitals'.
func (c contribution) nextControl(p federation.Plan, own []float32) []float32 {
	if p.Aggregation.Rule != federation.Scaffold {
		return nil
	}
	next := make([]float32, p.SharedCount())
	copy(next, own)
	rest := next
	for _, v := range c.vectors[len(p.Shared()):] {
		v.share = 1
		for i := range v.change {
			rest[i] += float32(v.at(i) / v.scale)
		}
		rest = rest[len(v.change):]
	}
	return next
}

// computeScores scores the test records that the round is about with the base and returns
// confusion counts and score histograms.
func (d *Daemon) computeScores(ctx context.Context, h federation.Header) ([]float64, error) {
	records := d.test.InMonth(h.Part)
	scores, err := d.score(ctx, records, h.Base, h.Parameters, d.masked())
	if err != nil {
		return nil, err
	}
	return tally(records.Y, scores, records.Labels)
}

// tally is what an evaluate round sums of labels and scores, width of each a record:
// confusion counts of each label, then its histograms of positives, then of negatives.
func tally(labels, scores []float64, width int) ([]float64, error) {
	var counts, positive, negative []float64
	for k := range width {
		y, p := aggregation.Every(labels, k, width), aggregation.Every(scores, k, width)
		c, err := aggregation.NewConfusion(y, p)
		if err != nil {
			return nil, err
		}
		histogram, err := aggregation.NewHistogram(y, p)
		if err != nil {
			return nil, err
		}
		counts = append(counts, c.TP, c.FP, c.TN, c.FN)
		positive, negative = append(positive, histogram.Positive[:]...), append(negative, histogram.Negative[:]...)
	}
	return slices.Concat(counts, positive, negative), nil
}

// score returns the probability of each label of each record under a snapshot, as if the masked
// columns were not measured.
func (d *Daemon) score(ctx context.Context, records *dataset.Table, snapshot, parameters federation.Digest, masked federation.Columns) ([]float64, error) {
	params, norm, err := d.base(ctx, snapshot, parameters)
	if err != nil {
		return nil, err
	}
	own, err := d.recall(ctx, false)
	if err != nil {
		return nil, err
	}
	x, _, err := dataset.View(records, d.cfg.Plan, norm, masked).Inputs(norm)
	if err != nil {
		return nil, err
	}
	return d.trainer.Score(own.merge(d.cfg.Plan, params), x, records.Rows)
}
