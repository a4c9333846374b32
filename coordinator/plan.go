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
// While another coordinator leads it waits for that to end, and gives up, with a warning,
// if a third plan is set meanwhile. Run must be running, or about to.
func (c *Coordinator) SetPlan(ctx context.Context, plan federation.Plan) error {
	if err := errors.Join(plan.Validate(), federation.CheckRule(c.cfg.Charter, plan)); err != nil {
		return err
	}
	digest, begun, said := plan.Digest(), c.View().State.Plan, ""
	say := func(what string, v *View) {
		if what != said {
			c.cfg.Logger.Info(what, "plan", plan.Name, "round", v.State.Round.Number)
			said = what
		}
	}
	for {
		v := c.View()
		switch v.State.Plan {
		case digest:
			return nil
		case begun:
		default:
			c.cfg.Logger.Warn("another coordinator set another plan since this one was started: this one's is not taken up",
				"plan", plan.Name, "log", v.State.Plan.Short())
			return nil
		}
		if v.State.Model.Number > 0 {
			if err := plan.Continues(v.Plan); err != nil {
				return fmt.Errorf("plan %s %s after version %d: %w: %w", plan.Name, digest.Short(), v.State.Model.Number, ErrPlan, err)
			}
		}
		err := ErrNotLeader
		if v.Leads {
			err = c.submitPlan(ctx, plan)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, round.ErrWrongPhase):
			say("plan waits for the round to end", v)
		case errors.Is(err, ErrNotLeader) && v.Led:
			say("plan is not the log's, it is taken up when this coordinator leads", v)
		case errors.Is(err, ErrNotLeader), errors.Is(err, ErrUnavailable), passing(err):
		default:
			return err
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
