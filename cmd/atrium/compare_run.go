package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"atrium/aggregation"
	"atrium/aggregation/robust"
	"atrium/client"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/storage/models"
)

// compareRun is what one row came to with one seed.
type compareRun struct {
	Row       string             `json:"row"`
	Seed      uint64             `json:"seed"`
	Hospitals []compareScore     `json:"hospitals"`           // in the order of the comparison
	All       compareScore       `json:"all"`                 // of all test records together
	Tuned     []compareScore     `json:"tuned,omitempty"`     // after fine-tuning at each hospital
	TunedAll  *compareScore      `json:"tuned_all,omitempty"` // of all test records, each under its hospital's own
	Snapshot  *federation.Digest `json:"snapshot,omitempty"`  // of the last version, as a store names it
	Lost      int                `json:"lost,omitempty"`      // rounds without a version, because of an attack
	Dropped   int                `json:"dropped,omitempty"`   // groups that were left out of other rounds
}

// compareScore is on test records; AUC is null for a single class, and the mean of those of
// several labels.
type compareScore struct {
	Accuracy float64  `json:"accuracy"`
	AUC      *float64 `json:"auc"`
	LogLoss  float64  `json:"log_loss"`
}

// run trains and scores.
func (c contender) run(ctx context.Context, records []client.Records, groups int) (r compareRun, err error) {
	r.Row, r.Seed = c.name, c.seed
	rehearsal, err := client.NewRehearsal(c.seeded(), c.tampered(records), groups, c.seed)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, rehearsal.Close()) }()
	switch c.kind {
	case contestLocal:
		return r, r.score(rehearsal.ScoresAlone(ctx))
	case contestPooled:
		return r, r.score(rehearsal.ScoresPooled(ctx))
	}
	if c.exact {
		rehearsal.WithoutFixedPoint()
	}
	c.arm(rehearsal)
	if _, err := rehearsal.Round(ctx, federation.Statistics, nil); err != nil {
		return r, err
	}
	if c.start != nil {
		if err := rehearsal.Start(models.InitialParameters(contender{plan: *c.start, seed: c.seed}.seeded())); err != nil {
			return r, err
		}
	}
	for range c.plan.Schedule.Rounds {
		if err := r.train(ctx, rehearsal, c.attack); err != nil {
			return r, err
		}
	}
	digest := federation.Sum(models.Encode(rehearsal.Model))
	r.Snapshot = &digest
	if err := r.score(rehearsal.ScoresOf(ctx, false)); err != nil || c.plan.Local.FineTune == 0 {
		return r, err
	}
	var tuned compareRun
	if err := tuned.score(rehearsal.ScoresOf(ctx, true)); err != nil {
		return r, err
	}
	r.Tuned, r.TunedAll = tuned.Hospitals, &tuned.All
	return r, nil
}

// train does a round. One of which no group holds because of an attack gives no version.
func (r *compareRun) train(ctx context.Context, rehearsal *client.Rehearsal, attack string) error {
	result, err := rehearsal.Round(ctx, federation.Train, nil)
	if attack != "" && (errors.Is(err, opening.ErrNotOpened) || errors.Is(err, robust.ErrGroups)) {
		r.Lost++
		return nil
	}
	for _, g := range result.Groups {
		if g.Reason != "" {
			r.Dropped++
		}
	}
	return err
}

// seeded is the plan under the name of its seed, which initial parameters follow from.
func (c contender) seeded() federation.Plan {
	p := c.plan
	if c.seed > 1 {
		suffix := fmt.Sprintf("-%d", c.seed)
		p.Name = p.Name[:min(len(p.Name), federation.MaxName-len(suffix))] + suffix
	}
	return p
}

// tampered are the records that hospitals train on.
func (c contender) tampered(records []client.Records) []client.Records {
	if c.attack != attackLabels {
		return records
	}
	records = slices.Clone(records)
	for i, r := range records {
		if slices.Contains(c.attackers, r.Name) {
			records[i].Train = flipped(r.Train, c.plan)
		}
	}
	return records
}

// score notes what the scores of each hospital are worth.
func (r *compareRun) score(list []client.Scores, err error) error {
	if err != nil {
		return err
	}
	var all client.Scores
	for _, s := range list {
		score, err := scoreOf(s)
		if err != nil {
			return err
		}
		r.Hospitals = append(r.Hospitals, score)
		all.Width = s.Width
		all.Labels, all.Scores = append(all.Labels, s.Labels...), append(all.Scores, s.Scores...)
		all.Width = s.Width
	}
	r.All, err = scoreOf(all)
	return err
}

func scoreOf(s client.Scores) (compareScore, error) {
	confusion, err := aggregation.NewConfusion(s.Labels, s.Scores)
	if err != nil {
		return compareScore{}, err
	}
	out := compareScore{}
	out.Accuracy, _ = confusion.Accuracy()
	if auc, ok := aggregation.MacroAUC(s.Labels, s.Scores, s.Width); ok {
		out.AUC = &auc
	}
	for i, p := range s.Scores {
		if s.Labels[i] == 0 {
			p = 1 - p
		}
		out.LogLoss -= math.Log(max(p, leastProbability)) / float64(len(s.Scores))
	}
	return out, nil
}

// leastProbability bounds the loss of a score that was sure and wrong.
const leastProbability = 1e-9
