package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
)

// hospitalFolder is a hospital with files in its folder, one outside, and a state.
type hospitalFolder struct {
	t            *testing.T
	dir          string // of everything
	base, backup string
	outside      string
	inv          Inventory
}

func newHospitalFolder(t *testing.T) *hospitalFolder {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &hospitalFolder{t: t, dir: dir, base: filepath.Join(dir, "a"), backup: filepath.Join(dir, "backup"), outside: filepath.Join(dir, "keys", "tls.key")}
	h.put(filepath.Join(h.base, ConfigFile), "state: state\n", 0o644)
	h.put(filepath.Join(h.base, "identity.key"), "secret", 0o600)
	h.put(h.outside, "secret too", 0o4777)
	h.put(filepath.Join(h.base, "state", "journal"), "line\n", 0o600)
	h.put(filepath.Join(h.base, "state", "store", "object"), "bytes", 0o666)
	if err := os.Mkdir(filepath.Join(h.base, "state", "store", ".tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.make()
	return h
}

func (h *hospitalFolder) put(path, text string, mode fs.FileMode) {
	h.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hospitalFolder) files() []string {
	return []string{filepath.Join(h.base, ConfigFile), filepath.Join(h.base, "identity.key"), h.outside, h.outside}
}

func (h *hospitalFolder) state() string { return filepath.Join(h.base, "state") }

func (h *hospitalFolder) make() {
	h.t.Helper()
	inv, err := NewBackup(h.backup, h.base, HospitalBackup, "f", h.state(), h.files(), time.Now())
	if err == nil {
		err = CopyTree(h.state(), filepath.Join(h.backup, BackupState), "journal", "frozen")
	}
	if err == nil {
		err = errors.Join(inv.AddState(h.backup), inv.Finish(h.backup))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.inv = inv
}

// lose takes the disk of the hospital away.
func (h *hospitalFolder) lose() {
	h.t.Helper()
	if err := errors.Join(os.RemoveAll(h.base), os.RemoveAll(filepath.Dir(h.outside))); err != nil {
		h.t.Fatal(err)
	}
}

// restore does what the command does, with everything agreed to.
func (h *hospitalFolder) restore() (Places, error) {
	inv, err := OpenBackup(h.backup, HospitalBackup)
	if err != nil {
		return Places{}, err
	}
	files, err := inv.Read(h.backup)
	if err != nil {
		return Places{}, err
	}
	if err := inv.Matches(h.base, h.state(), h.files()); err != nil {
		return Places{}, err
	}
	p, err := inv.Places(h.base, h.state())
	if err != nil {
		return p, err
	}
	return p, errors.Join(inv.WriteState(h.backup, p), inv.Write(p, files))
}

func TestBackupComesBackAsItWas(t *testing.T) {
	h := newHospitalFolder(t)
	want := h.everything()
	h.lose()
	p, err := h.restore()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, h.everything()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{h.outside}, p.Outside); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(h.state(), "store", ".tmp")); err != nil {
		t.Error(err)
	}
	for path := range want {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s comes back with mode %s, %v: want 0600", path, info.Mode(), err)
		}
	}
}

// everything is what lies in the folder and outside, by path.
func (h *hospitalFolder) everything() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	for _, dir := range []string{h.base, filepath.Dir(h.outside)} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			all[path] = string(b)
			return err
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return all
}

func TestBackupDigest(t *testing.T) {
	h := newHospitalFolder(t)
	b, err := os.ReadFile(filepath.Join(h.backup, inventoryFile))
	if err != nil {
		t.Fatal(err)
	}
	if sumOf(b) != h.inv.Digest() {
		t.Error("the digest is not that of the file")
	}
	read, err := OpenBackup(h.backup, HospitalBackup)
	if err != nil {
		t.Fatal(err)
	}
	if err := read.CheckDigest(h.inv.Digest()); err != nil {
		t.Error(err)
	}
	read.Files[0].SHA256 = sumOf([]byte("state: elsewhere\n"))
	for _, digest := range []string{h.inv.Digest(), "", strings.ToUpper(h.inv.Digest())} {
		if err := read.CheckDigest(digest); !errors.Is(err, ErrDigest) {
			t.Errorf("an edited backup passes for %q: %v", digest, err)
		}
	}
}

