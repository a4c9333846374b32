package roundlog

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// cutHashes cuts bytes into hashes; what is left over is dropped.
func cutHashes(b []byte) (list []Hash) {
	for len(b) >= len(Hash{}) && len(list) < 70 {
		list, b = append(list, Hash(b)), b[len(Hash{}):]
	}
	return list
}

// joinHashes is the inverse of cutHashes.
func joinHashes(list []Hash) (b []byte) {
	for _, h := range list {
		b = append(b, h[:]...)
	}
	return b
}

// FuzzProofs: a proof about a known tree that is taken is the one that the tree gives.
// Nothing else is in it, and no other tree is a part of it.
func FuzzProofs(f *testing.F) {
	var entries [][]byte
	for i := range 13 {
		entries = append(entries, fmt.Appendf(nil, "entry %d", i))
	}
	tree := testTree(entries)
	inclusion, err := tree.Prove(4, 13)
	if err != nil {
		f.Fatal(err)
	}
	consistency, err := tree.ProveConsistency(6, 13)
	if err != nil {
		f.Fatal(err)
	}
	old, _ := tree.RootAt(6)
	leaf := LeafHash(entries[4])
	f.Add(joinHashes(inclusion), int64(13), int64(4), leaf[:])
	f.Add(joinHashes(consistency), int64(13), int64(6), old[:])
	f.Add([]byte{}, int64(0), int64(0), []byte{})
	f.Add([]byte{}, int64(1)<<62, int64(-1), make([]byte, 32))
	f.Add(joinHashes(inclusion), int64(1)<<62+39, int64(73), leaf[:])
	f.Add(joinHashes(consistency), int64(1)<<53+1, int64(1)<<53, old[:])
	f.Fuzz(func(t *testing.T, proof []byte, size, at int64, hash []byte) {
		path := cutHashes(proof)
		var h Hash
		copy(h[:], hash)
		root, known := tree.RootAt(size)
		if err := CheckInclusion(path, size, root, at, h); err == nil && known == nil {
			want, err := tree.Leaf(at)
			if err != nil || want != h {
				t.Errorf("entry %d of %d is proved to be %s", at, size, h)
			}
			if right, _ := tree.Prove(at, size); !bytes.Equal(joinHashes(right), joinHashes(path)) {
				t.Errorf("entry %d of %d has two proofs", at, size)
			}
		} else if err != nil && !errors.Is(err, ErrProof) {
			t.Errorf("unnamed refusal: %v", err)
		}
		if err := CheckConsistency(path, size, root, at, h); err == nil && known == nil {
			if want, err := tree.RootAt(at); err != nil || want != h {
				t.Errorf("a tree of %d with root %s is proved to be part of that of %d", at, h, size)
			}
		} else if err != nil && !errors.Is(err, ErrProof) {
			t.Errorf("unnamed refusal: %v", err)
		}
	})
}

// FuzzParseKey: what is read as a key, secret or public, is written as the same text.
func FuzzParseKey(f *testing.F) {
	key := testKey(f, "atrium/heart")
	f.Add(key.Secret())
	f.Add(key.Verifier())
	f.Add("PRIVATE+KEY+a+00000000+AQ==")
	f.Add("a+00000000+AQ==")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := ParseKey(text); err == nil && k.Secret() != text && k.Secret() != text+"\n" {
			t.Errorf("%q is written as another key", text)
		} else if err != nil && !errors.Is(err, ErrKey) {
			t.Errorf("unnamed refusal: %v", err)
		}
		v, err := newVerifier(text)
		if err != nil {
			if !errors.Is(err, ErrKey) {
				t.Errorf("unnamed refusal: %v", err)
			}
			return
		}
		if name, err := VerifierName(text); err != nil || name != v.Name() {
			t.Errorf("%q names %q, %v", text, name, err)
		}
	})
}
