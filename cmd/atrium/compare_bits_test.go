package main

import (
	"math"
	"os"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// precisions runs a plan under FedAvg in 8, 16 and 24 bits, with both kinds of clip, and in
// floating point; it returns the score on all records by row.
func precisions(t *testing.T, plan federation.Plan, args ...string) map[string]compareScore {
	t.Helper()
	c, tables := compared(t, plan, append(args, "--rules", "fedavg", "--bits", "8,16,24")...)
	t.Logf("\n%s", tables)
	scores := map[string]compareScore{}
	for _, r := range c.Runs {
		if r.Seed == 1 {
			scores[strings.TrimPrefix(r.Row, "fedavg, ")] = r.All
		}
	}
	for _, row := range []string{"floating point", "8 bits", "8 bits, clip auto", "16 bits", "16 bits, clip auto", "24 bits", "24 bits, clip auto"} {
		if s, ok := scores[row]; !ok || s.AUC == nil {
			t.Fatalf("there is no row %q", row)
		}
	}
	return scores
}

// TestPrecisionOnHeartDisease: on real records 8 bits cost little, and 16 nothing to speak
// of, with either clip.
func TestPrecisionOnHeartDisease(t *testing.T) {
	t.Parallel()
	requireRecords(t)
	scores := precisions(t, plans.Cardiology(), "--data", split43, "--seeds", "1", "--rounds", "20")
	exact := scores["floating point"]
	for row, most := range map[string]float64{"8 bits": 0.01, "8 bits, clip auto": 0.01, "16 bits": 0.0005, "16 bits, clip auto": 0.0005, "24 bits": 1e-5, "24 bits, clip auto": 0.0005} {
		if s := scores[row]; math.Abs(s.LogLoss-exact.LogLoss) > most || math.Abs(*s.AUC-*exact.AUC) > most {
			t.Errorf("%s: log-loss %.5f and AUC %.5f, in floating point %.5f and %.5f: want them within %v", row, s.LogLoss, *s.AUC, exact.LogLoss, *exact.AUC, most)
		}
	}
}

// TestClipThatIsFarTooWide: eight bits of a clip a hundred times too wide are noise; one that
// follows the sums comes down to what is needed.
func TestClipThatIsFarTooWide(t *testing.T) {
	t.Parallel()
	requireRecords(t)
	plan := plans.Cardiology()
	plan.Privacy.Clip = 100
	scores := precisions(t, plan, "--data", split43, "--seeds", "1", "--rounds", "40")
	exact, fixed, auto := scores["floating point"].LogLoss, scores["8 bits"].LogLoss, scores["8 bits, clip auto"].LogLoss
	if auto > exact+0.01 || fixed < exact+0.05 {
		t.Errorf("8 bits: log-loss %.4f with a fixed clip of 100, %.4f with one that follows, %.4f in floating point", fixed, auto, exact)
	}
}

// TestPrecisionOfANetwork: nor do 8 bits cost much of a network with thousands of parameters.
func TestPrecisionOfANetwork(t *testing.T) {
	if os.Getenv("SLOW_TESTS") == "" {
		t.Skip("trains for minutes: make slow")
	}
	scores := precisions(t, plans.Chest(), "--data", writeSites(t, chestSites(t)), "--seeds", "1", "--rounds", "6")
	exact := scores["floating point"]
	for row, most := range map[string]float64{"8 bits": 0.02, "8 bits, clip auto": 0.02, "16 bits": 0.02, "16 bits, clip auto": 0.02, "24 bits": 0.003, "24 bits, clip auto": 0.003} {
		if s := scores[row]; math.Abs(s.LogLoss-exact.LogLoss) > most || math.Abs(*s.AUC-*exact.AUC) > most {
			t.Errorf("%s: log-loss %.4f and AUC %.4f, in floating point %.4f and %.4f: want them within %v", row, s.LogLoss, *s.AUC, exact.LogLoss, *exact.AUC, most)
		}
	}
}
