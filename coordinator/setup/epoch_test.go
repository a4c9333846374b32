package setup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/coordinator/federation"
)

// The files of an epoch are replaced once, however often that is repeated, and the old
// ones stay with their modes.
func TestReplaceEpochFiles(t *testing.T) {
	r := made(t, options(t))
	file := func(name string) string { return filepath.Join(r.Coordinator, name) }
	old := map[string][]byte{}
	for _, name := range []string{"charter.json", "countersignatures.json", "log.key"} {
		b, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		old[name] = b
	}
	key, err := NewLogKey(file("log-epoch2.key"), r.Charter.LogKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewLogKey(file("log-epoch2.key"), r.Charter.LogKey); !errors.Is(err, os.ErrExist) {
		t.Errorf("a key is drawn over another: %v", err)
	}
	next, err := r.Charter.Next(federation.Change{LogKey: key.Verifier()})
	if err != nil {
		t.Fatal(err)
	}
	next.Closings = []federation.Digest{federation.Sum(nil)}
	files := EpochFiles{Charter: file("charter.json"), Countersignatures: file("countersignatures.json"), LogKey: file("log.key")}
	for range 2 {
		if err := files.Replace(1, next, federation.Countersignatures{V: 1, Charter: next.Digest()}, key); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range old {
		if got, err := os.ReadFile(file(name + ".epoch1")); err != nil || string(got) != string(want) {
			t.Errorf("%s.epoch1 is not the old file: %v", name, err)
		}
	}
	got := modes(t, r.Coordinator)
	if got["log.key"] != "-rw-------" || got["log.key.epoch1"] != "-rw-------" || got["charter.json"] != "-rw-r--r--" {
		t.Errorf("modes %v", got)
	}
	if loaded, err := LoadCharterKey(file("log.key"), next); err != nil || loaded.Verifier() != key.Verifier() {
		t.Errorf("the new key: %v", err)
	}
	if c, err := LoadCharter(file("charter.json")); err != nil || c.Epoch != 2 {
		t.Errorf("the new charter: epoch %d, %v", c.Epoch, err)
	}
}

func TestLoadCharterKeySaysWhatToDo(t *testing.T) {
	r := made(t, options(t))
	other := made(t, options(t))
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"missing": "absent.key", "no key": junk, "another federation's": filepath.Join(other.Coordinator, "log.key")} {
		_, err := LoadCharterKey(file, r.Charter)
		if !errors.Is(err, ErrLogKey) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "charter propose --new-log-key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	open := filepath.Join(r.Coordinator, "log.key")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCharterKey(open, r.Charter); !errors.Is(err, ErrMode) || errors.Is(err, ErrLogKey) {
		t.Errorf("open to others: %v", err)
	}
}