// TestEditedBackupIsRefused: somebody edited the backup, and the person who restores it
// even took the digest of what they were given. Nothing is written.
func TestEditedBackupIsRefused(t *testing.T) {
	sum := sumOf(nil)
	tests := map[string]struct {
		edit func(h *hospitalFolder, inv *Inventory)
		want string
	}{
		"parent":         {func(_ *hospitalFolder, inv *Inventory) { inv.Files = append(inv.Files, BackedUp{"../../x", sum}) }, `"../../x" is out of order`},
		"parent first":   {func(_ *hospitalFolder, inv *Inventory) { inv.Files = append([]BackedUp{{"../x", sum}}, inv.Files...) }, `"../x" leaves its folder`},
		"absolute":       {func(_ *hospitalFolder, inv *Inventory) { inv.Files = append([]BackedUp{{"/etc/x", sum}}, inv.Files...) }, `"/etc/x" leaves its folder`},
		"outside parent": {func(_ *hospitalFolder, inv *Inventory) { inv.Outside = []BackedUp{{"/a/../etc/x", sum}} }, `"/a/../etc/x" is no plain absolute path`},
		"a new file": {func(h *hospitalFolder, inv *Inventory) {
			h.put(filepath.Join(h.backup, filesFolder, "x"), "", 0o600)
			inv.Files = append(inv.Files, BackedUp{"x", sum})
		}, "a/x, which its atrium.yaml does not name"},
		"a new file outside": {func(h *hospitalFolder, inv *Inventory) {
			h.put(filepath.Join(h.backup, outsideFolder, h.dir, "cron.d", "x"), "", 0o600)
			inv.Outside = append([]BackedUp{{filepath.Join(h.dir, "cron.d", "x"), sum}}, inv.Outside...)
		}, "cron.d/x, which its atrium.yaml does not name"},
		"a file less":     {func(_ *hospitalFolder, inv *Inventory) { inv.Files = inv.Files[:1] }, "it lacks"},
		"no atrium.yaml":  {func(_ *hospitalFolder, inv *Inventory) { inv.Files = inv.Files[1:] }, "atrium.yaml is missing"},
		"other state":     {func(_ *hospitalFolder, inv *Inventory) { inv.State = "other" }, "a/other, but its atrium.yaml names"},
		"state at a URL":  {func(_ *hospitalFolder, inv *Inventory) { inv.State = "s3://b/x" }, `state "s3://b/x" is no place`},
		"content leaves":  {func(_ *hospitalFolder, inv *Inventory) { inv.Contents[0].Path = "../journal" }, `"../journal" leaves its folder`},
		"folder leaves":   {func(_ *hospitalFolder, inv *Inventory) { inv.Folders = []string{"../../x"} }, `"../../x" leaves its folder`},
		"terminal escape": {func(_ *hospitalFolder, inv *Inventory) { inv.Files[1].Path = "i\x1b[2Jx" }, `"i\x1b[2Jx"`},
		"other kind":      {func(_ *hospitalFolder, inv *Inventory) { inv.Kind = "x\x1by" }, `"x\x1by"`},
		"other bytes": {func(h *hospitalFolder, _ *Inventory) {
			h.put(filepath.Join(h.backup, filesFolder, "identity.key"), "another", 0o600)
		}, "files/identity.key: backup does not hold: it has other bytes than backup.json says"},
		"cut journal": {func(h *hospitalFolder, _ *Inventory) {
			h.put(filepath.Join(h.backup, BackupState, "journal"), "", 0o600)
		},
			"state/journal: backup does not hold: it has other bytes than backup.json says"},
		"no journal": {func(h *hospitalFolder, _ *Inventory) { os.Remove(filepath.Join(h.backup, BackupState, "journal")) }, "state/journal: statat journal: no such file"},
		"link in the files": {func(h *hospitalFolder, _ *Inventory) {
			h.link(filepath.Join(h.backup, "secret"), filepath.Join(h.backup, filesFolder, "identity.key"))
		}, "identity.key: backup does not hold: a link"},
		"link out of the state": {func(h *hospitalFolder, _ *Inventory) {
			h.put(filepath.Join(h.dir, "elsewhere", "object"), "bytes", 0o600)
			h.link(filepath.Join(h.dir, "elsewhere"), filepath.Join(h.backup, BackupState, "store"))
		}, "path escapes from parent"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHospitalFolder(t)
			h.lose()
			test.edit(h, &h.inv)
			h.put(filepath.Join(h.backup, inventoryFile), string(federation.Encode(h.inv)), 0o600)
			if _, err := h.restore(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			h.nothing()
		})
	}
}

