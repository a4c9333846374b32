package minio_test

import (
	"os"
	"sync"
	"testing"

	"atrium/storage"
	"atrium/storage/minio"
	"atrium/storage/minio/miniotest"
)

// The servers that the tests of this package share.
var (
	stop        []func()
	plainMinIO  = shared(func(dir string) (*miniotest.Server, error) { return miniotest.StartMinIO(dir, false) })
	secureMinIO = shared(func(dir string) (*miniotest.Server, error) { return miniotest.StartMinIO(dir, true) })
	versity     = shared(miniotest.StartVersity)
)

func TestMain(m *testing.M) {
	status := m.Run()
	for _, f := range stop {
		f()
	}
	os.Exit(status)
}

type starter func() (*miniotest.Server, error)

func shared(start func(dir string) (*miniotest.Server, error)) starter {
	return sync.OnceValues(func() (*miniotest.Server, error) {
		dir, err := os.MkdirTemp("", "atrium-s3-")
		if err != nil {
			return nil, err
		}
		s, err := start(dir)
		stop = append(stop, func() {
			if s != nil {
				s.Stop()
			}
			os.RemoveAll(dir)
		})
		return s, err
	})
}

// server is a shared one; it outlives the test.
func server(t testing.TB, start starter) *miniotest.Server {
	t.Helper()
	s, err := start()
	miniotest.Check(t, err)
	return s
}

func newBucket(t testing.TB, s *miniotest.Server, versioned bool) string {
	t.Helper()
	name, err := s.NewBucket(t.Context(), versioned)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t testing.TB, c minio.Config) *minio.Bucket {
	t.Helper()
	b, err := minio.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func put(t testing.TB, b storage.Bucket, name, data string) {
	t.Helper()
	if err := b.PutIfAbsent(t.Context(), name, []byte(data)); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}
