package roundlog

import (
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The hashes and proofs of RFC 6962 §2.1.
type (
	Hash             = tlog.Hash        // SHA-256 with the prefix byte of a leaf or a node
	InclusionProof   = tlog.RecordProof // §2.1.1, leaf upwards
	ConsistencyProof = tlog.TreeProof   // §2.1.2
)

// LeafHash is the hash of an entry as a leaf.
func LeafHash(entry []byte) Hash { return tlog.RecordHash(entry) }

// Tree is a Merkle tree over all entries, in memory: 64 bytes an entry.
type Tree struct {
	size   int64
	stored []Hash // tlog's dense order

	reigns   []reign // of the keys that signed the log, if Read returned it and there were several
	verifier note.Verifier
}

// ReadHashes implements tlog.HashReader.
func (t *Tree) ReadHashes(indexes []int64) ([]Hash, error) {
	hashes := make([]Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(t.stored)) {
			return nil, fmt.Errorf("read stored hash %d of %d", x, len(t.stored))
		}
		hashes[i] = t.stored[x]
	}
	return hashes, nil
}

func (t *Tree) add(leaf Hash) {
	hashes, err := tlog.StoredHashesForRecordHash(t.size, leaf, t)
	if err != nil {
		panic("roundlog: add leaf: " + err.Error()) // every earlier hash is stored
	}
	t.stored = append(t.stored, hashes...)
	t.size++
}

// Size is the number of entries.
func (t *Tree) Size() int64 { return t.size }

// Root is the root over all entries.
func (t *Tree) Root() Hash {
	root, err := t.RootAt(t.size)
	if err != nil {
		panic("roundlog: " + err.Error())
	}
	return root
}

// RootAt is the root over the first size entries. [ErrProof] when there are fewer.
func (t *Tree) RootAt(size int64) (Hash, error) {
	if size < 0 || size > t.size {
		return Hash{}, fmt.Errorf("%w: root at size %d of %d", ErrProof, size, t.size)
	}
	return tlog.TreeHash(size, t)
}

// Leaf is the leaf hash of entry index. [ErrProof] when there is none.
func (t *Tree) Leaf(index int64) (Hash, error) {
	if index < 0 || index >= t.size {
		return Hash{}, fmt.Errorf("%w: leaf %d of %d", ErrProof, index, t.size)
	}
	return t.stored[tlog.StoredHashIndex(0, index)], nil
}

// Prove proves that entry index is in the tree of the first size entries: at most 63
// hashes. [ErrProof] unless 0 <= index < size <= Size.
func (t *Tree) Prove(index, size int64) (InclusionProof, error) {
	if index < 0 || index >= size || size > t.size {
		return nil, fmt.Errorf("%w: prove entry %d at size %d of %d", ErrProof, index, size, t.size)
	}
	return tlog.ProveRecord(size, index, t)
}

// ProveConsistency proves that the tree of the first older entries is a prefix of that
// of the first newer ones. [ErrProof] unless 0 <= older <= newer <= Size.
func (t *Tree) ProveConsistency(older, newer int64) (ConsistencyProof, error) {
	if older < 0 || older > newer || newer > t.size {
		return nil, fmt.Errorf("%w: prove size %d consistent with %d of %d", ErrProof, older, newer, t.size)
	}
	if older == 0 || older == newer {
		return ConsistencyProof{}, nil
	}
	return tlog.ProveTree(newer, older, t)
}

// CheckInclusion checks that the entry with this leaf hash is number index in the tree
// of that size and root. [ErrProof].
func CheckInclusion(proof InclusionProof, size int64, root Hash, index int64, leaf Hash) error {
	if err := tlog.CheckRecord(proof, size, root, index, leaf); err != nil {
		return fmt.Errorf("%w: entry %d at size %d: %w", ErrProof, index, size, err)
	}
	return nil
}

// CheckConsistency checks that the older tree is a prefix of the newer one. Every tree
// continues the empty one, whose root must be that of RFC 6962. [ErrProof].
func CheckConsistency(proof ConsistencyProof, newSize int64, newRoot Hash, oldSize int64, oldRoot Hash) error {
	if oldSize == 0 || newSize == 0 {
		empty, _ := tlog.TreeHash(0, nil)
		if oldSize != 0 || newSize < 0 || len(proof) != 0 || oldRoot != empty || newSize == 0 && newRoot != empty {
			return fmt.Errorf("%w: size %d to %d", ErrProof, oldSize, newSize)
		}
		return nil
	}
	if err := tlog.CheckTree(proof, newSize, newRoot, oldSize, oldRoot); err != nil {
		return fmt.Errorf("%w: size %d to %d: %w", ErrProof, oldSize, newSize, err)
	}
	return nil
}
