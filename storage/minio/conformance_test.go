package minio_test

import (
	"testing"

	"atrium/storage"
	"atrium/storage/storagetest"
)

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name  string
		start starter
	}{{"minio", plainMinIO}, {"versitygw", versity}} {
		t.Run(c.name, func(t *testing.T) {
			s := server(t, c.start)
			storagetest.Run(t, func(t *testing.T) storage.Bucket {
				return open(t, s.Config(newBucket(t, s, false), "a/federation"))
			})
		})
	}
}

// TestConformanceTwoBuckets: permanent objects on a versioned bucket, the rest on another,
// over TLS.
func TestConformanceTwoBuckets(t *testing.T) {
	s := server(t, secureMinIO)
	storagetest.Run(t, func(t *testing.T) storage.Bucket {
		c := s.Config(newBucket(t, s, true), "")
		c.Pointers = newBucket(t, s, false)
		return open(t, c)
	})
}
