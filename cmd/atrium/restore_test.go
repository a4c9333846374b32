package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

// TestEditedBackup: whoever can write to a hospital's backup wants its custodian back with an
// empty memory, or a file of theirs on its machine. The digest that backup printed finds
// every edit. The rules behind it hold where somebody restored under the digest of the
// edited backup.
func TestEditedBackup(t *testing.T) {
	t.Parallel()
	s := newSiteOf(t, plans.Cardiology(), "a", "b", "c")
	folder, backup := s.hospital("a"), filepath.Join(s.dir, "backup")
	out, _ := ran(t, 0, "hospital", "backup", backup, folder)
	digest := digestIn(t, out)
	rename(t, folder, folder+".lost")
	refused := func(backup, digest string, env []string, words ...string) {
		t.Helper()
		args := []string{"hospital", "restore", backup, folder}
		if digest != "" {
			args = append(args, "--digest", digest)
		}
		_, errs := answered(t, 1, "", env, args...)
		contains(t, errs, words...)
		for _, path := range []string{folder, filepath.Join(s.dir, "cron.d")} {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s was written: %v", path, err)
			}
		}
	}
	refused(backup, "", nil, backup, "no digest was given: nothing was restored")
	refused(backup, digest, []string{"ATRIUM_STATE=" + s.dir}, "atrium.yaml: state is", "by ATRIUM_STATE")

	yaml := func(e *edited, text string) { e.file("atrium.yaml", []byte(text)) }
	tests := map[string]struct {
		edit func(e *edited)
		want []string
	}{
		"the state is called otherwise": {func(e *edited) { e.inv.State = "other" },
			[]string{"it is of the state " + filepath.Join(folder, "other"), "but its atrium.yaml names " + filepath.Join(folder, "state")}},
		"the configuration has another state": {func(e *edited) {
			b, err := os.ReadFile(filepath.Join(e.dir, "files", "atrium.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			yaml(e, strings.Replace(string(b), "state: state", "state: other", 1))
		}, []string{"it is of the state " + filepath.Join(folder, "state"), "but its atrium.yaml names " + filepath.Join(folder, "other")}},
		"the configuration lists federations": {func(e *edited) { yaml(e, "federations: [x, y]\n") }, []string{"atrium.yaml: it lists", "restored by itself"}},
		"the journal is gone":                 {func(e *edited) { e.inv.Contents = nil }, []string{"it lacks the journal of the state"}},
		"a file more": {func(e *edited) {
			path := filepath.Join(s.dir, "cron.d", "x")
			e.put(filepath.Join("outside", path), nil)
			e.inv.Outside = []setup.BackedUp{{Path: path, SHA256: sumText(nil)}}
		}, []string{filepath.Join(s.dir, "cron.d", "x") + ", which its atrium.yaml does not name"}},
		"a file above": {func(e *edited) {
			e.inv.Files = append([]setup.BackedUp{{Path: "../cron.d/x", SHA256: sumText(nil)}}, e.inv.Files...)
		},
			[]string{`"../cron.d/x" leaves its folder`}},
	}
	for name, test := range tests {
		e := edit(t, backup, filepath.Join(t.TempDir(), "backup"))
		test.edit(e)
		own := e.save()
		t.Log(name)
		if !strings.HasPrefix(name, "a file above") { // which no digest is asked for
			refused(e.dir, digest, nil, "backup "+e.dir, "digest of backup.json is not the one given")
		}
		refused(e.dir, own, nil, append(test.want, "backup "+e.dir)...)
	}

	// The backup itself comes back, frozen.
	out, _ = ran(t, 0, "hospital", "restore", backup, folder, "--digest", digest)
	contains(t, out, "journal     up to join 0", "it is frozen until: atrium hospital recover "+folder)
	_, errs := ran(t, 1, "hospital", "run", folder)
	contains(t, errs, "frozen: ", "restored from the backup of 20")

	// So does its state when somebody copies it past restore.
	state := filepath.Join(folder, "state")
	if err := errors.Join(os.RemoveAll(state), os.CopyFS(state, os.DirFS(filepath.Join(backup, "state")))); err != nil {
		t.Fatal(err)
	}
	_, errs = ran(t, 1, "hospital", "run", folder)
	contains(t, errs, "frozen: ", "copied by hand from the backup of 20")
}

// TestRestoreOutsideTheFolder: state and a key lie elsewhere. They are listed, restored when
// somebody agrees, and it is the state that the configuration names that is frozen.
func TestRestoreOutsideTheFolder(t *testing.T) {
	t.Parallel()
	s := newSiteOf(t, plans.Cardiology(), "a", "b", "c")
	real, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	folder, backup := s.hospital("a"), filepath.Join(s.dir, "backup")
	state, key := filepath.Join(real, "states", "a"), filepath.Join(real, "keys", "a.key")
	for _, dir := range []string{filepath.Dir(state), filepath.Dir(key)} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	rename(t, filepath.Join(folder, "state"), state)
	rename(t, filepath.Join(folder, "identity.key"), key)
	replaceLine(t, filepath.Join(folder, "atrium.yaml"), "state: ", "state: "+state)
	replaceLine(t, filepath.Join(folder, "atrium.yaml"), "identity_key: ", "identity_key: "+key)
	out, _ := ran(t, 0, "hospital", "backup", backup, folder)
	digest := digestIn(t, out)
	lose := func() {
		t.Helper()
		if err := errors.Join(os.RemoveAll(folder), os.RemoveAll(filepath.Dir(state)), os.RemoveAll(filepath.Dir(key))); err != nil {
			t.Fatal(err)
		}
	}

	lose()
	out, errs := answered(t, 1, digest+"\nno\n", nil, "hospital", "restore", backup, folder)
	contains(t, out, "The backup also writes outside "+folder, "\n  "+state+"\n", "\n  "+key+"\n")
	contains(t, errs, state, key, "nobody agreed: nothing was restored")
	_, errs = ran(t, 1, "hospital", "restore", backup, folder, "--digest", digest, "--outside", state)
	contains(t, errs, key+": outside", "nobody agreed")
	_, errs = ran(t, 2, "hospital", "restore", backup, folder, "--digest", digest, "--outside", "/etc/x")
	contains(t, errs, `--outside "/etc/x": the backup has nothing there`)
	for _, path := range []string{folder, state, key} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was written: %v", path, err)
		}
	}

	frozen := func() {
		t.Helper()
		for path, mode := range map[string]fs.FileMode{key: 0o600, state: 0o700 | fs.ModeDir, filepath.Join(state, client.FrozenFile): 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode() != mode {
				t.Errorf("%s comes back as %v, %v", path, info, err)
			}
		}
		_, errs := ran(t, 1, "hospital", "run", folder)
		contains(t, errs, "frozen: ", state)
	}
	answered(t, 0, digest+"\nyes\n", nil, "hospital", "restore", backup, folder)
	frozen()
	lose()
	ran(t, 0, "hospital", "restore", backup, folder, "--digest", digest, "--outside", state, "--outside", key)
	frozen()
}

