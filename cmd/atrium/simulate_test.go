package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"atrium/coordinator/simulate"
)

// TestSimulationKilled: a simulation that is killed and goes on, twice, writes the bytes that
// one writes which nobody disturbs; its rule has every hospital keep something.
func TestSimulationKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plan := filepath.Join(dir, "plan.yaml")
	b, err := os.ReadFile("plans/cardiology.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte("rule: fedavg"), []byte("rule: scaffold"), 1)
	if err := os.WriteFile(plan, b, 0o600); err != nil {
		t.Fatal(err)
	}
	args := func(name string, more ...string) []string {
		return append([]string{"simulate", "--plan", plan, "--hospitals", "30", "--rounds", "8", "--seed", "5",
			"--json", filepath.Join(dir, name+".json"), "--svg", filepath.Join(dir, name+".svg")}, more...)
	}
	if out, err := exec.CommandContext(t.Context(), "atrium", args("whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	state := filepath.Join(dir, "state")
	for i, records := range []int{3, 6} {
		more := []string{"--state", state}
		if i > 0 {
			more = append(more, "--resume")
		}
		kill(t, exec.CommandContext(t.Context(), "atrium", args("killed", more...)...), state, records)
	}
	out, err := exec.CommandContext(t.Context(), "atrium", args("killed", "--state", state, "--resume")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, kind := range []string{".json", ".svg"} {
		want, err1 := os.ReadFile(filepath.Join(dir, "whole"+kind))
		got, err2 := os.ReadFile(filepath.Join(dir, "killed"+kind))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(want, got) {
			t.Errorf("%s differs after two interruptions, %v", kind, err)
		}
	}
}

// kill runs a simulation until its directory has so many records of rounds.
func kill(t *testing.T, cmd *exec.Cmd, state string, records int) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		list, err := filepath.Glob(filepath.Join(state, "rounds", "*", "record"))
		if err != nil {
			t.Fatal(err)
		}
		if len(list) >= records {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("ended with %d records of rounds before it was killed: %v", len(list), err)
		case <-time.After(2 * time.Millisecond):
		}
	}
	cmd.Process.Kill()
	if err := <-ended; err == nil {
		t.Fatal("ended by itself")
	}
}

// TestSimulationDrawing: the drawing is XML, says what its curves are, and stays within its
// frame, also where there is nothing to draw.
func TestSimulationDrawing(t *testing.T) {
	auc := 0.8
	full := simulate.Result{Plan: "a<b", Hospitals: 9, Trained: 3, Days: 2, Classes: []simulate.ClassResult{{Name: "x&y", Hospitals: 9}}}
	for i := range 3 {
		m := &simulate.Metric{Scored: simulate.Scored{AUC: &auc, Accuracy: 0.7}, Exact: &simulate.Scored{Accuracy: 0.6}}
		full.Rounds = append(full.Rounds, simulate.RoundResult{Kind: "train", Opened: float64(i) / 2, Ended: float64(i+1) / 2, ByClass: []int{3 + i}, Metric: m})
	}
	for name, r := range map[string]simulate.Result{"full": full, "empty": {}} {
		b := drawSimulation(newSimReport(r, 0))
		numbers, texts := readDrawing(t, b)
		if slices.ContainsFunc(numbers, func(v float64) bool { return math.IsNaN(v) || v < -1 || v > 1400 }) {
			t.Errorf("%s: a coordinate is out of the frame: %v", name, numbers)
		}
		want := []string{"AUC", "AUC, no encryption", "accuracy", "train rounds", "hospitals"}
		if name == "full" {
			want = append(want, "x&y (9)", "hours")
		}
		for _, text := range want {
			if !slices.Contains(texts, text) {
				t.Errorf("%s: nothing says %q: %q", name, text, texts)
			}
		}
	}
}

// readDrawing returns every coordinate and every text.
func readDrawing(t *testing.T, b []byte) (numbers []float64, texts []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return numbers, texts
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		switch e := token.(type) {
		case xml.StartElement:
			for _, a := range e.Attr {
				if v, err := strconv.ParseFloat(a.Value, 64); err == nil {
					numbers = append(numbers, v)
				}
			}
		case xml.CharData:
			if s := strings.TrimSpace(string(e)); s != "" {
				texts = append(texts, s)
			}
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      []float64
	}{{0, 1, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}}, {1, 50, []float64{10, 20, 30, 40, 50}}, {0.75, 0.9, []float64{0.75, 0.8, 0.85, 0.9}}, {3, 3, []float64{3}}} {
		got := ticks(c.low, c.high, 5)
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("%v to %v: %v, want %v", c.low, c.high, got, c.want)
		}
	}
}
