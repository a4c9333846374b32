package miniotest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRevive: a process that ended by itself is started again, one that was killed is not.
func TestRevive(t *testing.T) {
	n := &Node{name: "node", program: "sh", args: []string{"-c", "echo started"}, log: filepath.Join(t.TempDir(), "log")}
	starts := func() int {
		t.Helper()
		b, err := os.ReadFile(n.log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(b), "started")
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	<-n.ended
	if err := n.Revive(); err != nil {
		t.Fatal(err)
	}
	<-n.ended
	if got := starts(); got != 2 {
		t.Errorf("started %d times, want 2", got)
	}
	n.Kill()
	if err := n.Revive(); err != nil {
		t.Fatal(err)
	}
	if got := starts(); n.cmd != nil || got != 2 {
		t.Errorf("a killed process was started again: %d starts", got)
	}
}
