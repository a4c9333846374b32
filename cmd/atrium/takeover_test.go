package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/storage/local"
)

// await reads the log until it is as wanted.
func (f *follower) await(t *testing.T, what string, reached func(round.State) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := f.advance(t.Context()); err != nil {
			t.Fatal(err)
		}
		if reached(f.state) {
			return
		}
	}
	t.Fatalf("%s: not reached in round %d, %s", what, f.state.Round.Number, f.state.Round.Phase)
}

// follow opens the log of a site.
func (s site) follow() *follower {
	s.t.Helper()
	charter, err := setup.LoadCharter(filepath.Join(s.coordinator(), "charter.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	bucket, err := local.Open(filepath.Join(s.coordinator(), "state"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { bucket.Close() })
	return newFollower(bucket, charter)
}

// coordinators starts one on each address, all on one storage; the first leads.
func (s site) coordinators(addresses ...string) []*process {
	s.t.Helper()
	var all []*process
	for i, address := range addresses {
		all = append(all, s.serveAt(address))
		all[i].await(s.t, map[bool]string{true: "leading", false: "standing by"}[i == 0])
	}
	return all
}

func (s site) serveAt(address string) *process {
	s.t.Helper()
	return started(s.t, "coordinator", "serve", s.coordinator(), "--listen", address, "--addresses", address)
}

func ports(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n {
		address, err := freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, address)
	}
	return addresses
}

// TestTakeover: the leader is killed while hospitals upload; the standby goes on with the
// same round within ten seconds. The new leader is stopped for longer than its lease, the
// first one, started again, takes over; when the stopped one goes on it writes nothing.
func TestTakeover(t *testing.T) {
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 14, 0
	s := newSite(t, plan)
	addresses := ports(t, 2)
	both := s.coordinators(addresses...)
	var hospitals []*process
	for _, name := range s.names {
		hospitals = append(hospitals, started(t, "hospital", "run", s.hospital(name), "--coordinator", strings.Join(addresses, ","), "--log-level", "debug"))
	}
	log := s.follow()
	log.await(t, "updates of the third round", func(s round.State) bool {
		return s.Round.Number >= 3 && s.Round.Phase == round.Collecting && len(s.Round.Updates) > 0
	})
	if got := both[0].end(t, syscall.SIGKILL); got != -1 {
		t.Errorf("killed, it ends with status %d", got)
	}
	killed := time.Now()
	if _, err := log.advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	number, phase, epoch := log.state.Round.Number, log.state.Round.Phase, log.state.Epoch
	log.await(t, "another leader", func(s round.State) bool { return s.Epoch > epoch })
	took := time.Since(killed)
	log.await(t, "the end of the round", func(s round.State) bool { return s.Round.Number > number || !s.Round.Phase.Running() })
	t.Logf("killed in round %d, %s: another led after %v, the round ended after %v", number, phase, took, time.Since(killed))
	if took > 10*time.Second {
		t.Errorf("takeover after %v", took)
	}
	out, _ := ran(t, 0, "coordinator", "status", s.coordinator())
	if !regexp.MustCompile(`leader +` + addresses[1] + ` .*, term [0-9]+; lease of 6s`).MatchString(out) {
		t.Errorf("status does not name the leader %s:\n%s", addresses[1], out)
	}

	again := s.serveAt(addresses[0])
	again.await(t, "standing by")
	log.await(t, "another round", func(s round.State) bool { return s.Round.Number > number+1 && s.Round.Phase == round.Collecting })
	if err := both[1].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	epoch = log.state.Epoch
	log.await(t, "the first leader again", func(s round.State) bool { return s.Epoch > epoch })
	t.Logf("stopped: another led after %v", time.Since(stopped))
	if took := time.Since(stopped); took > 10*time.Second {
		t.Errorf("takeover after %v", took)
	}
	if err := both[1].cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	both[1].await(t, "this one stands by")
	for _, d := range hospitals {
		d.await(t, "version adopted")
	}
	handed := time.Now()
	epoch = log.state.Epoch
	again.end(t, os.Interrupt)
	log.await(t, "a leader after one that said it stops", func(s round.State) bool { return s.Epoch > epoch })
	t.Logf("ended in order: another led after %v", time.Since(handed))
	if took := time.Since(handed); took > 4*time.Second { // it looks once a second
		t.Errorf("a lease that was given up was taken after %v", took)
	}
	if log.abandoned > 0 {
		t.Errorf("%d rounds were abandoned, the last: %s", log.abandoned, log.lastReason)
	}
	for _, d := range hospitals { // in rounds that went on, what was trained before was sent again
		for n := 2; n <= 15; n++ {
			if lines := d.wrote("msg=trained", fmt.Sprintf(" round=%d ", n)); len(lines) != 1 {
				t.Errorf("%v trained %d times in round %d", d.cmd.Args, len(lines), n)
			}
		}
	}
	for _, d := range append(hospitals, both[1]) {
		if got := d.end(t, syscall.SIGTERM); got != 0 {
			t.Errorf("%v ends with status %d", d.cmd.Args, got)
		}
	}
	s.audits()
	if i := s.inspect(); i.Trained != 14 || i.Version != 15 {
		t.Errorf("%d rounds trained, version %d", i.Trained, i.Version)
	}
}
