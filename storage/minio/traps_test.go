package minio_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"time"

	s3 "github.com/minio/minio-go/v7"

	"atrium/storage"
	"atrium/storage/minio"
	"atrium/storage/minio/miniotest"
	"atrium/storage/roundlog"
)

// rawPut is a conditional put behind Atrium's back.
func rawPut(t *testing.T, s *miniotest.Server, bucket, key string) error {
	t.Helper()
	options := s3.PutObjectOptions{}
	options.SetMatchETagExcept("*")
	_, err := s.Client().PutObject(t.Context(), bucket, key, bytes.NewReader([]byte("forged")), 6, options)
	return err
}

// TestDeleteMarker: over a deleted batch on a versioned bucket the store allows another;
// this driver does not, nor does it say that the batch was never there.
func TestDeleteMarker(t *testing.T) {
	for name, start := range map[string]starter{"minio": plainMinIO, "versitygw": versity} {
		t.Run(name, func(t *testing.T) {
			s := server(t, start)
			c := s.Config(newBucket(t, s, true), "f")
			c.Pointers = newBucket(t, s, false)
			b := open(t, c)
			const slot, key = "log/000000000001", "f/log/000000000001"
			put(t, b, "log/000000000000", "first")
			put(t, b, slot, "second")
			if err := b.CheckVersions(t.Context()); err != nil {
				t.Errorf("one version each: %v", err)
			}
			if err := s.Client().RemoveObject(t.Context(), c.Bucket, key, s3.RemoveObjectOptions{}); err != nil {
				t.Fatal(err)
			}
			_, err := b.Get(t.Context(), slot, 0, -1)
			_, stat := b.Stat(t.Context(), slot)
			for what, err := range map[string]error{"get": err, "stat": stat,
				"put": b.PutIfAbsent(t.Context(), slot, []byte("forged")), "versions": b.CheckVersions(t.Context())} {
				if target := map[bool]error{true: minio.ErrVersions, false: minio.ErrDeleted}[what == "versions"]; !errors.Is(err, target) {
					t.Errorf("%s: %v, want %v", what, err, target)
				}
			}
			if err := rawPut(t, s, c.Bucket, key); err != nil && name == "minio" {
				t.Errorf("the store refuses a put over a delete marker: the trap is gone: %v", err)
			}
			if err := b.CheckVersions(t.Context()); !errors.Is(err, minio.ErrVersions) {
				t.Errorf("versions of a batch that was written twice: %v, want %v", err, minio.ErrVersions)
			}
		})
	}
}

// TestHoleInLog: a batch that vanished is a hole, or a deletion where the bucket shows it,
// but never the end of the log.
func TestHoleInLog(t *testing.T) {
	s := server(t, plainMinIO)
	for name, versioned := range map[string]bool{"plain": false, "versioned": true} {
		c := s.Config(newBucket(t, s, versioned), "f")
		c.Pointers = newBucket(t, s, false)
		b := open(t, c)
		key, err := roundlog.GenerateKey("atrium/f", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		log, err := roundlog.Create(t.Context(), b, key)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if _, err := log.Append(t.Context(), 0, time.Now(), [][]byte{[]byte("entry")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, _, err := log.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := roundlog.Open(t.Context(), b, key, nil); err != nil {
			t.Fatalf("%s: whole log: %v", name, err)
		}
		if err := s.Client().RemoveObject(t.Context(), c.Bucket, "f/"+storage.Batch(2), s3.RemoveObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		target := map[bool]error{false: roundlog.ErrHole, true: minio.ErrDeleted}[versioned]
		if _, err := roundlog.Open(t.Context(), b, key, nil); !errors.Is(err, target) {
			t.Errorf("%s: open a log with a hole: %v, want %v", name, err, target)
		}
	}
}

// stalling is a body that stops half-way until it is released.
type stalling struct {
	head    io.Reader
	release chan struct{}
	reached chan struct{}
}

func (r *stalling) Read(p []byte) (int, error) {
	n, err := r.head.Read(p)
	if err != io.EOF {
		return n, err
	}
	select {
	case <-r.reached:
	default:
		close(r.reached)
	}
	<-r.release
	return 0, errors.New("gone")
}

// TestSlowBody: a client that stalls in the middle of a body must not hold ours for longer
// than its patience, and what ours says about the key is true.
func TestSlowBody(t *testing.T) {
	s := server(t, plainMinIO)
	c := s.Config(newBucket(t, s, false), "f")
	c.Patience = time.Second
	b := open(t, c)
	const name = "log/000000000000"
	slow := &stalling{head: bytes.NewReader(make([]byte, 1<<20)), release: make(chan struct{}), reached: make(chan struct{})}
	done := make(chan error)
	go func() {
		options := s3.PutObjectOptions{DisableMultipart: true, DisableContentSha256: true}
		options.SetMatchETagExcept("*")
		_, err := s.Client().PutObject(t.Context(), c.Bucket, "f/"+name, slow, 2<<20, options)
		done <- err
	}()
	<-slow.reached
	start := time.Now()
	err := b.PutIfAbsent(t.Context(), name, []byte("ours"))
	took := time.Since(start)
	t.Logf("beside the stalled put: %v after %s", err, took)
	if took > 3*time.Second {
		t.Errorf("took %s with a patience of %s", took, c.Patience)
	}
	if errors.Is(err, storage.ErrExists) {
		t.Errorf("put: %v, but nothing is there", err)
	}
	close(slow.release)
	if err := <-done; err == nil {
		t.Error("half a body was stored")
	}
	if err == nil {
		return
	}
	var after error
	for range 20 { // the server may still hold the lock for a moment
		if after = b.PutIfAbsent(t.Context(), name, []byte("ours")); !errors.Is(after, minio.ErrUnreachable) {
			break
		}
	}
	if got, get := b.Get(t.Context(), name, 0, -1); after != nil && !errors.Is(after, storage.ErrExists) || get != nil || string(got) != "ours" {
		t.Errorf("afterwards: %v, holds %q, %v", after, got, get)
	}
}
