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

// Tree is a Merkle tree over all entries, in memory: 64 bytes an entry. That of a [Log]
// holds, of the entries before the position at which it was opened, only the edge: the
// hashes that further entries are added to.
type Tree struct {
	size  int64
	from  int64          // index of hashes[0] in tlog's dense order
	edge  map[int64]Hash // hashes before that
	known []Hash         // all others

	reigns   []reign // of the keys that signed the log, if Read returned it and there were several
	verifier note.Verifier
}

// treeFrom is a tree of that size of which the hashes of edge(size) are known.
func treeFrom(size int64, hashes []Hash) Tree {
	t := Tree{size: size, from: tlog.StoredHashCount(size), edge: make(map[int64]Hash, len(hashes))}
	for i, x := range edge(size) {
		t.edge[x] = hashes[i]
	}
	return t
}

// edge lists the stored indexes of the largest complete subtrees that make up a tree,
// from left to right: one a bit of its size.
func edge(size int64) []int64 {
	var indexes []int64
	start := int64(0)
	for level := 62; level >= 0; level-- {
		if size>>level&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(level, start>>level))
			start += 1 << level
		}
	}
	return indexes
}

// stored is the hash with an index in tlog's dense order, if the tree holds it.
func (t *Tree) stored(x int64) (Hash, bool) {
	if i := x - t.from; i >= 0 && i < int64(len(t.known)) {
		return t.known[i], true
	}
	h, ok := t.edge[x]
	return h, ok
}

// ReadHashes implements tlog.HashReader.
func (t *Tree) ReadHashes(indexes []int64) ([]Hash, error) {
	hashes := make([]Hash, len(indexes))
	for i, x := range indexes {
		h, ok := t.stored(x)
		if !ok {
			return nil, fmt.Errorf("read stored hash %d of %d", x, t.from+int64(len(t.known)))
		}
		hashes[i] = h
	}
	return hashes, nil
}

func (t *Tree) add(leaf Hash) {
	hashes, err := tlog.StoredHashesForRecordHash(t.size, leaf, t)
	if err != nil {
		panic("roundlog: add leaf: " + err.Error()) // the edge is stored
	}
	t.known = append(t.known, hashes...)
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
func (t *Tree) RootAt(size int64) (Hash, error) { return rootAt(t, t.size, size) }

func rootAt(r tlog.HashReader, have, size int64) (Hash, error) {
	if size < 0 || size > have {
		return Hash{}, fmt.Errorf("%w: root at size %d of %d", ErrProof, size, have)
	}
	return tlog.TreeHash(size, r)
}

// Leaf is the leaf hash of entry index. [ErrProof] when there is none.
func (t *Tree) Leaf(index int64) (Hash, error) {
	if h, ok := t.stored(tlog.StoredHashIndex(0, max(index, 0))); ok && index >= 0 {
		return h, nil
	}
	return Hash{}, fmt.Errorf("%w: leaf %d of %d", ErrProof, index, t.size)
}

// Prove proves that entry index is in the tree of the first size entries: at most 63
// hashes. [ErrProof] unless 0 <= index < size <= Size.
func (t *Tree) Prove(index, size int64) (InclusionProof, error) {
	return prove(t, t.size, index, size)
}

func prove(r tlog.HashReader, have, index, size int64) (InclusionProof, error) {
	if index < 0 || index >= size || size > have {
		return nil, fmt.Errorf("%w: prove entry %d at size %d of %d", ErrProof, index, size, have)
	}
	return tlog.ProveRecord(size, index, r)
}

// ProveConsistency proves that the tree of the first older entries is a prefix of that
// of the first newer ones. [ErrProof] unless 0 <= older <= newer <= Size.
func (t *Tree) ProveConsistency(older, newer int64) (ConsistencyProof, error) {
	return proveConsistency(t, t.size, older, newer)
}

func proveConsistency(r tlog.HashReader, have, older, newer int64) (ConsistencyProof, error) {
	if older < 0 || older > newer || newer > have {
		return nil, fmt.Errorf("%w: prove size %d consistent with %d of %d", ErrProof, older, newer, have)
	}
	if older == 0 || older == newer {
		return ConsistencyProof{}, nil
	}
	return tlog.ProveTree(newer, older, r)
}

// CheckInclusion checks that the entry with this leaf hash is number index in the tree
// of that size and root. [ErrProof].
func CheckInclusion(proof InclusionProof, size int64, root Hash, index int64, leaf Hash) error {
	if size > maxSize {
		return fmt.Errorf("%w: entry %d at size %d", ErrProof, index, size)
	}
	if err := tlog.CheckRecord(proof, size, root, index, leaf); err != nil {
		return fmt.Errorf("%w: entry %d at size %d: %w", ErrProof, index, size, err)
	}
	return nil
}

// CheckConsistency checks that the older tree is a prefix of the newer one. Every tree
// continues the empty one, whose root must be that of RFC 6962. [ErrProof].
func CheckConsistency(proof ConsistencyProof, newSize int64, newRoot Hash, oldSize int64, oldRoot Hash) error {
	if newSize > maxSize {
		return fmt.Errorf("%w: size %d to %d", ErrProof, oldSize, newSize)
	}
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
