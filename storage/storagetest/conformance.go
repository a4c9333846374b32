package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/storage"
)

// Run holds a driver to the storage.Bucket contract; open returns an empty Bucket.
func Run(t *testing.T, open func(t *testing.T) storage.Bucket) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, storage.Bucket)
	}{
		{"get-range", testGetRange},
		{"absent", testAbsent},
		{"put-if-absent", testPutIfAbsent},
		{"compare-and-swap", testCompareAndSwap},
		{"list", testList},
		{"delete", testDelete},
		{"names", testNames},
		{"cancelled", testCancelled},
		{"slices", testSlices},
		{"race-put", testRacePut},
		{"race-swap", testRaceSwap},
		{"race-read", testRaceRead},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func want(t *testing.T, err, target error, what string, args ...any) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%s: %v, want %v", fmt.Sprintf(what, args...), err, target)
	}
}

func put(t *testing.T, b storage.Bucket, name, data string) {
	t.Helper()
	want(t, b.PutIfAbsent(t.Context(), name, []byte(data)), nil, "put %s", name)
}

func holds(t *testing.T, b storage.Bucket, name, data string) {
	t.Helper()
	got, err := b.Get(t.Context(), name, 0, -1)
	if err != nil || string(got) != data {
		t.Fatalf("%s holds %q, %v; want %q", name, got, err, data)
	}
}

func testGetRange(t *testing.T, b storage.Bucket) {
	put(t, b, "a/object", "0123456789")
	for _, c := range []struct {
		offset, length int64
		data           string
		err            error
	}{
		{0, -1, "0123456789", nil}, {0, 10, "0123456789", nil}, {0, 99, "0123456789", nil},
		{0, 0, "", nil}, {3, 4, "3456", nil}, {8, 4, "89", nil}, {8, -1, "89", nil},
		{10, -1, "", nil}, {10, 5, "", nil}, {4, 1 << 62, "456789", nil},
		{11, -1, "", storage.ErrRange}, {11, 0, "", storage.ErrRange}, {-1, 2, "", storage.ErrRange},
	} {
		got, err := b.Get(t.Context(), "a/object", c.offset, c.length)
		if string(got) != c.data || !errors.Is(err, c.err) {
			t.Errorf("get [%d, +%d): %q, %v; want %q, %v", c.offset, c.length, got, err, c.data, c.err)
		}
	}
	put(t, b, "empty", "")
	holds(t, b, "empty", "")
}

func testAbsent(t *testing.T, b storage.Bucket) {
	_, err := b.Get(t.Context(), "no/such", 0, -1)
	want(t, err, storage.ErrNotFound, "get")
	_, err = b.Stat(t.Context(), "no/such")
	want(t, err, storage.ErrNotFound, "stat")
	put(t, b, "no/other", "x")
	_, err = b.Get(t.Context(), "no", 0, -1) // a folder is no object
	want(t, err, storage.ErrNotFound, "get folder")
	_, err = b.Stat(t.Context(), "no")
	want(t, err, storage.ErrNotFound, "stat folder")
}

func testPutIfAbsent(t *testing.T, b storage.Bucket) {
	put(t, b, "log/000000000000", "first")
	for _, again := range []string{"first", "second", ""} {
		err := b.PutIfAbsent(t.Context(), "log/000000000000", []byte(again))
		want(t, err, storage.ErrExists, "put %q again", again)
	}
	holds(t, b, "log/000000000000", "first")
	info, err := b.Stat(t.Context(), "log/000000000000")
	if diff := cmp.Diff(storage.ObjectInfo{Name: "log/000000000000", Size: 5}, info); diff != "" || err != nil {
		t.Fatalf("stat: %v\n%s", err, diff)
	}
	big := bytes.Repeat([]byte("8 MiB..."), 1<<20)
	want(t, b.PutIfAbsent(t.Context(), "big", big), nil, "put big")
	holds(t, b, "big", string(big))
}

func testCompareAndSwap(t *testing.T, b storage.Bucket) {
	for _, c := range []struct {
		old, new, after []byte
		err             error
	}{
		{[]byte("zero"), []byte("one"), nil, storage.ErrConflict},
		{[]byte{}, []byte("one"), nil, storage.ErrConflict},
		{nil, []byte("one"), []byte("one"), nil},
		{nil, []byte("two"), []byte("one"), storage.ErrConflict},
		{[]byte("on"), []byte("two"), []byte("one"), storage.ErrConflict},
		{[]byte("one+"), []byte("two"), []byte("one"), storage.ErrConflict},
		{[]byte("one"), []byte("longer"), []byte("longer"), nil},
		{[]byte("one"), []byte("two"), []byte("longer"), storage.ErrConflict},
		{[]byte("longer"), []byte{}, []byte{}, nil},
		{nil, []byte("two"), []byte{}, storage.ErrConflict},
		{[]byte{}, []byte("two"), []byte("two"), nil},
		{[]byte("two"), []byte("two"), []byte("two"), nil},
	} {
		err := b.CompareAndSwap(t.Context(), "checkpoint", c.old, c.new)
		want(t, err, c.err, "swap %q for %q", c.old, c.new)
		if c.after != nil {
			holds(t, b, "checkpoint", string(c.after))
		}
	}
	put(t, b, "put", "x")
	want(t, b.CompareAndSwap(t.Context(), "put", []byte("x"), []byte("y")), nil, "swap what was put")
	want(t, b.PutIfAbsent(t.Context(), "put", []byte("y")), storage.ErrExists, "put what was swapped")
}

