package local

import (
	"crypto/sha256"
	"errors"
	"path/filepath"
	"testing"

	"atrium/storage"
)

func TestGetVerifiedInto(t *testing.T) {
	b, err := Create(filepath.Join(t.TempDir(), "bucket"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	digest, err := storage.PutBlob(t.Context(), b, []byte("ciphertext"))
	if err != nil {
		t.Fatal(err)
	}
	name, buffer := storage.Blob(digest), make([]byte, 16)
	got, err := storage.GetVerifiedInto(t.Context(), b, name, digest, buffer)
	if err != nil || string(got) != "ciphertext" || &got[0] != &buffer[0] {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := storage.GetVerifiedInto(t.Context(), b, name, sha256.Sum256(nil), buffer); !errors.Is(err, storage.ErrDigest) {
		t.Errorf("another digest: %v", err)
	}
	if _, err := storage.GetVerifiedInto(t.Context(), b, name, digest, buffer[:3]); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("too small: %v", err)
	}
	if _, err := storage.GetVerifiedInto(t.Context(), b, "nothing", digest, buffer); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("nothing there: %v", err)
	}
}
