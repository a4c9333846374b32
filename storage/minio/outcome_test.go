package minio_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"atrium/storage"
	"atrium/storage/minio"
)

// TestOwnWriteAnswered412: the answer of a write is lost, its repetition finds the object
// there, and the caller is told what is true.
func TestOwnWriteAnswered412(t *testing.T) {
	s := server(t, plainMinIO)
	p := newProxy(t, s)
	b := open(t, p.config(s.Config(newBucket(t, s, false), "f")))
	want := func(what string, err, target error, statuses ...int) {
		t.Helper()
		if !errors.Is(err, target) {
			t.Errorf("%s: %v, want %v", what, err, target)
		}
		if got := p.statuses("PUT"); !slices.Equal(got, statuses) {
			t.Errorf("%s: the server answered %v, want %v", what, got, statuses)
		}
	}
	p.set(first(1, "PUT"), nil)
	want("put", b.PutIfAbsent(t.Context(), "log/000000000000", []byte("own")), nil, 200, 412)
	p.set(first(1, "PUT"), nil)
	want("put over another's", b.PutIfAbsent(t.Context(), "log/000000000000", []byte("own")), storage.ErrExists, 412, 412)
	p.set(first(1, "PUT"), nil)
	want("create by swap", b.CompareAndSwap(t.Context(), "checkpoint", nil, []byte("one")), nil, 200, 412)
	p.set(first(1, "PUT"), nil)
	want("swap", b.CompareAndSwap(t.Context(), "checkpoint", []byte("one"), []byte("two")), nil, 200, 412)
	p.set(first(1, "PUT"), nil)
	want("swap for equal bytes", b.CompareAndSwap(t.Context(), "checkpoint", []byte("two"), []byte("two")), nil, 200, 200)
	p.set(nil, nil)
	want("stale swap", b.CompareAndSwap(t.Context(), "checkpoint", []byte("one"), []byte("three")), storage.ErrConflict)
	for name, data := range map[string]string{"log/000000000000": "own", "checkpoint": "two"} {
		if got, err := b.Get(t.Context(), name, 0, -1); err != nil || string(got) != data {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
}

// TestOutcomeOpen: when no answer comes through, the error is none of the contract's, it
// comes in time, and the object may be there.
func TestOutcomeOpen(t *testing.T) {
	s := server(t, plainMinIO)
	p := newProxy(t, s)
	c := p.config(s.Config(newBucket(t, s, false), "f"))
	c.Patience = time.Second
	b := open(t, c)
	always := func(e exchange) bool { return e.method != "GET" }
	for name, breaks := range map[string]func(){
		"cut":     func() { p.set(always, nil) },
		"stalled": func() { p.set(nil, always) },
	} {
		breaks()
		start := time.Now()
		err := b.PutIfAbsent(t.Context(), "log/000000000000", []byte("own "+name))
		if took := time.Since(start); took > 2*c.Patience+time.Second {
			t.Errorf("%s: took %s with a patience of %s", name, took, c.Patience)
		}
		if !errors.Is(err, minio.ErrUnreachable) || errors.Is(err, storage.ErrExists) || t.Context().Err() != nil {
			t.Errorf("%s: %v, want %v", name, err, minio.ErrUnreachable)
		}
	}
	p.set(nil, nil)
	if err := b.PutIfAbsent(t.Context(), "log/000000000000", []byte("own")); !errors.Is(err, storage.ErrExists) {
		t.Errorf("afterwards: %v, want %v", err, storage.ErrExists)
	}
}

// TestReadsAreRepeated: a read whose answer breaks off comes whole all the same.
func TestReadsAreRepeated(t *testing.T) {
	s := server(t, plainMinIO)
	p := newProxy(t, s)
	b := open(t, p.config(s.Config(newBucket(t, s, false), "f")))
	put(t, b, "blob/x", "0123456789")
	for range 2 {
		p.set(first(2, "GET"), nil)
		if got, err := b.Get(t.Context(), "blob/x", 2, 3); err != nil || string(got) != "234" {
			t.Errorf("get: %q, %v", got, err)
		}
		p.set(first(2, "HEAD"), nil)
		if info, err := b.Stat(t.Context(), "blob/x"); err != nil || info.Size != 10 {
			t.Errorf("stat: %v, %v", info, err)
		}
		p.set(first(2, "GET"), nil)
		if infos, err := b.List(t.Context(), "blob/"); err != nil || len(infos) != 1 {
			t.Errorf("list: %v, %v", infos, err)
		}
	}
}

// TestNeverMultipart: a put beyond minio-go's part size is one request with its condition.
// The completion of a multipart upload would drop the condition.
func TestNeverMultipart(t *testing.T) {
	s := server(t, plainMinIO)
	p := newProxy(t, s)
	b := open(t, p.config(s.Config(newBucket(t, s, false), "f")))
	big := bytes.Repeat([]byte("segments "), (20<<20)/9)
	if err := b.PutIfAbsent(t.Context(), "rounds/big", big); err != nil {
		t.Fatal(err)
	}
	if err := b.PutIfAbsent(t.Context(), "rounds/big", big[1:]); !errors.Is(err, storage.ErrExists) {
		t.Errorf("put again: %v, want %v", err, storage.ErrExists)
	}
	if err := b.CompareAndSwap(t.Context(), "rounds/big", big[1:], big); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("stale swap: %v, want %v", err, storage.ErrConflict)
	}
	if err := b.CompareAndSwap(t.Context(), "rounds/big", big, big[1:]); err != nil {
		t.Errorf("swap: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.seen {
		if e.method == "POST" || e.query.Has("uploads") || e.query.Has("uploadId") || e.query.Has("partNumber") {
			t.Errorf("a multipart upload: %s %s %v", e.method, e.path, e.query)
		}
	}
}

// TestListGoesOn: a listing of several pages of which one breaks off is whole, sorted and
// without doubles.
func TestListGoesOn(t *testing.T) {
	s := server(t, plainMinIO)
	p := newProxy(t, s)
	b := open(t, p.config(s.Config(newBucket(t, s, false), "f")))
	b.SetPage(5)
	var want []string
	for n := range int64(23) {
		put(t, b, storage.Batch(n), "x")
		want = append(want, storage.Batch(n))
	}
	pages := 0
	p.set(func(e exchange) bool {
		if e.query.Has("list-type") {
			pages++
		}
		return pages == 2 || pages == 3 || pages == 5
	}, nil)
	infos, err := b.List(t.Context(), storage.LogFolder)
	var got []string
	for _, i := range infos {
		got = append(got, i.Name)
	}
	if err != nil || !slices.Equal(got, want) || pages < 8 {
		t.Errorf("%d objects in %d pages, %v: %v", len(got), pages, err, got)
	}
}

// TestDamagedOnTheWay: the server compares the body with the hash that was signed.
func TestDamagedOnTheWay(t *testing.T) {
	s := server(t, plainMinIO)
	p := newProxy(t, s)
	b := open(t, p.config(s.Config(newBucket(t, s, false), "f")))
	p.damage(true)
	if err := b.PutIfAbsent(t.Context(), "blob/x", []byte("0123456789")); err == nil {
		t.Error("a damaged body was stored")
	}
	p.damage(false)
	if _, err := b.Stat(t.Context(), "blob/x"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("stat: %v, want %v", err, storage.ErrNotFound)
	}
	put(t, b, "blob/x", "0123456789")
}