func testList(t *testing.T, b storage.Bucket) {
	for _, name := range []string{"log/000000000010", "tile/0/000", "log/000000000002", "tile/0/000.p/5", "tile/1/000.p/1", "checkpoint"} {
		put(t, b, name, name)
	}
	for prefix, names := range map[string][]string{
		"":           {"checkpoint", "log/000000000002", "log/000000000010", "tile/0/000", "tile/0/000.p/5", "tile/1/000.p/1"},
		"log/":       {"log/000000000002", "log/000000000010"},
		"lo":         {"log/000000000002", "log/000000000010"},
		"log":        {"log/000000000002", "log/000000000010"},
		"tile/0/000": {"tile/0/000", "tile/0/000.p/5"},
		"tile/0/":    {"tile/0/000", "tile/0/000.p/5"},
		"checkpoint": {"checkpoint"},
		"none/":      nil, "z": nil, "checkpoint/": nil, "log/000000000002/": nil,
	} {
		var expect []storage.ObjectInfo
		for _, n := range names {
			expect = append(expect, storage.ObjectInfo{Name: n, Size: int64(len(n))})
		}
		got, err := b.List(t.Context(), prefix)
		if diff := cmp.Diff(expect, got); diff != "" || err != nil {
			t.Errorf("list %q: %v\n%s", prefix, err, diff)
		}
	}
}

func testDelete(t *testing.T, b storage.Bucket) {
	put(t, b, "rounds/x/0", "segment")
	want(t, b.Delete(t.Context(), "rounds/x/0"), nil, "delete")
	want(t, b.Delete(t.Context(), "rounds/x/0"), nil, "delete again")
	want(t, b.Delete(t.Context(), "never/was"), nil, "delete absent")
	_, err := b.Get(t.Context(), "rounds/x/0", 0, -1)
	want(t, err, storage.ErrNotFound, "get deleted")
	put(t, b, "rounds/x/0", "other")
	want(t, b.Delete(t.Context(), "rounds/x"), nil, "delete folder name")
	holds(t, b, "rounds/x/0", "other")
}

func testNames(t *testing.T, b storage.Bucket) {
	for _, name := range []string{"", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "../a", ".hidden", "a/.tmp/b", "A", "a b", "a\\b", "a\x00", "é"} {
		ctx := t.Context()
		_, err := b.Get(ctx, name, 0, -1)
		want(t, err, storage.ErrName, "get %q", name)
		_, err = b.Stat(ctx, name)
		want(t, err, storage.ErrName, "stat %q", name)
		want(t, b.PutIfAbsent(ctx, name, nil), storage.ErrName, "put %q", name)
		want(t, b.CompareAndSwap(ctx, name, nil, nil), storage.ErrName, "swap %q", name)
		want(t, b.Delete(ctx, name), storage.ErrName, "delete %q", name)
	}
	for _, prefix := range []string{"/", "..", "../", "a//", "A"} {
		_, err := b.List(t.Context(), prefix)
		want(t, err, storage.ErrName, "list %q", prefix)
	}
}

func testCancelled(t *testing.T, b storage.Bucket) {
	put(t, b, "there", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Get(ctx, "there", 0, -1)
	want(t, err, context.Canceled, "get")
	_, err = b.Stat(ctx, "there")
	want(t, err, context.Canceled, "stat")
	_, err = b.List(ctx, "")
	want(t, err, context.Canceled, "list")
	want(t, b.PutIfAbsent(ctx, "new", nil), context.Canceled, "put")
	want(t, b.CompareAndSwap(ctx, "there", []byte("x"), nil), context.Canceled, "swap")
	want(t, b.Delete(ctx, "there"), context.Canceled, "delete")
	holds(t, b, "there", "x")
}

func testSlices(t *testing.T, b storage.Bucket) {
	data := []byte("mine")
	want(t, b.PutIfAbsent(t.Context(), "a", data), nil, "put")
	want(t, b.CompareAndSwap(t.Context(), "b", nil, data), nil, "swap")
	copy(data, "gone")
	holds(t, b, "a", "mine")
	holds(t, b, "b", "mine")
	got, _ := b.Get(t.Context(), "a", 0, -1)
	copy(got, "gone")
	holds(t, b, "a", "mine")
}
