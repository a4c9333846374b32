package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage"
)

// ErrPlan: the plan cannot go on from the version that there is.
var ErrPlan = errors.New("plan does not continue the model")

// SetPlan makes plan the one that is trained and returns when the log says so; nothing
// happens if it is already. While a round is under way it waits for its end. Once there
// is a version, only a plan with the same model, features and label is taken: [ErrPlan].
// Run must be running, or about to.
func (c *Coordinator) SetPlan(ctx context.Context, plan federation.Plan) error {
	if err := errors.Join(plan.Validate(), federation.CheckRule(c.cfg.Charter, plan)); err != nil {
		return err
	}
	digest := plan.Digest()
	for waited := false; ; waited = true {
		v := c.View()
		if v.State.Plan == digest {
			return nil
		}
		if v.State.Model.Number > 0 {
			if err := plan.Continues(v.Plan); err != nil {
				return fmt.Errorf("plan %s %s after version %d: %w: %w", plan.Name, digest.Short(), v.State.Model.Number, ErrPlan, err)
			}
		}
		err := c.submitPlan(ctx, plan)
		switch {
		case errors.Is(err, ErrUnavailable), passing(err), errors.Is(err, ErrNotLeader):
		case !errors.Is(err, round.ErrWrongPhase):
			return err
		case !waited:
			c.cfg.Logger.Info("plan waits for the round to end", "plan", plan.Name, "round", v.State.Round.Number)
		}
		select {
		case <-v.Changed():
		case <-time.After(retryDelay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *Coordinator) submitPlan(ctx context.Context, plan federation.Plan) error {
	digest, err := storage.PutBlob(ctx, c.cfg.Bucket, federation.Encode(plan))
	if err != nil {
		return fmt.Errorf("store plan %s: %w", plan.Digest().Short(), err)
	}
	return c.Submit(ctx, round.PlanAccepted{Plan: digest, Schedule: plan.Schedule, Rule: plan.Comparing()})
}
