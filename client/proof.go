package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"atrium/client/participant"
	"atrium/coordinator/federation"
	"atrium/storage/local"
)

// proofsFolder of the state directory holds what a closing statement shows of the newest
// sends: the readies of t custodians and this hospital's own Send. Of older ones the log has
// the sends of t custodians.
const proofsFolder = "proofs"

func proofName(round uint64, manifest, candidate federation.Digest) string {
	return fmt.Sprintf("%012d-%s-%s", round, manifest, candidate)
}

// keepProof makes a proof durable before the Send that it holds leaves this hospital.
func keepProof(dir string, round uint64, manifest, candidate federation.Digest, p federation.Proof) error {
	folder := filepath.Join(dir, proofsFolder)
	if err := local.MakeFolders(folder); err != nil {
		return err
	}
	if err := keepFile(folder, proofName(round, manifest, candidate), federation.Encode(p)); err != nil {
		return err
	}
	names, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, old := range names[:max(0, len(names)-maxProofs)] { // by round
		if err := os.Remove(filepath.Join(folder, old.Name())); err != nil {
			return err
		}
	}
	return nil
}

// proofs reads what closing statements show.
func proofs(dir string) participant.Shows {
	return func(manifest, candidate federation.Digest) *federation.Proof {
		p, err := readProof(dir, manifest, candidate)
		if err != nil {
			return nil // the statement names the question all the same
		}
		return &p
	}
}

func readProof(dir string, manifest, candidate federation.Digest) (federation.Proof, error) {
	folder := filepath.Join(dir, proofsFolder)
	names, err := os.ReadDir(folder)
	if err != nil {
		return federation.Proof{}, err
	}
	i := slices.IndexFunc(names, func(e fs.DirEntry) bool {
		return strings.HasSuffix(e.Name(), fmt.Sprintf("-%s-%s", manifest, candidate))
	})
	if i < 0 {
		return federation.Proof{}, fs.ErrNotExist
	}
	raw, err := os.ReadFile(filepath.Join(folder, names[i].Name()))
	if err != nil {
		return federation.Proof{}, err
	}
	if len(raw) > federation.MaxClosingBytes {
		return federation.Proof{}, errors.New("proof is too large")
	}
	return federation.Decode[federation.Proof](raw, federation.MaxClosingBytes)
}
