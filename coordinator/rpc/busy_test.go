package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// TestBusyCoordinatorSaysWhenToComeBack: while all the room for segments is taken,
// hospitals are sent away with the time to come back, do come back, and lose nothing.
func TestBusyCoordinatorSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 1, 0 })
	c, stop := w.coordinator()
	defer stop()
	var taken []*coordinator.Place
	for i := 0; ; i++ {
		place, err := c.Place(t.Context(), federation.HospitalID(fmt.Sprintf("h-other-%d", i)), 1)
		if errors.Is(err, coordinator.ErrBusy) {
			break
		}
		w.must(err)
		taken = append(taken, place)
	}
	var refusal error
	p := w.puppet(w.names[0])
	p.script = func(work *atriumpb.Work) func(context.Context, *atriumpb.Work) error {
		if work.GetKind() != "update" || refusal != nil {
			return nil
		}
		return func(ctx context.Context, work *atriumpb.Work) error {
			refusal = p.update(ctx, work)
			for _, place := range taken {
				place.Release(true)
			}
			return p.update(ctx, work)
		}
	}
	defer p.start()()
	for _, name := range w.names[1:] {
		defer w.hospital(name)()
	}
	w.until(c, "the plan's end", finished)
	if refused := status.Convert(refusal); refused.Code() != codes.ResourceExhausted || len(refused.Details()) != 1 {
		t.Errorf("refusal: %v", refusal)
	} else if info, ok := refused.Details()[0].(*errdetails.RetryInfo); !ok || info.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("refusal with %v", refused.Details())
	}
	if s := c.View().State.Round.S; len(s) != 1 || len(s[0]) != 4 {
		t.Errorf("S is %v: want all four", s)
	}
}
