package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBenchTrainRatio: convolutions are so many times as fast as gorgonia's own operations,
// which is all that is claimed of their speed: processors differ, and so does their load.
func TestBenchTrainRatio(t *testing.T) {
	if os.Getenv("SLOW_TESTS") == "" {
		t.Skip("measures for half a minute: make slow")
	}
	out, err := exec.CommandContext(t.Context(), "atrium", "version").Output()
	if err != nil || !strings.Contains(string(out), "multiplied by "+linkedBLAS) {
		t.Errorf("atrium version says %q, %v: want %s", out, err, linkedBLAS)
	}
	result := filepath.Join(t.TempDir(), "train.json")
	if out, err := exec.CommandContext(t.Context(), "atrium", "bench", "train", "--seconds", "4", "--json", result).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	} else {
		t.Logf("\n%s", out)
	}
	var r trainResult
	if err := json.Unmarshal(mustRead(t, result), &r); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.BLAS, linkedBLAS) {
		t.Errorf("measured with %q, want %s", r.BLAS, linkedBLAS)
	}
	for _, m := range r.Models {
		if m.Stock > 0 && m.Ratio < leastRatio {
			t.Errorf("%s: %.2f times gorgonia's own operations, want %v", m.Model, m.Ratio, leastRatio)
		}
	}
}
