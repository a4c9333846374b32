package main

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"atrium/cmd/atrium/plans"
)

// startedWithin runs atrium with a limit of open files.
func startedWithin(t *testing.T, files string, args ...string) *process {
	t.Helper()
	return startedAs(t, "sh", append([]string{"-c", `ulimit -n "$0" && exec atrium "$@"`, files}, args...)...)
}

// flood opens connections that never authenticate. Every other one says a byte.
type flood struct {
	address string
	opened  int
	open    sync.WaitGroup
}

// knock opens one connection, which stays until the coordinator closes it.
func (f *flood) knock() error {
	conn, err := net.DialTimeout("tcp", f.address, 10*time.Second)
	if err != nil {
		return err
	}
	if f.opened++; f.opened%2 == 0 {
		_, _ = conn.Write([]byte{22}) // of a TLS record; the coordinator may have closed it
	}
	f.open.Go(func() {
		_, _ = io.Copy(io.Discard, conn) // until it is closed
		conn.Close()
	})
	return nil
}

// keepOn opens more until it is told to end.
func (f *flood) keepOn(t *testing.T) (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	pace := time.NewTicker(2 * time.Millisecond)
	go func() {
		defer close(ended)
		for {
			select {
			case <-pace.C:
				if err := f.knock(); err != nil {
					t.Errorf("connection %d of the flood: %v", f.opened, err)
					return
				}
			case <-stop:
				return
			}
		}
	}()
	return func() {
		pace.Stop()
		close(stop)
		<-ended
	}
}

// 8,000 connections that say nothing, from the hospitals' own address, and hundreds more
// every second: hospitals come in, rounds are done, and with 1,024 descriptors the lease
// stays. What is idle is closed after seconds, not minutes.
func TestFlood(t *testing.T) {
	t.Parallel()
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 1, 0
	s := newSite(t, plan)
	lead := startedWithin(t, "1024", "coordinator", "serve", s.coordinator())
	lead.await(t, "msg=serving")
	_, address, _ := strings.Cut(lead.wrote("msg=serving")[0], "address=")
	f := &flood{address: address}
	for range 8000 {
		if err := f.knock(); err != nil {
			t.Fatalf("connection %d of the flood: %v", f.opened, err)
		}
	}
	end := f.keepOn(t)
	var daemons []*process
	for _, name := range s.names {
		daemons = append(daemons, started(t, "hospital", "run", s.hospital(name)))
	}
	for _, d := range daemons {
		d.await(t, "version adopted")
	}
	end()
	t.Logf("%d connections of the flood", f.opened)
	f.idleIsClosed(t)
	f.open.Wait()
	s.stop(append(daemons, lead)...)
	if bad := append(lead.wrote("level=ERROR"), lead.wrote("lease")...); len(bad) > 0 {
		t.Errorf("the coordinator had trouble:\n%s", strings.Join(bad, "\n"))
	}
	if said := lead.wrote("never authenticated", "last_from=127.0.0.1"); len(said) == 0 || len(said) > 30 {
		t.Errorf("%d lines about the flood", len(said))
	}
}

// idleIsClosed waits until the coordinator closes a connection that says nothing.
func (f *flood) idleIsClosed(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("an idle connection is open after a minute")
	}
}

// A limit under which store and lease would not have what they need is said at the start.
func TestTooFewDescriptors(t *testing.T) {
	t.Parallel()
	s := newSite(t, plans.Cardiology())
	lead := startedWithin(t, "256", "coordinator", "serve", s.coordinator())
	if got := lead.status(t); got != 1 {
		t.Errorf("exit status %d", got)
	}
	if len(lead.wrote("256 for 3 hospitals, the store and the lease: too few file descriptors: at least 320 are needed (ulimit -n, ")) != 1 {
		t.Errorf("it says %q", lead.all)
	}
}
