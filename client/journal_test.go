package client

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"atrium/client/participant"
	"atrium/coordinator/federation"
)

// written returns a state directory whose journal has three entries.
func written(t *testing.T) (dir string, state participant.State) {
	t.Helper()
	dir = t.TempDir()
	j, state, err := openJournal(dir, participant.State{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		entries := participant.Start(federation.Digest{byte(i + 1)})
		if err := j.add(entries); err != nil {
			t.Fatal(err)
		}
		if state, err = participant.Apply(state, entries[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	return dir, state
}

func TestJournalIsReplayed(t *testing.T) {
	dir, want := written(t)
	j, got, err := openJournal(dir, participant.State{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if got.Live.Incarnation != want.Live.Incarnation {
		t.Errorf("incarnation %s, want %s", got.Live.Incarnation.Short(), want.Live.Incarnation.Short())
	}
}

func TestJournalCutShortAnywhere(t *testing.T) {
	dir, _ := written(t)
	path := filepath.Join(dir, "journal")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for n := last; n < len(whole); n++ {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j, state, err := openJournal(dir, participant.State{})
		if err != nil {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
		if state.Live.Incarnation != (federation.Digest{2}) {
			t.Errorf("cut after %d bytes: incarnation %s", n, state.Live.Incarnation.Short())
		}
		if err := j.add(participant.Start(federation.Digest{9})); err != nil {
			t.Fatal(err)
		}
		j.close()
		j, state, err = openJournal(dir, participant.State{})
		if err != nil || state.Live.Incarnation != (federation.Digest{9}) {
			t.Fatalf("cut after %d bytes, then written to: %v", n, err)
		}
		j.close()
	}
}

func TestJournalDamagedAnywhereIsRefused(t *testing.T) {
	dir, _ := written(t)
	path := filepath.Join(dir, "journal")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(whole) - 1 { // the last newline missing is a line cut short
		damaged := bytes.Clone(whole)
		damaged[i] ^= 4
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		j, _, err := openJournal(dir, participant.State{})
		if !errors.Is(err, ErrJournal) {
			t.Errorf("byte %d damaged: %v", i, err)
		}
		if err == nil {
			j.close()
		}
	}
}

func TestJournalIsLocked(t *testing.T) {
	dir := t.TempDir()
	j, _, err := openJournal(dir, participant.State{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := openJournal(dir, participant.State{}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second daemon: %v", err)
	}
	j.close()
	j, _, err = openJournal(dir, participant.State{})
	if err != nil {
		t.Fatal(err)
	}
	j.close()
}