// link replaces what is at a path by a link.
func (h *hospitalFolder) link(to, at string) {
	h.t.Helper()
	if err := errors.Join(os.RemoveAll(at), os.MkdirAll(filepath.Dir(at), 0o700), os.Symlink(to, at)); err != nil {
		h.t.Fatal(err)
	}
}

// nothing checks that nothing was restored.
func (h *hospitalFolder) nothing() {
	h.t.Helper()
	for _, path := range []string{h.base, filepath.Dir(h.outside), filepath.Join(h.dir, "x"), filepath.Join(h.dir, "cron.d")} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			h.t.Errorf("%s was written: %v", path, err)
		}
	}
}

// TestLinksWhereABackupGoes: links in the target lead nowhere else than what is listed.
func TestLinksWhereABackupGoes(t *testing.T) {
	for _, at := range []string{"state", "identity.key"} {
		h := newHospitalFolder(t)
		h.lose()
		h.link(filepath.Join(h.dir, "elsewhere"), filepath.Join(h.base, at))
		if err := os.Mkdir(filepath.Join(h.dir, "elsewhere"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := h.restore(); !errors.Is(err, ErrBackup) || !strings.Contains(err.Error(), "a link on the way leads to") {
			t.Errorf("%s is a link: got %v", at, err)
		}
		if list, err := os.ReadDir(filepath.Join(h.dir, "elsewhere")); err != nil || len(list) > 0 {
			t.Errorf("%s is a link, and what it leads to has %v, %v", at, list, err)
		}
	}

	h := newHospitalFolder(t)
	h.lose()
	h.link(filepath.Join(h.dir, "nowhere"), filepath.Join(h.base, "state"))
	if _, err := h.restore(); err == nil {
		t.Error("a link that leads nowhere is no obstacle")
	}

	h = newHospitalFolder(t)
	h.lose()
	if err := os.Mkdir(filepath.Join(h.dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.link(filepath.Join(h.dir, "real"), filepath.Join(h.dir, "keys"))
	p, err := h.restore()
	if diff := cmp.Diff([]string{filepath.Join(h.dir, "real", "tls.key")}, p.Outside); err != nil || diff != "" {
		t.Errorf("outside is not listed as its links resolve: %v %s", err, diff)
	}
}

// TestCoordinatorStorageElsewhere: where the log goes the configuration says, and a bucket is
// as much outside the folder as another directory.
func TestCoordinatorStorageElsewhere(t *testing.T) {
	into := t.TempDir()
	inv := Inventory{Kind: CoordinatorBackup, State: "state", Files: []BackedUp{{ConfigFile, sumOf(nil)}}}
	for storage, want := range map[string][]string{"s3://b/x": {"s3://b/x"}, filepath.Join(into, "state"): nil, "/nowhere/log": {"/nowhere/log"}} {
		if err := inv.Matches(into, storage, []string{filepath.Join(into, ConfigFile)}); err != nil {
			t.Error(err)
		}
		p, err := inv.Places(into, storage)
		if diff := cmp.Diff(want, p.Outside); err != nil || diff != "" {
			t.Errorf("storage %s: %v %s", storage, err, diff)
		}
	}
}

// TestNothingIsWrittenOver: what is there stays where it is the same, and stops everything
// where it is not.
func TestNothingIsWrittenOver(t *testing.T) {
	h := newHospitalFolder(t)
	h.lose()
	h.put(h.outside, "secret too", 0o600)
	if _, err := h.restore(); err != nil {
		t.Error(err)
	}
	if _, err := h.restore(); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a state that is there: got %v", err)
	}
	for _, text := range []string{"another", ""} {
		h.lose()
		h.put(h.outside, text, 0o600)
		if _, err := h.restore(); !errors.Is(err, ErrBackup) || !strings.Contains(err.Error(), "it is there with other bytes") {
			t.Errorf("a file with other bytes: got %v", err)
		}
		if _, err := os.Stat(h.base); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("something was restored: %v", err)
		}
	}
}

func TestBackupRefuses(t *testing.T) {
	h := newHospitalFolder(t)
	dest := filepath.Join(h.state(), "backup")
	if _, err := NewBackup(dest, h.base, HospitalBackup, "f", h.state(), h.files(), time.Now()); !errors.Is(err, ErrBackup) {
		t.Errorf("a backup in the state: got %v", err)
	}
	if _, err := NewBackup(h.backup, h.base, HospitalBackup, "f", h.state(), h.files(), time.Now()); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a backup over another: got %v", err)
	}
	h.link("/etc/passwd", filepath.Join(h.state(), "link"))
	if err := CopyTree(h.state(), filepath.Join(h.dir, "copy"), "journal", ""); !errors.Is(err, ErrBackup) || !strings.Contains(err.Error(), "state/link") {
		t.Errorf("a link in the state: got %v", err)
	}
	// A state that is a link itself is followed.
	if err := errors.Join(os.Remove(filepath.Join(h.state(), "link")), os.Symlink(h.state(), filepath.Join(h.dir, "by-link"))); err != nil {
		t.Fatal(err)
	}
	if err := CopyTree(filepath.Join(h.dir, "by-link"), filepath.Join(h.dir, "copy2"), "journal", ""); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "copy2", "store", "object")); err != nil {
		t.Error(err)
	}
}

