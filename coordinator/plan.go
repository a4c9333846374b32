package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
)

// ErrPlan: the plan can neither go on from the newest version nor begin with what it names.
var ErrPlan = opening.ErrPlan

// SetPlan makes plan the one that is trained and returns when the log says so; nothing
// happens if it is already. While a round is under way it waits for its end. A plan that does
// not begin anew is taken only with the model, features and label of the version that it goes
// on from: [ErrPlan].
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
	var begins beginning
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
		if err := begins.read(ctx, c, v, plan); err != nil {
			return err
		}
		err := ErrNotLeader
		if v.Leads {
			err = c.submitPlan(ctx, plan, begins.origin)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, round.ErrWrongPhase):
			say("plan waits for the round to end", v)
		case errors.Is(err, round.ErrStale):
			begins = beginning{} // the log went on since it was read
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

func (c *Coordinator) submitPlan(ctx context.Context, plan federation.Plan, origin *round.Origin) error {
	digest, err := storage.PutBlob(ctx, c.cfg.Bucket, federation.Encode(plan))
	if err != nil {
		return fmt.Errorf("store plan %s: %w", plan.Digest().Short(), err)
	}
	return c.Submit(ctx, round.PlanAccepted{Plan: digest, Schedule: plan.Schedule, Rule: plan.Comparing(), Origin: origin})
}

// beginning is what a plan begins with, and the state of the log that says so.
type beginning struct {
	origin *round.Origin
	at     *round.State
}

// read finds what the plan begins with, from the whole log only where it is not the newest
// version, and then once: what the log says of a version stays so while rounds go on.
func (b *beginning) read(ctx context.Context, c *Coordinator, v *View, plan federation.Plan) error {
	s := v.State
	if plan.Start == (federation.Start{}) && s.Model.Number == s.Newest {
		*b = beginning{}
		if err := plan.Continues(v.Plan); s.Newest > 0 && err != nil {
			return fmt.Errorf("plan %s %s after version %d: %w: %w; a plan begins anew with start: {anew: true}", plan.Name, plan.Digest().Short(), s.Newest, ErrPlan, err)
		}
		return nil
	}
	if b.holds(s) {
		return nil
	}
	var archive round.Archive
	read, err := readLog(ctx, c.cfg.Bucket, c.cfg.Charter.Digest(), func(before round.State, e round.Entry, after round.Memo) {
		archive.Note(before, e, after.State)
	})
	if err != nil {
		return err
	}
	b.at = &read.State
	b.origin, err = opening.Origin(ctx, c.cfg.Bucket, &archive, read.State, plan)
	return err
}

// holds reports whether what was read is still what the log says.
func (b *beginning) holds(s round.State) bool {
	return b.origin != nil && s.Charter.Digest() == b.at.Charter.Digest() && (b.origin.Model.Number < b.at.Newest || s.Newest == b.at.Newest)
}
