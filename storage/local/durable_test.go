package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atrium/storage"
)

// record makes b note every fsync: "file" or the folder's path, and with + whether name
// is visible already.
func record(b *Bucket, dir, name string) *[]string {
	var log []string
	b.syncFile = func(f *os.File) error {
		path, _ := filepath.Rel(dir, f.Name())
		if strings.HasPrefix(path, tempFolder) {
			path = "file"
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			path += "+"
		}
		log = append(log, path)
		return f.Sync()
	}
	return &log
}

func TestOrderOfFsyncs(t *testing.T) {
	b, dir := newBucket(t)
	ctx := t.Context()
	var other *Bucket
	for _, step := range []struct {
		name string
		do   func() error
		err  error
		want []string
	}{
		{"a/b/c", func() error { return b.PutIfAbsent(ctx, "a/b/c", nil) }, nil, []string{"file", ".", "a", "a/b+"}},
		{"a/b/d", func() error { return b.PutIfAbsent(ctx, "a/b/d", nil) }, nil, []string{"file", "a/b+"}},
		{"a/b/d", func() error { return b.PutIfAbsent(ctx, "a/b/d", nil) }, storage.ErrExists, nil},
		{"a/p", func() error { return b.CompareAndSwap(ctx, "a/p", nil, []byte("1")) }, nil, []string{"file", "a+"}},
		{"a/p", func() error { return b.CompareAndSwap(ctx, "a/p", []byte("1"), []byte("2")) }, nil, []string{"file+", "a+"}},
		{"a/p", func() error { _, err := b.Get(ctx, "a/p", 0, -1); return err }, nil, nil},
		{"a/p", func() error { return b.Delete(ctx, "a/p") }, nil, []string{"a"}},
		{"a/p", func() error { return b.Delete(ctx, "a/p") }, nil, []string{"a"}},
		// What another process wrote is trusted after an fsync, in bulk the first time.
		{"a/b/c", func() error { b = other; _, err := b.Get(ctx, "a/b/c", 0, -1); return err }, nil, []string{"a/b+"}},
		{"a/b/d", func() error { _, err := b.Stat(ctx, "a/b/d"); return err }, nil, nil},
		{"a/b/e", func() error { write(t, dir, "a/b/e"); _, err := b.Get(ctx, "a/b/e", 0, -1); return err }, nil, []string{"a/b+"}},
		{"a/b/f", func() error { write(t, dir, "a/b/f"); return b.PutIfAbsent(ctx, "a/b/f", nil) }, storage.ErrExists, []string{"a/b+"}},
		{"a/b/g", func() error { write(t, dir, "a/b/g"); return b.CompareAndSwap(ctx, "a/b/g", nil, nil) }, storage.ErrConflict, []string{"a/b+"}},
		{"a/b/g", func() error { return b.CompareAndSwap(ctx, "a/b/g", []byte("?"), nil) }, storage.ErrConflict, nil},
		{"a/b/g", func() error {
			os.Remove(filepath.Join(dir, "a/b/g"))
			write(t, dir, "a/b/g")
			_, err := b.Stat(ctx, "a/b/g")
			return err
		}, nil, []string{"a/b+"}},
	} {
		if other == nil {
			other = reopen(t, dir)
		}
		log, otherLog := record(b, dir, step.name), record(other, dir, step.name)
		if err := step.do(); !errors.Is(err, step.err) {
			t.Errorf("%s: %v, want %v", step.name, err, step.err)
		}
		if diff := cmp.Diff(step.want, append(*log, *otherLog...)); diff != "" {
			t.Errorf("fsyncs of %s (-want +got):\n%s", step.name, diff)
		}
	}
}

var written atomic.Int64

// write puts a file there as another process would; each has its own modification time.
func write(t *testing.T, dir, name string) {
	t.Helper()
	path, modified := filepath.Join(dir, name), time.Unix(written.Add(1), 0)
	if err := errors.Join(os.WriteFile(path, []byte(name), 0o600), os.Chtimes(path, modified, modified)); err != nil {
		t.Fatal(err)
	}
}

func TestTrustedIsBounded(t *testing.T) {
	b, dir := newBucket(t)
	for i := range maxTrusted {
		b.remember(fmt.Sprint("old", i), stamp{})
	}
	write(t, dir, "new")
	if _, err := b.Get(t.Context(), "new", 0, -1); err != nil {
		t.Fatal(err)
	}
	if len(b.trusted) == 0 || len(b.trusted) > maxTrusted {
		t.Errorf("%d names are remembered", len(b.trusted))
	}
}

// TestFsyncErrorIsFinal fails each fsync of each call in turn.
func TestFsyncErrorIsFinal(t *testing.T) {
	calls := map[string]func(*Bucket) error{
		"put":    func(b *Bucket) error { return b.PutIfAbsent(t.Context(), "new/folder/x", []byte("x")) },
		"create": func(b *Bucket) error { return b.CompareAndSwap(t.Context(), "new/x", nil, []byte("x")) },
		"swap":   func(b *Bucket) error { return b.CompareAndSwap(t.Context(), "p", []byte("p"), []byte("q")) },
		"delete": func(b *Bucket) error { return b.Delete(t.Context(), "p") },
		"get":    func(b *Bucket) error { _, err := b.Get(t.Context(), "p", 0, -1); return err },
		"stat":   func(b *Bucket) error { _, err := b.Stat(t.Context(), "p"); return err },
		"exists": func(b *Bucket) error { return b.PutIfAbsent(t.Context(), "p", nil) },
	}
	for what, call := range calls {
		for at := 1; ; at++ {
			b, dir := newBucket(t)
			write(t, dir, "p")
			broken, n := errors.New("medium error"), 0
			b.syncFile = func(f *os.File) error {
				if n++; n == at {
					return broken
				}
				return f.Sync()
			}
			err := call(b)
			if n < at {
				if at == 1 {
					t.Errorf("%s does not fsync", what)
				}
				break
			}
			if !errors.Is(err, ErrFsync) || !errors.Is(err, broken) {
				t.Errorf("%s with fsync %d failing: %v", what, at, err)
			}
			for again, call := range calls {
				if err := call(b); !errors.Is(err, ErrFsync) {
					t.Errorf("%s after a failed fsync of %s: %v", again, what, err)
				}
			}
			if _, err := b.List(t.Context(), ""); !errors.Is(err, ErrFsync) {
				t.Errorf("list after a failed fsync of %s: %v", what, err)
			}
		}
	}
}

func TestCreateFsyncs(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "a", "b")
	var synced []string
	b, err := create(dir, func(f *os.File) error {
		path, _ := filepath.Rel(parent, f.Name())
		synced = append(synced, path)
		return f.Sync()
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if diff := cmp.Diff([]string{".", "a", "a/b/.tmp/.format", "a/b"}, synced); diff != "" {
		t.Error(diff)
	}
	for at := range 4 { // a Create that died is repeated
		dir, n := filepath.Join(t.TempDir(), "a"), 0
		_, err := create(dir, func(f *os.File) error {
			if n++; n > at {
				return errors.New("medium error")
			}
			return f.Sync()
		})
		if at < 3 && !errors.Is(err, ErrFsync) {
			t.Fatalf("create with fsync %d failing: %v", at+1, err)
		}
		b, err := Create(dir)
		if at < 2 && err != nil {
			t.Errorf("create again after %d fsyncs: %v", at, err)
		}
		if at >= 2 && !errors.Is(err, ErrNotEmpty) {
			t.Errorf("create again after all: %v", err)
		}
		if b != nil {
			b.Close()
		}
	}
}
