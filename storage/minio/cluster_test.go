package minio_test

import (
	"errors"
	"testing"
	"time"

	"atrium/storage"
	"atrium/storage/minio"
	"atrium/storage/minio/miniotest"
)

// TestCluster: four nodes are one store, and go on without any one of them, wherever the
// driver was connected.
func TestCluster(t *testing.T) {
	s, err := miniotest.StartCluster(t.TempDir())
	if errors.Is(err, miniotest.ErrNoNamespace) {
		t.Skipf("NOT TESTED: %v", err)
	}
	miniotest.Check(t, err)
	defer s.Stop()
	b := open(t, s.Config(newBucket(t, s, false), "f"))
	slot := 0
	writes := func(what string) {
		t.Helper()
		start := time.Now()
		for range 4 {
			name := storage.Batch(int64(slot))
			put(t, b, name, what)
			if err := b.PutIfAbsent(t.Context(), name, []byte("other")); !errors.Is(err, storage.ErrExists) {
				t.Fatalf("%s: put %s again: %v", what, name, err)
			}
			slot++
		}
		t.Logf("%s: 4 batches in %s", what, time.Since(start).Round(time.Millisecond))
	}
	writes("all nodes")
	time.Sleep(2 * time.Second) // nodes give locks back in the background
	s.Nodes[0].Kill()
	writes("node 1 killed")
	if err := s.Nodes[0].Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range s.Nodes {
		s.Cut(i, i != 2)
	}
	writes("only node 3 in reach")
	for i := range s.Nodes {
		s.Cut(i, false)
	}
	infos, err := b.List(t.Context(), storage.LogFolder)
	if err != nil || len(infos) != slot {
		t.Errorf("listed %d of %d batches, %v", len(infos), slot, err)
	}
	// A node that was killed in mid-write may leave an object locked for up to two minutes.
	deadline := time.Now().Add(3 * time.Minute)
	for i := range slot {
		got, err := b.Get(t.Context(), storage.Batch(int64(i)), 0, -1)
		for ; errors.Is(err, minio.ErrUnreachable) && time.Now().Before(deadline); time.Sleep(time.Second) {
			t.Logf("batch %d: %v", i, err)
			got, err = b.Get(t.Context(), storage.Batch(int64(i)), 0, -1)
		}
		if err != nil || len(got) == 0 {
			t.Errorf("batch %d: %q, %v", i, got, err)
		}
	}
}
