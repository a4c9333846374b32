package main

import (
	"os"
	"path/filepath"
	"testing"

	"atrium/cmd/atrium/plans"
)

// TestRecompute: the word that ours was wrong wants a sum that failed, and a yes.
func TestRecompute(t *testing.T) {
	s := newSite(t, plans.Cardiology())
	folder := s.hospital("a")
	file := func(name string) string { return filepath.Join(folder, "state", name) }
	_, errs := ran(t, 1, "hospital", "recompute", folder, "--yes")
	contains(t, errs, "no sum failed here")
	if err := os.MkdirAll(filepath.Join(folder, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	failed := `{"v":1,"round":7,"manifest":"` + zeros + `","question":"integers/x/"}`
	if err := os.WriteFile(file("failed.json"), []byte(failed), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs := answered(t, 1, "no\n", nil, "hospital", "recompute", folder)
	contains(t, out, "Round 7 came to nothing", "it learns the difference of this hospital's two", "Type yes")
	contains(t, errs, "nothing was written")
	if _, err := os.Stat(file("wrong.json")); err == nil {
		t.Error("a no is written down")
	}
	out, _ = answered(t, 0, "yes\n", nil, "hospital", "recompute", folder)
	contains(t, out, "when round 7's question is asked again, it is computed anew")
	word, err := os.ReadFile(file("wrong.json"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(word), failed, `"by":`, `"at":`)
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"
