package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"atrium/client/train/external/externaltest"
	"atrium/coordinator/setup"
)

// TestMain puts this test binary on the PATH as atrium, as chaos and as external trainers.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"atrium": main, "chaos": chaosMain,
		"act-honest": func() { externaltest.Main("honest") }, "act-flaky": func() { externaltest.Main("flaky") }})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "charter": charterOf}})
}

// charterOf sets CHARTER to the digest of the charter in a file: charter fed/coordinator/charter.json
func charterOf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: charter FILE")
	}
	c, err := setup.LoadCharter(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Setenv("CHARTER", c.Digest().String())
}

// anchored are the flags that anchor an audit of a federation whose parts lie in a folder.
func anchored(t testing.TB, folder string) []string {
	t.Helper()
	flags, err := anchorsIn(folder)
	if err != nil {
		t.Fatal(err)
	}
	return flags
}

// anchorsIn is anchored for who has no test at hand.
func anchorsIn(folder string) ([]string, error) {
	c, err := setup.LoadCharter(filepath.Join(folder, "coordinator", "charter.json"))
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(keptIn(filepath.Join(folder, "hospitals")))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no hospital in %s keeps a checkpoint", folder)
	}
	return append([]string{"--charter-digest", c.Digest().String(), "--checkpoint"}, files...), err
}

// exits runs a command that must end with a status: exits 2 atrium --foo
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
