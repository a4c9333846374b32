package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each case changes one thing on the way to home/policy.yaml, which real/policy.yaml is
// through two links.
func TestTrust(t *testing.T) {
	for name, c := range map[string]struct {
		change func(in func(...string) string) error
		want   string // of the refusal; "" for none
	}{
		"as it is":            {func(func(...string) string) error { return nil }, ""},
		"file of all":         {func(in func(...string) string) error { return os.Chmod(in("real", "policy.yaml"), 0o646) }, "real/policy.yaml has mode 0646; run: chmod go-w "},
		"file of a group":     {func(in func(...string) string) error { return os.Chmod(in("real", "policy.yaml"), 0o664) }, "real/policy.yaml has mode 0664; run: chmod go-w "},
		"folder of the file":  {func(in func(...string) string) error { return os.Chmod(in("real"), 0o777) }, "real has mode 0777; run: chmod go-w "},
		"folder of a link":    {func(in func(...string) string) error { return os.Chmod(in("links"), 0o775) }, "links has mode 0775; run: chmod go-w "},
		"folder above":        {func(in func(...string) string) error { return os.Chmod(in("."), 0o777) }, " has mode 0777; run: chmod go-w "},
		"sticky folder above": {func(in func(...string) string) error { return os.Chmod(in("."), 0o777|fs.ModeSticky) }, ""},
		"it is not there":     {func(in func(...string) string) error { return os.Remove(in("real", "policy.yaml")) }, ""},
		"links in a circle": {func(in func(...string) string) error {
			return errors.Join(os.Remove(in("home")), os.Symlink("home", in("home")))
		}, "more than 40 links"},
		"a link out of folder": {func(in func(...string) string) error {
			return errors.Join(os.Mkdir(in("other"), 0o700), os.Chmod(in("other"), 0o722))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "top")
			in := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, d := range []string{".", "real", "links"} {
				must(os.Mkdir(in(d), 0o700))
			}
			must(os.WriteFile(in("real", "policy.yaml"), nil, 0o644))
			must(os.Symlink("../real/./", in("links", "here")))
			must(os.Symlink(in("links", "here"), in("home")))
			must(c.change(in))
			err := Trust(in("home", "policy.yaml"))
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "home/policy.yaml: ")) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestChangeable(t *testing.T) {
	for _, c := range []struct {
		mode        fs.FileMode
		last        bool
		owner, user uint32
		want        string
	}{
		{0o600, true, 7, 7, ""},
		{0o644, true, 0, 7, ""},
		{0o600, true, 8, 7, "x belongs to user 8, and user 7 runs this: run it as user 8, or: chown 7 x"},
		{0o600, true, 8, 0, "x belongs to user 8, and user 0 runs this: run it as user 8, or: chown 0 x"},
		{fs.ModeSymlink | 0o777, false, 7, 7, ""},
		{fs.ModeSymlink | 0o777, false, 8, 7, "x belongs to user 8, and user 7 runs this: run it as user 8, or: chown 7 x"},
		{fs.ModeDir | 0o755, false, 8, 7, "x belongs to user 8, and user 7 runs this: run it as user 8, or: chown 7 x"},
		{fs.ModeDir | fs.ModeSticky | 0o777, false, 0, 7, ""},
		{fs.ModeDir | fs.ModeSticky | 0o777, true, 7, 7, "x has mode 0777; run: chmod go-w x"},
		{fs.ModeSticky | 0o666, false, 7, 7, "x has mode 0666; run: chmod go-w x"},
	} {
		if got := changeable("x", c.mode, c.last, c.owner, c.user); got != c.want {
			t.Errorf("%v of %d for %d: %q, want %q", c.mode, c.owner, c.user, got, c.want)
		}
	}
}
