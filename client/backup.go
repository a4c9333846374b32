package client

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"atrium/client/participant"
	"atrium/coordinator/federation"
	"atrium/storage/local"
)

// CheckState replays the journal of a state directory that no daemon uses, and says how
// many Joins it remembers.
func CheckState(dir string, charter federation.Charter, identity ed25519.PrivateKey) (joins uint64, err error) {
	j, state, err := openJournal(dir, ownState(charter, identity))
	if err != nil {
		return 0, err
	}
	return state.Counter, j.close()
}

// restoringFile in the state directory is there while a restore is under way.
const restoringFile = "restoring"

// ErrRestoring: a restore broke off, so that nobody knows what the journal lacks.
var ErrRestoring = errors.New("a restore of this state directory broke off: empty the directory and restore again")

// Freeze keeps the daemon of a state directory from starting until Recover.
func Freeze(dir, reason string) error {
	return keepFile(dir, FrozenFile, []byte(reason+"\n"))
}

// BeginRestore makes a state directory, if it is absent, and keeps its daemon from starting
// until Recover, and everything else from its journal until FinishRestore. The caller then
// puts the backup into it.
func BeginRestore(dir, reason string) error {
	if err := local.MakeFolders(dir); err != nil {
		return err
	}
	if err := keepFile(dir, restoringFile, nil); err != nil {
		return err
	}
	return Freeze(dir, reason)
}

// FinishRestore replays the journal that a backup had and says how many Joins it remembers.
// The directory stays frozen, and closed to Recover too where the journal does not hold.
func FinishRestore(dir string, charter federation.Charter, identity ed25519.PrivateKey) (joins uint64, err error) {
	if _, err := os.Stat(filepath.Join(dir, JournalFile)); err != nil { // it would be made anew
		return 0, err
	}
	j, state, err := loadJournal(dir, ownState(charter, identity))
	if err != nil {
		return 0, err
	}
	if err := errors.Join(j.close(), os.Remove(filepath.Join(dir, restoringFile))); err != nil {
		return 0, err
	}
	return state.Counter, syncDir(dir)
}

// checkRestored refuses a state directory whose restore broke off.
func checkRestored(dir string) error {
	path := filepath.Join(dir, restoringFile)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("%w: %s is there", ErrRestoring, path), err)
	}
	return nil
}

func ownState(charter federation.Charter, identity ed25519.PrivateKey) participant.State {
	self := federation.NewHospitalID(charter.Federation, identity.Public().(ed25519.PublicKey))
	return participant.State{Self: self, Charter: charter}
}
