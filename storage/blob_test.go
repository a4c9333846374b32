package storage_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	"atrium/storage"
	"atrium/storage/storagetest"
)

func TestBlob(t *testing.T) {
	ctx, b := t.Context(), storagetest.NewMemory()
	data := []byte("a manifest")
	for range 2 { // the second finds it there
		digest, err := storage.PutBlob(ctx, b, data)
		if err != nil || digest != sha256.Sum256(data) {
			t.Fatalf("put: %x, %v", digest, err)
		}
	}
	digest := sha256.Sum256(data)
	if got, err := storage.GetBlob(ctx, b, digest, int64(len(data))); err != nil || string(got) != string(data) {
		t.Fatalf("get: %q, %v", got, err)
	}
	if _, err := storage.GetBlob(ctx, b, digest, int64(len(data))-1); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("get above the limit: %v", err)
	}
	if _, err := storage.GetBlob(ctx, b, [32]byte{}, 10); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("get absent: %v", err)
	}
	for _, damaged := range []string{"a manifesT", "a manifest+", "a manifes", ""} {
		b.Set(storage.Blob(digest), []byte(damaged))
		if _, err := storage.GetBlob(ctx, b, digest, 100); !errors.Is(err, storage.ErrDigest) {
			t.Errorf("get %q: %v", damaged, err)
		}
		if _, err := storage.PutBlob(ctx, b, data); !errors.Is(err, storage.ErrDifferent) {
			t.Errorf("put over %q: %v", damaged, err)
		}
	}
}

func TestPutBlobFaults(t *testing.T) {
	for _, fault := range storagetest.Faults(1) {
		memory := storagetest.NewMemory()
		b := storagetest.NewFaulty(memory, fault)
		if _, err := storage.PutBlob(t.Context(), b, []byte("x")); !errors.Is(err, storagetest.ErrInjected) {
			t.Errorf("%s: %v", fault, err)
		}
		if digest, err := storage.PutBlob(t.Context(), memory, []byte("x")); err != nil || digest != sha256.Sum256([]byte("x")) {
			t.Errorf("%s: repeated: %v", fault, err)
		}
	}
}
