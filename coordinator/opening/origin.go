package opening

import (
	"context"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage"
)

// ErrPlan: the plan cannot begin with the version that it names, or go on from the newest.
var ErrPlan = errors.New("plan does not continue the model")

// Origin is what a plan begins with after what an archive and a state have: nil where it goes
// on from the newest version. [ErrPlan] where there is no such version, or one of another model,
// other features or another label.
func Origin(ctx context.Context, b storage.Bucket, a *round.Archive, s round.State, plan federation.Plan) (*round.Origin, error) {
	fail := func(err error) (*round.Origin, error) {
		return nil, fmt.Errorf("plan %s %s: %w: %w", plan.Name, plan.Digest().Short(), ErrPlan, err)
	}
	origin, made, err := a.Origin(s, plan.Start)
	if err != nil {
		return fail(err)
	}
	if made.IsZero() {
		return origin, nil
	}
	before, err := Plan(ctx, b, made)
	if err != nil {
		return nil, err
	}
	if err := plan.Continues(before); err != nil {
		return fail(fmt.Errorf("%w; a plan begins anew with start: {anew: true}", err))
	}
	return origin, nil
}
