package client

import (
	"context"
	"fmt"
	"math"

	"atrium/aggregation"
	"atrium/client/dataset"
	"atrium/client/train"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// Learner computes what the daemon of a hospital contributes to rounds, from the same
// code, without connection, policy, keys or files: for simulations. It is not safe for
// concurrent use.
type Learner struct {
	self        federation.HospitalID
	plan        federation.Plan
	train, test *dataset.Table
	kept        map[uint64]kept // by round, until the base says which one was summed
	steps       int             // of partial work
	masked      federation.Columns
}

// Limit has later train rounds take at most so many steps, as a plan with partial work
// allows; 0 is all of them, as at first. See federation.Local.StepsWithin.
func (l *Learner) Limit(steps int) { l.steps = steps }

// Mask has later rounds count these columns as measured by nobody, as a manifest does.
func (l *Learner) Mask(c federation.Columns) { l.masked = c }

// Lacks is what the hospital's Join would say.
func (l *Learner) Lacks() federation.Columns { return dataset.Lacks(l.train, l.plan) }

// NewLearner returns the Learner of a hospital with records of the plan. If unclipped, it
// contributes changes as they were computed, as a federation that does not encrypt would.
func NewLearner(self federation.HospitalID, plan federation.Plan, train, test *dataset.Table, unclipped bool) *Learner {
	if unclipped {
		plan.Privacy.Clip, plan.Privacy.ClipLeast = math.Inf(1), 0
	}
	return &Learner{self: self, plan: plan, train: train, test: test, kept: map[uint64]kept{}}
}

// Base is a version as hospitals use it. It does not change and may be shared.
type Base struct {
	params  []float32
	norm    aggregation.Normalisation
	control []float32
	counted map[federation.HospitalID]uint64
}

// NewBase reads a snapshot of the plan.
func NewBase(plan federation.Plan, s models.Snapshot) (*Base, error) {
	b := &Base{counted: map[federation.HospitalID]uint64{}}
	var err error
	if b.params, b.norm, err = models.OfPlan(plan, s); err != nil {
		return nil, err
	}
	if b.control, err = controlOf(plan, s); err != nil {
		return nil, err
	}
	list, err := models.LastCounted(plan, s)
	for _, c := range list {
		b.counted[c.Hospital] = c.Round
	}
	return b, err
}

// Contribute returns the values that the hospital contributes to a round, in the layout of
// the header's format. base is nil for a statistics round; seed orders the records.
// Errors are the Trainer's, and one where a control variate is missing.
func (l *Learner) Contribute(ctx context.Context, trainer train.Trainer, h federation.Header, base *Base, seed uint64) ([]float64, error) {
	switch h.Kind {
	case federation.Statistics:
		return dataset.Sums(l.train.Mask(l.masked), l.plan, l.plan.Privacy.WeightCap), nil
	case federation.Evaluate:
		labels, scores, err := l.score(trainer, base, l.test.InMonth(h.Part), l.masked)
		if err != nil {
			return nil, err
		}
		return tally(labels, scores, l.test.Labels)
	}
	own, ok := l.kept[base.counted[l.self]]
	if !ok && l.plan.Aggregation.KeepsState() && base.counted[l.self] > 0 {
		return nil, fmt.Errorf("round %d: %w", base.counted[l.self], errKept)
	}
	clips, err := h.Clips(l.plan)
	if err != nil {
		return nil, err
	}
	job := training{plan: l.plan, behind: h.Steps, clips: clips, records: l.train, params: base.params, norm: base.norm,
		control: base.control, own: own, masked: l.masked, seed: seed, steps: l.steps}
	c, next, _, err := job.run(ctx, trainer)
	if err != nil {
		return nil, err
	}
	if l.plan.Aggregation.KeepsState() {
		l.tidy(base)
		l.kept[h.Round] = next
	}
	values := make([]float64, c.count())
	c.read(values, 0)
	return values, nil
}

// tidy forgets what a later round replaced.
func (l *Learner) tidy(base *Base) {
	for round := range l.kept {
		if round < base.counted[l.self] {
			delete(l.kept, round)
		}
	}
}

// Counted is the round whose Kept the hospital goes on with; 0: none.
func (l *Learner) Counted(base *Base) uint64 { return base.counted[l.self] }

// Kept returns what the hospital keeps if a round is summed; nil if it keeps nothing.
func (l *Learner) Kept(round uint64) ([]byte, error) {
	k, ok := l.kept[round]
	if !ok {
		return nil, nil
	}
	return k.encode(l.plan)
}

// Restore takes up what Kept returned.
func (l *Learner) Restore(round uint64, b []byte) error {
	k, err := decodeKept(l.plan, fmt.Sprintf("round %d of %s", round, l.self), b)
	if err == nil {
		l.kept[round] = k
	}
	return err
}

// Score returns label and score of each test record under a version, with the tensors
// that are the hospital's own.
func (l *Learner) Score(trainer train.Trainer, base *Base) (labels, scores []float64, err error) {
	return l.score(trainer, base, l.test, "")
}

func (l *Learner) score(trainer train.Trainer, base *Base, records *dataset.Table, masked federation.Columns) (labels, scores []float64, err error) {
	x, _, err := dataset.View(records, l.plan, base.norm, masked).Inputs(base.norm)
	if err != nil {
		return nil, nil, err
	}
	own := l.kept[base.counted[l.self]]
	scores, err = trainer.Score(own.merge(l.plan, base.params), x, records.Rows)
	return records.Y, scores, err
}

// Rows are the records that a round of a kind uses.
func (l *Learner) Rows(kind federation.RoundKind) int {
	if kind == federation.Evaluate {
		return l.test.Rows
	}
	return l.train.Rows
}

// ScoreTuned is Score after the plan's fine-tuning on the hospital's own records.
func (l *Learner) ScoreTuned(ctx context.Context, trainer train.Trainer, base *Base, seed uint64) (labels, scores []float64, err error) {
	own := l.kept[base.counted[l.self]]
	params, err := fineTune(ctx, l.plan, trainer, l.train, own.merge(l.plan, base.params), base.norm, seed)
	if err != nil {
		return nil, nil, err
	}
	scores, err = scoreAll(l.plan, trainer, params, base.norm, l.test)
	return l.test.Y, scores, err
}

// ScoreAlone is Score of a model that the plan's rounds trained on the hospital's own
// records alone; round i, from 0, is seeded by seed+i.
func (l *Learner) ScoreAlone(ctx context.Context, trainer train.Trainer, seed uint64) (labels, scores []float64, err error) {
	params, norm, err := trainAlone(ctx, l.plan, trainer, l.train, seed, func() {})
	if err != nil {
		return nil, nil, err
	}
	scores, err = scoreAll(l.plan, trainer, params, norm, l.test)
	return l.test.Y, scores, err
}
