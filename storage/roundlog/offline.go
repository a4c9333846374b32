package roundlog

import (
	"crypto/ed25519"
	"fmt"
	"time"
)

// VerifyCosignature is the function of that name for a tree head whose text is rebuilt
// from its three values: a message that carries size, root and cosignature needs no
// signed checkpoint beside it. Whether the log had that root at that size is the
// caller's to check. Errors: those of [VerifyCosignature].
func (c Checkpoint) VerifyCosignature(line []byte, name string, key ed25519.PublicKey) (time.Time, error) {
	return VerifyCosignature([]byte(c.text()+"\n"), line, name, key)
}

// UnverifiedBatch decodes a batch object without checking its signature. It serves who
// reads a log without knowing its key, to find the charter that names the key; the batch
// is worth nothing until [Read] has seen it. Errors: [ErrEncoding], [ErrEntry].
func UnverifiedBatch(data []byte) (Batch, error) {
	b, err := decodeBatch(data)
	if err != nil {
		return Batch{}, fmt.Errorf("batch: %w", err)
	}
	return b, nil
}
