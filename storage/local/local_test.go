package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/storage"
	"atrium/storage/storagetest"
)

func newBucket(t *testing.T) (*Bucket, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "state")
	b, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, dir
}

func reopen(t *testing.T, dir string) *Bucket {
	t.Helper()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestConformance(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Bucket { b, _ := newBucket(t); return b })
}

func TestCreateAndOpen(t *testing.T) {
	b, dir := newBucket(t)
	if err := b.PutIfAbsent(t.Context(), "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("create again: %v", err)
	}
	if got, err := reopen(t, dir).Get(t.Context(), "a/b", 0, -1); err != nil || string(got) != "x" {
		t.Errorf("reopened: %q, %v", got, err)
	}
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		if _, err := Open(dir); !errors.Is(err, ErrNoBucket) {
			t.Errorf("open %s: %v", dir, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, formatFile), []byte("atrium/storage/local/v2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrNoBucket) {
		t.Errorf("open another format: %v", err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(other); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("create in a folder in use: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := b.Get(t.Context(), "a/b", 0, -1); !errors.Is(err, ErrClosed) {
		t.Errorf("get from a closed bucket: %v", err)
	}
}

func TestModes(t *testing.T) {
	b, dir := newBucket(t)
	ctx := t.Context()
	if err := errors.Join(b.PutIfAbsent(ctx, "a/b/c", []byte("x")), b.CompareAndSwap(ctx, "p", nil, []byte("1")),
		b.CompareAndSwap(ctx, "p", []byte("1"), []byte("2"))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = fs.ModeDir | 0o700
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %s, want %s", path, info.Mode(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEscapeIsRefused(t *testing.T) {
	b, dir := newBucket(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"folder": outside, "file": filepath.Join(outside, "secret"), "inside": "there", "dangling": filepath.Join(outside, "none"),
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	if err := b.PutIfAbsent(ctx, "there", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"folder/secret", "folder/new", "file", "inside", "dangling"} {
		if data, err := b.Get(ctx, name, 0, -1); err == nil {
			t.Errorf("get %s: %q", name, data)
		}
		if err := b.PutIfAbsent(ctx, name, []byte("new")); err == nil {
			t.Errorf("put %s succeeded", name)
		}
		if err := b.CompareAndSwap(ctx, name, []byte("secret"), []byte("new")); err == nil {
			t.Errorf("swap %s succeeded", name)
		}
		if err := b.Delete(ctx, name); err == nil {
			t.Errorf("delete %s succeeded", name)
		}
	}
	entries, _ := os.ReadDir(outside)
	data, err := os.ReadFile(filepath.Join(outside, "secret"))
	if len(entries) != 1 || err != nil || string(data) != "secret" {
		t.Errorf("outside holds %v, %q, %v", entries, data, err)
	}
	infos, err := b.List(ctx, "")
	if diff := cmp.Diff([]storage.ObjectInfo{{Name: "there", Size: 1}}, infos); err != nil || diff != "" {
		t.Errorf("list: %v\n%s", err, diff)
	}
}

func TestLeftovers(t *testing.T) {
	b, dir := newBucket(t)
	temp := filepath.Join(dir, tempFolder, "LEFTOVER")
	left := func() bool { _, err := os.Stat(temp); return err == nil }
	if err := os.WriteFile(temp, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := reopen(t, dir)
	if !left() {
		t.Fatal("open removed a temporary file that another bucket may be writing")
	}
	b.Close()
	third := reopen(t, dir)
	if !left() {
		t.Fatal("open overlooked the second of two buckets")
	}
	second.Close()
	third.Close()
	b = reopen(t, dir)
	if left() {
		t.Fatal("open left a dead writer's temporary file")
	}
	for i := range 3 {
		for _, err := range []error{
			b.PutIfAbsent(t.Context(), fmt.Sprint("n", i), nil), b.CompareAndSwap(t.Context(), fmt.Sprint("s", i), nil, nil),
			b.CompareAndSwap(t.Context(), fmt.Sprint("s", i), []byte{}, nil),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, tempFolder)); err != nil || len(entries) != 0 {
		t.Errorf("writes left %v, %v", entries, err)
	}
}

// TestFileTooLarge stands for a full disk: the kernel stops a write in its middle. The
// limit is a process's own, so a process of its own has it, and keeps no test log.
func TestFileTooLarge(t *testing.T) {
	const variable = "ATRIUM_LOCAL_TEST_FULL"
	if os.Getenv(variable) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFileTooLarge$", "-test.v")
		child.Env = append(os.Environ(), variable+"=1")
		if out, err := child.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestFileTooLarge")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	b, dir := newBucket(t)
	ctx := t.Context()
	if err := b.CompareAndSwap(ctx, "p", nil, []byte("small")); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("x"), 100<<10)
	put, swap := b.PutIfAbsent(ctx, "a/big", big), b.CompareAndSwap(ctx, "p", []byte("small"), big)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"put": put, "swap": swap} {
		if !errors.Is(err, syscall.EFBIG) {
			t.Errorf("%s on a full disk: %v", what, err)
		}
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, tempFolder)); len(entries) != 0 {
		t.Errorf("the full disk keeps %v", entries)
	}
	if _, err := b.Stat(ctx, "a/big"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("half an object is visible: %v", err)
	}
	if got, err := b.Get(ctx, "p", 0, -1); string(got) != "small" || err != nil {
		t.Errorf("after a failed swap: %q, %v", got, err)
	}
	if err := b.PutIfAbsent(ctx, "a/big", big); err != nil {
		t.Errorf("put once there is space: %v", err)
	}
}

// TestProcesses lets several processes swap one counter; each increment must count once.
func TestProcesses(t *testing.T) {
	const variable, processes, increments = "ATRIUM_LOCAL_TEST_COUNT_IN", 3, 20
	if dir := os.Getenv(variable); dir != "" {
		b := reopen(t, dir)
		for done := 0; done < increments; {
			old, err := b.Get(t.Context(), "counter", 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			err = b.CompareAndSwap(t.Context(), "counter", old, append(bytes.Clone(old), 'x'))
			if err == nil {
				done++
			} else if !errors.Is(err, storage.ErrConflict) {
				t.Fatal(err)
			}
		}
		return
	}
	b, dir := newBucket(t)
	if err := b.CompareAndSwap(t.Context(), "counter", nil, []byte{}); err != nil {
		t.Fatal(err)
	}
	var running []*exec.Cmd
	for range processes {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcesses$")
		c.Env = append(os.Environ(), variable+"="+dir)
		c.Stdout = new(strings.Builder)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, c)
	}
	for _, c := range running {
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %s", err, c.Stdout)
		}
	}
	if got, err := b.Get(t.Context(), "counter", 0, -1); err != nil || len(got) != processes*increments {
		t.Errorf("counted %d of %d increments, %v", len(got), processes*increments, err)
	}
}

func BenchmarkPutIfAbsent(b *testing.B) {
	bucket, err := Create(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer bucket.Close()
	data := make([]byte, 1<<10)
	for i := 0; b.Loop(); i++ {
		if err := bucket.PutIfAbsent(b.Context(), storage.Batch(int64(i)), data); err != nil {
			b.Fatal(err)
		}
	}
}
