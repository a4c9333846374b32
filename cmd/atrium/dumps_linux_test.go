package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"atrium/cmd/atrium/plans"
)

// What a process does about dumps holds for all of it, and is undone for the other tests.
func TestNoDumps(t *testing.T) {
	if err := noDumps(); err != nil {
		t.Fatal(err)
	}
	if may, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || may != 0 {
		t.Errorf("dumpable: %d, %v", may, err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// Daemons leave no core image, whoever collects them: their memory may not be dumped, so
// that what /proc shows of them belongs to root, and is nobody's to read but root's.
func TestDaemonsAreNotDumped(t *testing.T) {
	t.Parallel()
	s := newSite(t, plans.Cardiology())
	lead, daemons := s.serve("a")
	lead.await(t, "msg=serving")
	daemons[0].await(t, "msg=")
	for _, p := range append(daemons, lead) {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(limits)) {
			if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (f[4] != "0" || f[5] != "0") {
				t.Errorf("%v: %s", p.cmd.Args, line)
			}
		}
	}
	s.stop(daemons[0])
	if got := lead.end(t, syscall.SIGQUIT); got == 0 || lead.cmd.ProcessState.Sys().(syscall.WaitStatus).CoreDump() {
		t.Errorf("it ends with status %d, core image: %v", got, lead.cmd.ProcessState)
	}
}
