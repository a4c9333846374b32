package client

import (
	"context"
	"errors"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/round"
)

// errMovedOn: the coordinator asks for something else meanwhile.
var errMovedOn = errors.New("the round went on without this hospital's update")

// whileWanted does work on the task under way, which may take long, and asks the
// coordinator meanwhile whether there is something else to do. If there is, the round went
// on without this hospital: the work is given up, with errMovedOn, so that the hospital is
// there as a custodian of this round and for the next one. Only work is to use what is the
// daemon's; a coordinator that does not answer is asked again.
func (d *Daemon) whileWanted(ctx context.Context, work func(context.Context) error) error {
	working, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	skip, _ := d.skipped()
	req := d.pollRequest(append(skip, d.task), false)
	api := d.link.api
	done := make(chan struct{})
	go func() {
		defer close(done)
		if pause(working, wantedAfter) == nil && askedElsewhere(working, api, req) {
			giveUp(errMovedOn)
		}
	}()
	err := work(working)
	if errors.Is(context.Cause(working), errMovedOn) { // also of work that has just ended
		err = errMovedOn
	}
	giveUp(nil)
	<-done
	return err
}

// askedElsewhere waits until there is another task, but for burns of earlier rounds and what
// followed from the last one, which can wait. It is false when ctx ends.
func askedElsewhere(ctx context.Context, api atriumpb.CoordinatorClient, req *atriumpb.PollRequest) bool {
	for ctx.Err() == nil {
		waiting, cancel := context.WithTimeout(ctx, pollTime+pollSlack)
		work, err := api.Poll(waiting, req)
		cancel()
		switch {
		case err != nil: // it may come back before the work is done
			if pause(ctx, wantedAfter) != nil {
				return false
			}
		case work.GetKind() == string(round.TaskBurn), work.GetKind() == string(round.TaskDerive):
			req.Skip = append(req.Skip, work.GetId())
		case work.GetId() != "":
			return true
		}
	}
	return false
}
