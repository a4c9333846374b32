package main

import (
	"syscall"
	"testing"

	"atrium/cmd/atrium/plans"
)

// TestWordOfTheDataOwner: hospitals whose records answered in one federation join another
// one on the same records. They decline, and say why to nobody but their people; told who
// becomes known, these allow it, and the daemons go on as they run.
func TestWordOfTheDataOwner(t *testing.T) {
	t.Parallel()
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 1, 0
	c := newCentre(t, plan)
	lead := started(t, "coordinator", "serve", c.folder)
	var first, second []*process
	for _, name := range c.names {
		first = append(first, started(t, "hospital", "run", c.hospital(name)))
	}
	for _, d := range first {
		d.await(t, "version adopted")
	}
	for _, name := range c.names {
		second = append(second, started(t, "hospital", "run", c.second.hospital(name)))
	}
	for _, d := range second {
		d.await(t, "these records answered in another federation")
	}
	for _, name := range c.names {
		folder := c.second.hospital(name)
		out, _ := ran(t, 0, "hospital", "status", folder)
		contains(t, out, "in federation federation too; word: none", "number of records was answered in federation federation")
		_, errs := answered(t, 1, "no\n", nil, "hospital", "source", "allow", "federation", folder)
		contains(t, errs, "not allowed: nothing was written")
		_, errs = ran(t, 1, "hospital", "source", "allow", "nobody", folder)
		contains(t, errs, "no such federation answered from these records")
		out, _ = answered(t, 0, "yes\n", nil, "hospital", "source", "allow", "federation", folder)
		contains(t, out, "These records answered in federation federation since", "mean and deviation of chol", "Type yes to allow it:", "allowed: the word of")
	}
	for _, d := range second {
		d.await(t, "version adopted")
	}
	for _, d := range append(append(first, second...), lead) {
		if got := d.end(t, syscall.SIGTERM); got != 0 {
			t.Errorf("%v ends with status %d", d.cmd.Args, got)
		}
	}
	for _, s := range []site{c.site, c.second} {
		s.audits()
	}
}
