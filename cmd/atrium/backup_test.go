package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
)

// TestBackupAndRestore: both sides are backed up while they run. The hospital that comes
// back from its backup is frozen until it has recovered, and takes part again; the
// coordinator that comes back from one that is older than what hospitals saw refuses to
// lead, and goes on from the newest copy.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 12, 0
	s := newSiteOf(t, plan, "a", "b", "c", "d")
	ofA, ofCoordinator := filepath.Join(s.dir, "backup", "a"), filepath.Join(s.dir, "backup", "coordinator")

	lead := started(t, "coordinator", "serve", s.coordinator())
	daemons := s.startAll()
	lead.await(t, "round done")
	lead.await(t, "round done")
	out, _ := ran(t, 0, "hospital", "backup", ofA, s.hospital("a"))
	contains(t, out, "secret keys among them", "OK: the copy of the journal was read")
	digestOfA := digestIn(t, out)
	out, _ = ran(t, 0, "coordinator", "backup", ofCoordinator, s.coordinator())
	digestOfCoordinator := digestIn(t, out)
	contains(t, out, "secret keys among them", "OK: the copy of the log is consistent with itself")
	for _, d := range daemons {
		d.await(t, "version adopted")
	}
	endAll(t, append(daemons, lead))
	onlyTheOwner(t, filepath.Join(s.dir, "backup"))
	_, errs := ran(t, 1, "hospital", "backup", ofA, s.hospital("a"))
	contains(t, errs, "directory is not empty: it has")

	// The hospital's disk is lost.
	state := filepath.Join(s.hospital("a"), "state")
	_, errs = ran(t, 1, "hospital", "restore", "--digest", digestOfA, ofA, s.hospital("a"))
	contains(t, errs, state, "directory is not empty")
	rename(t, s.hospital("a"), s.hospital("a")+".lost")
	out, _ = ran(t, 0, "hospital", "restore", "--digest", digestOfA, ofA, s.hospital("a"))
	contains(t, out, "it is frozen until: atrium hospital recover "+s.hospital("a"))
	for _, name := range []string{"a_train.csv", "a_test.csv"} { // records are not in a backup
		if _, err := os.Stat(filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, errs = ran(t, 1, "hospital", "run", s.hospital("a"))
	contains(t, errs, "frozen: this hospital signed what its journal does not know", "run: atrium hospital recover", "restored from the backup of 20")
	lead = started(t, "coordinator", "serve", s.coordinator())
	lead.await(t, "leading")
	out, _ = ran(t, 0, "hospital", "recover", s.hospital("a"), "--json")
	var r client.Recovery
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Sends == 0 || r.Join <= r.JoinBefore {
		t.Errorf("recovery %+v, %v", r, err)
	}
	if got := lead.end(t, syscall.SIGTERM); got != 0 {
		t.Errorf("the coordinator ends with status %d", got)
	}
	second := plan
	second.Name, second.Schedule.Rounds = "second", 2
	s.give(plan, second)
	s.train()
	if i := s.inspect(); i.Finished == "" || i.Trained != 2 || len(i.Abandonments) > 0 {
		t.Errorf("after the recovery: %+v", i)
	}

	// The coordinator's disk is lost, and its backup is old.
	rename(t, s.coordinator(), s.coordinator()+".newest")
	out, _ = ran(t, 0, "coordinator", "restore", "--digest", digestOfCoordinator, ofCoordinator, s.coordinator())
	contains(t, out, "OK: the log is consistent with itself; hospitals tell whether it is the newest. Start it with: atrium coordinator serve")
	lead = started(t, "coordinator", "serve", s.coordinator())
	daemons = s.startAll()
	if got, said := lead.said(t); got != 1 || !strings.Contains(said, "this store is an older copy or a fork, restore the newest one") {
		t.Errorf("a coordinator that is older than what hospitals saw ends with status %d:\n%s", got, said)
	}
	if err := os.RemoveAll(s.coordinator()); err != nil {
		t.Fatal(err)
	}
	rename(t, s.coordinator()+".newest", s.coordinator())
	lead = started(t, "coordinator", "serve", s.coordinator())
	lead.await(t, "leading")
	endAll(t, append(daemons, lead))
	s.audits()
}

// startAll starts every hospital's daemon.
func (s site) startAll() []*process {
	var daemons []*process
	for _, name := range s.names {
		daemons = append(daemons, started(s.t, "hospital", "run", s.hospital(name)))
	}
	return daemons
}

func endAll(t *testing.T, list []*process) {
	t.Helper()
	for _, p := range list {
		if got := p.end(t, syscall.SIGTERM); got != 0 {
			t.Errorf("%v ends with status %d", p.cmd.Args, got)
		}
	}
}

// said is the status of a process that ends by itself, and what it wrote.
func (p *process) said(t *testing.T) (status int, text string) {
	t.Helper()
	var all []string
	for line := range p.lines {
		all = append(all, line)
	}
	return p.status(t), strings.Join(all, "\n")
}

func contains(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, want := range words {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// onlyTheOwner checks that nobody else may read anything below a folder.
func onlyTheOwner(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
