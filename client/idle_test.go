package client_test

import (
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
)

// TestStatusOfAnIdleDaemon: a daemon that polls and has nothing to do is connected, waits, and
// says when it heard of the coordinator; after a task it waits again, for no round.
func TestStatusOfAnIdleDaemon(t *testing.T) {
	l := newLiar(t, 3, 1, plans.Cardiology())
	s := l.sites[0]
	idle := func(when string) {
		t.Helper()
		var last client.Status
		for range 500 {
			status, err := client.ReadStatus(s.cfg.State)
			if err == nil {
				last = status
			}
			if last.Connected && last.Doing == "waiting for work" && last.Round == 0 && last.Heard != "" && last.LastError == "" {
				return
			}
			<-l.tick()
		}
		t.Fatalf("%s: %+v", when, last)
	}
	idle("before any task")
	l.askJoin(s, l.train(1)).sends(t, "join")
	idle("after a task")
	s.stop()
	if last, err := client.ReadStatus(s.cfg.State); err != nil || last.Connected {
		t.Errorf("it ended: %+v, %v", last, err)
	}
}
