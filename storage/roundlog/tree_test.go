package roundlog

import (
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The naive twin: RFC 6962 §2.1 written down as it stands there.

func naiveSplit(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

func naiveRoot(es [][]byte) Hash {
	switch len(es) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, es[0]...))
	}
	k := naiveSplit(len(es))
	left, right := naiveRoot(es[:k]), naiveRoot(es[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

func naivePath(m int, es [][]byte) []Hash {
	if len(es) == 1 {
		return nil
	}
	k := naiveSplit(len(es))
	if m < k {
		return append(naivePath(m, es[:k]), naiveRoot(es[k:]))
	}
	return append(naivePath(m-k, es[k:]), naiveRoot(es[:k]))
}

func naiveProof(m int, es [][]byte, whole bool) []Hash {
	if m == len(es) {
		if whole {
			return nil
		}
		return []Hash{naiveRoot(es)}
	}
	k := naiveSplit(len(es))
	if m <= k {
		return append(naiveProof(m, es[:k], whole), naiveRoot(es[k:]))
	}
	return append(naiveProof(m-k, es[k:], false), naiveRoot(es[:k]))
}

func testTree(es [][]byte) *Tree {
	var tree Tree
	for _, e := range es {
		tree.add(LeafHash(e))
	}
	return &tree
}

func TestInclusion(t *testing.T) {
	es := entries(0, 40)
	tree := testTree(es)
	for size := int64(1); size <= 40; size++ {
		root := naiveRoot(es[:size])
		if got := must[Hash](t)(tree.RootAt(size)); got != root {
			t.Fatalf("root at size %d is %s, want %s", size, got, root)
		}
		for index := range size {
			proof := must[InclusionProof](t)(tree.Prove(index, size))
			if diff := cmp.Diff(naivePath(int(index), es[:size]), []Hash(proof)); diff != "" && len(proof) > 0 {
				t.Fatalf("path of %d at %d:\n%s", index, size, diff)
			}
			if err := CheckInclusion(proof, size, root, index, LeafHash(es[index])); err != nil {
				t.Fatal(err)
			}
			if err := CheckInclusion(proof, size, root, index, LeafHash([]byte("other"))); !errors.Is(err, ErrProof) {
				t.Fatalf("other leaf %d at %d: %v", index, size, err)
			}
			if err := CheckInclusion(append(proof, Hash{}), size, root, index, LeafHash(es[index])); !errors.Is(err, ErrProof) {
				t.Fatalf("longer proof of %d at %d: %v", index, size, err)
			}
		}
	}
}

func TestConsistency(t *testing.T) {
	es := entries(0, 40)
	tree := testTree(es)
	for newer := range int64(41) {
		for older := range newer + 1 {
			oldRoot, newRoot := naiveRoot(es[:older]), naiveRoot(es[:newer])
			proof := must[ConsistencyProof](t)(tree.ProveConsistency(older, newer))
			var want []Hash
			if older > 0 {
				want = naiveProof(int(older), es[:newer], true)
			}
			if diff := cmp.Diff(want, []Hash(proof)); diff != "" && len(want)+len(proof) > 0 {
				t.Fatalf("proof of %d in %d:\n%s", older, newer, diff)
			}
			if err := CheckConsistency(proof, newer, newRoot, older, oldRoot); err != nil {
				t.Fatalf("%d in %d: %v", older, newer, err)
			}
			if err := CheckConsistency(proof, newer, newRoot, older, Hash{1}); !errors.Is(err, ErrProof) {
				t.Fatalf("other old root at %d in %d: %v", older, newer, err)
			}
			if err := CheckConsistency(append(proof, Hash{}), newer, newRoot, older, oldRoot); !errors.Is(err, ErrProof) {
				t.Fatalf("longer proof of %d in %d: %v", older, newer, err)
			}
			if older > 0 {
				if err := CheckConsistency(proof, newer, Hash{1}, older, oldRoot); !errors.Is(err, ErrProof) {
					t.Fatalf("other new root at %d in %d: %v", older, newer, err)
				}
			}
		}
	}
}

func TestProofBounds(t *testing.T) {
	tree := testTree(entries(0, 5))
	for _, c := range [][2]int64{{-1, 5}, {5, 5}, {0, 6}, {0, 0}, {3, 2}} {
		if _, err := tree.Prove(c[0], c[1]); !errors.Is(err, ErrProof) {
			t.Errorf("prove %d at %d: %v", c[0], c[1], err)
		}
	}
	for _, c := range [][2]int64{{-1, 5}, {0, 6}, {3, 2}} {
		if _, err := tree.ProveConsistency(c[0], c[1]); !errors.Is(err, ErrProof) {
			t.Errorf("prove %d in %d: %v", c[0], c[1], err)
		}
	}
	for _, size := range []int64{-1, 6} {
		if _, err := tree.RootAt(size); !errors.Is(err, ErrProof) {
			t.Errorf("root at %d: %v", size, err)
		}
	}
	for _, index := range []int64{-1, 5} {
		if _, err := tree.Leaf(index); !errors.Is(err, ErrProof) {
			t.Errorf("leaf %d: %v", index, err)
		}
	}
	for _, size := range []int64{-5, 0, 2} {
		if err := CheckConsistency(nil, size, Hash{}, 3, Hash{}); !errors.Is(err, ErrProof) {
			t.Errorf("consistency of 3 in %d: %v", size, err)
		}
	}
	if err := CheckConsistency(nil, -1, Hash{}, 0, naiveRoot(nil)); !errors.Is(err, ErrProof) {
		t.Errorf("consistency of 0 in -1: %v", err)
	}
}
