package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/client/evidence"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

// TestAuditEvidence: what the command says of a file that holds, and of files that do not.
func TestAuditEvidence(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "client", "evidence", "testdata")
	file, charter := filepath.Join(folder, "evidence.json"), filepath.Join(folder, "charter.json")
	c, err := setup.LoadCharter(charter)
	if err != nil {
		t.Fatal(err)
	}
	anchored := []string{"audit", "evidence", "--charter", charter, "--charter-digest", c.Digest().String()}
	out, _ := ran(t, 0, append(anchored, file)...)
	contains(t, out, file+":", "The log's entry 1 (publish, round 7", "signed that what follows is:", "It does not show who is right")
	_, said := ran(t, 3, "audit", "evidence", "--charter", charter, file)
	contains(t, said, "not anchored")
	out, _ = ran(t, 0, append(anchored, "--json", file, file)...)
	var report evidenceReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || !report.Anchored || len(report.Files) != 2 || len(report.Files[1].Differs) != 3 {
		t.Errorf("%+v: %v", report, err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := evidence.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	f.Sends[1].Signature[3] ^= 1
	bad, junk := filepath.Join(t.TempDir(), "bad.json"), filepath.Join(t.TempDir(), "junk\x1b[2J.json")
	for name, content := range map[string][]byte{bad: federation.Encode(f), junk: bytes.ToUpper(b)} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, said = ran(t, 1, append(anchored, file, bad)...)
	contains(t, out, file+":")
	contains(t, said, bad+": sends: message 1: ", "signature does not verify")
	none := filepath.Join(folder, "none")
	out, said = ran(t, 1, append(anchored, "--json", none, bad, file)...)
	contains(t, said, "none: no such file", bad+": sends: message 1: ")
	report = evidenceReport{}
	if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Files) != 1 || len(report.Wrong) != 2 || strings.Count(report.Wrong[0], none) != 1 {
		t.Errorf("%+v: %v", report, err)
	}
	_, said = ran(t, 1, append(anchored, junk)...)
	contains(t, said, "not a file of evidence")
	if bytes.Contains([]byte(said), []byte{0x1b}) {
		t.Errorf("a terminal is told %q", said)
	}
	ran(t, 1, append(anchored, filepath.Join(folder, "none"))...)
	ran(t, 1, "audit", "evidence", "--charter", charter, "--charter-digest", federation.Sum(nil).String(), file)
	ran(t, 2, "audit", "evidence", file)
	ran(t, 2, "audit", "evidence", "--charter", charter, "--charter-digest", "3f7a", file)
	ran(t, 2, "audit", "evidence", "--charter", charter)
}
