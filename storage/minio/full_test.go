package minio_test

import (
	"errors"
	"testing"
	"time"

	"atrium/storage"
	"atrium/storage/minio"
	"atrium/storage/minio/miniotest"
)

// TestDiskFull: a store without room says so, keeps what it had, and goes on by itself
// when it has room again.
func TestDiskFull(t *testing.T) {
	s, err := miniotest.StartSmall(t.TempDir(), 64<<20)
	if errors.Is(err, miniotest.ErrNoNamespace) {
		t.Skipf("NOT TESTED: %v", err)
	}
	miniotest.Check(t, err)
	defer s.Stop()
	c := s.Config(newBucket(t, s, false), "f")
	c.Patience = time.Second
	b := open(t, c)
	put(t, b, "log/000000000000", "before")
	if err := s.Fill(true); err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 1<<20)
	for name, err := range map[string]error{"put": b.PutIfAbsent(t.Context(), "rounds/x", big), "swap": b.CompareAndSwap(t.Context(), "checkpoint", nil, big)} {
		if !errors.Is(err, minio.ErrFull) {
			t.Errorf("%s: %v, want %v", name, err, minio.ErrFull)
		}
	}
	if got, err := b.Get(t.Context(), "log/000000000000", 0, -1); err != nil || string(got) != "before" {
		t.Errorf("get: %q, %v", got, err)
	}
	if err := s.Fill(false); err != nil {
		t.Fatal(err)
	}
	for range 30 { // the server looks at its disk from time to time
		if err = storage.PutOnce(t.Context(), b, "rounds/x", big); !errors.Is(err, minio.ErrFull) {
			break
		}
	}
	if err != nil {
		t.Errorf("with room again: %v", err)
	}
}
