package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/storage"
	"atrium/storage/local"
)

// TestStorageCopy moves a federation from a directory to a bucket, where it goes on, and
// back.
func TestStorageCopy(t *testing.T) {
	t.Parallel()
	s := newS3Site(t)
	dir := filepath.Join(t.TempDir(), "demo")
	first := startDemo(t, dir, "--rounds", "1").result()
	place, back := "s3://"+s.bucket+"/moved", filepath.Join(t.TempDir(), "back")
	copyTo := func(fails bool, args ...string) string {
		t.Helper()
		return s.atrium(t, fails, append([]string{"coordinator", "storage", "copy", "--config", s.config}, args...)...)
	}
	out := copyTo(false, first.Store, place)
	has(t, out, "root "+first.Log.Root)
	has(t, out, "OK: every object is the same, and the copy is consistent with itself")
	has(t, copyTo(false, first.Store, place), "; 0 were written")
	has(t, copyTo(false, place, back), "OK: ")
	requireSameObjects(t, first.Store, back)
	has(t, s.atrium(t, false, append([]string{"audit", "replay", "--storage", back}, anchored(t, filepath.Join(dir, demoFederation))...)...), "bit for bit")

	var there, here usage
	for place, u := range map[string]*usage{place: &there, back: &here} {
		text := s.atrium(t, false, "coordinator", "storage", "du", "--storage", place, "--config", s.config, "--json")
		if err := json.Unmarshal([]byte(text), u); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	if len(here.Folders) < 6 || here.Objects == 0 || here.Bytes == 0 {
		t.Errorf("du: %+v", here)
	}
	for i, f := range here.Folders { // the bucket has the objects of its probe besides
		if g := there.Folders[i]; f.Folder != "blob" && f.Folder != pointers && f != g {
			t.Errorf("du: %+v in the directory, %+v in the bucket", f, g)
		}
	}
	has(t, s.atrium(t, false, "coordinator", "storage", "du", filepath.Join(dir, "federation/coordinator")), "rounds ")

	// It goes on where it is now, and comes back with what it did there.
	s.setStorage(t, filepath.Join(dir, "federation/coordinator/atrium.yaml"), place)
	p := started(t, "coordinator", "serve", filepath.Join(dir, "federation/coordinator"))
	p.await(t, "msg=leading")
	if status := p.end(t, os.Interrupt); status != 0 {
		t.Errorf("exit status %d", status)
	}
	has(t, copyTo(true, first.Store, place), "target is ahead of the source")
	has(t, copyTo(false, place, first.Store), "OK: ")
	has(t, copyTo(false, first.Store, place), "; 0 were written")

	other := filepath.Join(t.TempDir(), "other")
	s.atrium(t, false, "coordinator", "init", "--hospitals", "a,b,c", "--dir", other)
	has(t, copyTo(true, filepath.Join(other, "coordinator/state"), place), "log/000000000000: target holds another log")
	has(t, copyTo(true, s.dir, place), "directory holds no bucket")
	has(t, copyTo(true, "s3://"+s.bucket+"/nothing", filepath.Join(t.TempDir(), "x")), "no log")
	has(t, copyTo(true, place), "want FROM and TO")
}

// setStorage edits a coordinator's configuration file as whoever moved its state does.
func (s s3Site) setStorage(t *testing.T, file, place string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "storage: state", "storage: "+place, 1) + fmt.Sprintf(
		"s3:\n  endpoint: [%s]\n  ca: %s\n  credentials: %s\n", s.Endpoints[0], s.CAFile, filepath.Join(s.dir, "credentials"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// requireSameObjects compares two directories, but for the lease.
func requireSameObjects(t *testing.T, a, b string) {
	t.Helper()
	all := func(dir string) map[string]string {
		bucket, err := local.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer bucket.Close()
		infos, err := bucket.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		objects := map[string]string{}
		for _, i := range infos {
			data, err := bucket.Get(t.Context(), i.Name, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			objects[i.Name] = string(data)
		}
		return objects
	}
	from, to := all(a), all(b)
	delete(from, storage.Lease)
	for name, data := range from {
		if to[name] != data {
			t.Errorf("%s differs", name)
		}
	}
	if len(from) != len(to) || len(from) < 20 {
		t.Errorf("%d objects, %d in the copy", len(from), len(to))
	}
}

// TestStorageCopyOfALedOne: two served storages would fork the log, so that a source that
// is led is copied as a backup only.
func TestStorageCopyOfALedOne(t *testing.T) {
	t.Parallel()
	s := s3Site{dir: t.TempDir()}
	fed := filepath.Join(s.dir, "fed")
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s.atrium(t, false, "coordinator", "init", "--hospitals", "a,b,c,d", "--dir", fed, "--listen", address)
	p := started(t, "coordinator", "serve", filepath.Join(fed, "coordinator"))
	p.await(t, "msg=leading")
	state, backup := filepath.Join(fed, "coordinator/state"), filepath.Join(s.dir, "backup")
	out := s.atrium(t, true, "coordinator", "storage", "copy", state, backup)
	has(t, out, "a coordinator at "+address+" leads it: stop it first, or copy a backup with --live")
	if _, err := os.Stat(backup); !os.IsNotExist(err) {
		t.Errorf("the refused copy left %s: %v", backup, err)
	}
	has(t, s.atrium(t, false, "coordinator", "storage", "copy", "--live", state, backup), "OK: ")
	if status := p.end(t, os.Interrupt); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if out := s.atrium(t, false, "coordinator", "storage", "copy", state, backup); !strings.Contains(out, "OK: ") {
		t.Error(out)
	}
}