// TestEditedCoordinatorBackup: another log than the one that was backed up is not restored.
func TestEditedCoordinatorBackup(t *testing.T) {
	t.Parallel()
	s := newSiteOf(t, plans.Cardiology(), "a", "b", "c")
	folder, backup := s.coordinator(), filepath.Join(s.dir, "backup")
	out, _ := ran(t, 0, "coordinator", "backup", backup, folder)
	digest := digestIn(t, out)
	rename(t, folder, folder+".lost")
	other := newSiteOf(t, plans.Cardiology(), "a", "b", "c")
	rename(t, filepath.Join(backup, "state"), filepath.Join(backup, "state.own"))
	rename(t, filepath.Join(other.coordinator(), "state"), filepath.Join(backup, "state"))
	_, errs := ran(t, 1, "coordinator", "restore", backup, folder, "--digest", digest)
	contains(t, errs, "backup "+backup, "the log has size 2", "the backup was made of size 2")
	if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was restored: %v", err)
	}
}

// edited is a copy of a backup in the hands of somebody who can write to it.
type edited struct {
	t   *testing.T
	dir string
	inv setup.Inventory
}

func edit(t *testing.T, backup, dir string) *edited {
	t.Helper()
	e := &edited{t: t, dir: dir}
	if err := os.CopyFS(dir, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "backup.json"))
	if err == nil {
		err = json.Unmarshal(b, &e.inv)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *edited) put(name string, b []byte) {
	e.t.Helper()
	path := filepath.Join(e.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
		e.t.Fatal(err)
	}
}

// file replaces a configured file and what the inventory says of it.
func (e *edited) file(path string, b []byte) {
	e.t.Helper()
	e.put(filepath.Join("files", path), b)
	for i, f := range e.inv.Files {
		if f.Path == path {
			e.inv.Files[i].SHA256 = sumText(b)
		}
	}
}

// save writes the inventory and returns the digest that it has now.
func (e *edited) save() string {
	e.t.Helper()
	b := federation.Encode(e.inv)
	e.put("backup.json", b)
	return sumText(b)
}

func sumText(b []byte) string { return federation.Sum(b).String() }

// digestIn finds the digest that a backup printed.
func digestIn(t *testing.T, out string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^digest +([0-9a-f]{64})$`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no digest in:\n%s", out)
	}
	return found[1]
}