// FuzzInventory: what is read of an inventory is written again with the same bytes, so that
// one digest names it; its files go into the folder and those outside are said to.
func FuzzInventory(f *testing.F) {
	sum := sumOf(nil)
	for _, inv := range []Inventory{
		{V: 1, Kind: HospitalBackup, Federation: "f", Time: "2027-03-01T00:00:00.000Z", State: "state", Files: []BackedUp{{ConfigFile, sum}},
			Outside: []BackedUp{{"/etc/x", sum}}, Contents: []BackedUp{{"journal", sum}}, Folders: []string{"store/.tmp"}},
		{V: 1, Kind: CoordinatorBackup, Federation: "f", Time: "2027-03-01T00:00:00.000Z", State: "s3://b/x", Files: []BackedUp{{ConfigFile, sum}}, Log: LogHead{1, sum}},
	} {
		if _, err := decodeInventory(federation.Encode(inv), inv.Kind); err != nil {
			f.Fatal(err)
		}
		f.Add(federation.Encode(inv))
	}
	f.Add([]byte(`{"v":1,"kind":"hospital","files":[{"path":"a","mode":384,"sha256":"` + sum + `"}]}`))
	f.Add([]byte(`{"v":1,"kind":"hospital","files":[{"path":"/x","mode":384,"sha256":""}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range []string{CoordinatorBackup, HospitalBackup} {
			inv, err := decodeInventory(b, kind)
			if err != nil {
				continue
			}
			if inv.Digest() != sumOf(b) {
				t.Fatal("the digest is not that of the bytes")
			}
			paths := inv.Folders
			for _, list := range [][]BackedUp{inv.Files, inv.Contents} {
				for _, x := range list {
					paths = append(paths, x.Path)
				}
			}
			for _, path := range paths {
				if to := inv.Place(path, "/into"); !strings.HasPrefix(to, "/into/") || to != filepath.Clean(to) {
					t.Fatalf("%q is restored to %s", path, to)
				}
			}
			for _, x := range inv.Outside {
				if !filepath.IsAbs(x.Path) || x.Path != filepath.Clean(x.Path) {
					t.Fatalf("%q is outside", x.Path)
				}
			}
		}
	})
}
