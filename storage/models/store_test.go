package models

import (
	"errors"
	"testing"

	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/storagetest"

	"github.com/google/go-cmp/cmp"
)

func TestPutGet(t *testing.T) {
	ctx, b := t.Context(), storagetest.NewMemory()
	data := Encode(sample())
	for range 2 { // the second one finds the first
		digest, err := Put(ctx, b, data)
		if err != nil || digest != Digest(sample()) {
			t.Fatalf("put: %s, error %v", digest, err)
		}
	}
	got, err := Get(ctx, b, Digest(sample()))
	if err != nil || !cmp.Equal(Encode(got), data) {
		t.Errorf("get: error %v", err)
	}
	if list, err := b.List(ctx, storage.ModelsFolder); err != nil || len(list) != 1 {
		t.Errorf("bucket holds %v, error %v", list, err)
	}
}

func TestStoreRefuses(t *testing.T) {
	ctx, b := t.Context(), storagetest.NewMemory()
	digest := Digest(sample())
	if _, err := Get(ctx, b, digest); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("get from an empty bucket: %v, want ErrNotFound", err)
	}
	if _, err := Put(ctx, b, []byte("no snapshot")); !errors.Is(err, ErrSnapshot) {
		t.Errorf("put other bytes: %v, want ErrSnapshot", err)
	}
	if list, err := b.List(ctx, ""); err != nil || len(list) != 0 {
		t.Errorf("a refused put left %v, error %v", list, err)
	}
	b.Set(storage.ModelSegment(digest), []byte("damaged"))
	if _, err := Get(ctx, b, digest); !errors.Is(err, storage.ErrDigest) {
		t.Errorf("get a damaged snapshot: %v, want ErrDigest", err)
	}
	if _, err := Put(ctx, b, Encode(sample())); !errors.Is(err, storage.ErrDifferent) {
		t.Errorf("put over a damaged snapshot: %v, want ErrDifferent", err)
	}
	other := []byte("no snapshot")
	b.Set(storage.ModelSegment(federation.Sum(other)), other)
	if _, err := Get(ctx, b, federation.Sum(other)); !errors.Is(err, ErrSnapshot) {
		t.Errorf("get other bytes: %v, want ErrSnapshot", err)
	}
}
