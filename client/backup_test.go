package client

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/client/participant"
	"atrium/coordinator/federation"
)

// TestRestoreThatBrokeOff: while a backup is put back nothing reads the journal, or makes
// one: not the daemon, not an approval, not a recovery that would take an empty memory for
// the custodian's own.
func TestRestoreThatBrokeOff(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	charter := federation.Charter{Federation: "f"}
	_, identity, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := BeginRestore(dir, "restored from a backup"); err != nil {
		t.Fatal(err)
	}
	closed := func(when string) {
		t.Helper()
		if _, _, err := openJournal(dir, participant.State{}); !errors.Is(err, ErrRestoring) {
			t.Errorf("%s: the journal opens: %v", when, err)
		}
		if _, err := CheckState(dir, charter, identity); !errors.Is(err, ErrRestoring) {
			t.Errorf("%s: the state can be backed up: %v", when, err)
		}
		if err := checkFrozen(dir); !errors.Is(err, ErrFrozen) || !strings.Contains(err.Error(), "restored from a backup") {
			t.Errorf("%s: it is not frozen: %v", when, err)
		}
	}
	closed("nothing was copied")
	if _, err := FinishRestore(dir, charter, identity); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a restore without a journal ends: %v", err)
	}
	closed("without a journal")
	journal := filepath.Join(dir, JournalFile)
	if err := os.WriteFile(journal, []byte("00000000 {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := FinishRestore(dir, charter, identity); !errors.Is(err, ErrJournal) {
		t.Errorf("a restore of a damaged journal ends: %v", err)
	}
	closed("with a damaged journal")
	if err := os.WriteFile(journal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if joins, err := FinishRestore(dir, charter, identity); err != nil || joins != 0 {
		t.Errorf("an empty journal: %d joins, %v", joins, err)
	}
	if err := checkFrozen(dir); !errors.Is(err, ErrFrozen) {
		t.Errorf("an empty memory is not frozen: %v", err)
	}
	if _, err := CheckState(dir, charter, identity); err != nil {
		t.Error(err)
	}
}
