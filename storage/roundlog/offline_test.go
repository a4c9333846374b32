package roundlog

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"atrium/storage"
	"atrium/storage/storagetest"
)

func TestCosignatureOfRebuiltCheckpoint(t *testing.T) {
	bucket, key := storagetest.NewMemory(), testKey(t, "example.org/log")
	l := build(t, bucket, key, 3, 4)
	note := must[[]byte](t)(l.CheckpointAt(t.Context(), 7))
	signer := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	public := signer.Public().(ed25519.PublicKey)
	line := must[[]byte](t)(Cosign(note, "h-1", signer, noon))
	c := Checkpoint{Origin: key.Name(), Size: 7, Root: l.Root()}
	when, err := c.VerifyCosignature(line, "h-1", public)
	if err != nil || when.Unix() != noon.Unix() {
		t.Fatalf("%v at %v", err, when)
	}
	for what, other := range map[string]Checkpoint{
		"origin": {Origin: "example.org/other", Size: 7, Root: c.Root},
		"size":   {Origin: c.Origin, Size: 6, Root: c.Root},
		"root":   {Origin: c.Origin, Size: 7, Root: Hash{1}},
	} {
		if _, err := other.VerifyCosignature(line, "h-1", public); !errors.Is(err, ErrSignature) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	if _, err := (Checkpoint{Origin: "two\nlines", Size: 7}).VerifyCosignature(line, "h-1", public); !errors.Is(err, ErrEncoding) {
		t.Errorf("an origin of two lines: %v", err)
	}
}

func TestUnverifiedBatch(t *testing.T) {
	bucket, key := storagetest.NewMemory(), testKey(t, "example.org/log")
	build(t, bucket, key, 2)
	data := must[[]byte](t)(bucket.Get(t.Context(), storage.Batch(0), 0, -1))
	b := must[Batch](t)(UnverifiedBatch(data))
	if len(b.Entries) != 2 || b.Origin != key.Name() {
		t.Errorf("got %d entries of %s", len(b.Entries), b.Origin)
	}
	if _, err := UnverifiedBatch(data[1:]); !errors.Is(err, ErrEncoding) {
		t.Errorf("cut: %v", err)
	}
}
