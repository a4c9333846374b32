package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// compared runs `atrium compare` and returns what it wrote, and its tables.
func compared(t *testing.T, plan federation.Plan, args ...string) (comparison, string) {
	t.Helper()
	dir := t.TempDir()
	file, result := filepath.Join(dir, "plan.yaml"), filepath.Join(dir, "compare.json")
	if err := os.WriteFile(file, planfile.WritePlan(plan), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "atrium", append([]string{"compare", "--plan", file, "--json", result}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var c comparison
	if err := json.Unmarshal(mustRead(t, result), &c); err != nil {
		t.Fatal(err)
	}
	return c, string(out)
}

// mean returns the mean over seeds and hospitals of a row.
func (c comparison) mean(t *testing.T, row string, tuned bool, of func(compareScore) float64) float64 {
	t.Helper()
	seeds, fine := c.row(row)
	if tuned {
		seeds = fine
	}
	if len(seeds) != c.Seeds {
		t.Fatalf("%s: %d seeds of %d", row, len(seeds), c.Seeds)
	}
	sum := 0.0
	for _, s := range seeds {
		for _, h := range s.hospitals {
			sum += of(h) / float64(len(s.hospitals)*len(seeds))
		}
	}
	return sum
}

func accuracy(s compareScore) float64 { return s.Accuracy }

// TestCompareIsTheDemonstration: what one process computes is what a coordinator and its
// hospitals do as processes, encrypted: the bytes of the last version, and every score.
func TestCompareIsTheDemonstration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule   string
		change func(*federation.Plan)
	}{
		"all records in a step": {"fedavg", func(p *federation.Plan) { p.Local.FineTune = 10 }},
		"batches, momentum of the server, hidden layer": {"fedadam", func(p *federation.Plan) {
			p.Model = federation.Model{Kind: federation.MLP, Hidden: []int{8}}
			p.Local.Steps, p.Local.Epochs, p.Local.Batch = 0, 1, 16
			p.Aggregation, _ = planfile.Rule(federation.FedAdam)
			p.Aggregation.LearningRate = 0.03
		}},
		"several labels, clip that follows": {"fedavg", func(p *federation.Plan) {
			p.Model = federation.Model{Kind: federation.Layers, Layers: []federation.Layer{{Kind: federation.Dense, Units: 4}}}
			p.Features = slices.DeleteFunc(p.Features, func(f federation.Feature) bool { return f.Name == "sex" })
			p.Label.Columns = []string{"disease", "sex"}
			p.Privacy.ClipLeast, p.Local.FineTune = 0.001, 5
		}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := plans.Cardiology()
			plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 3, 0
			c.change(&plan)
			file := filepath.Join(t.TempDir(), "plan.yaml")
			if err := os.WriteFile(file, planfile.WritePlan(plan), 0o600); err != nil {
				t.Fatal(err)
			}
			demo := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--plan", file, "--seed", "1")
			got, _ := compared(t, plan, "--rules", c.rule, "--seeds", "1")
			want := demo.result()
			runs := map[string]compareRun{}
			for _, r := range got.Runs {
				runs[r.Row] = r
			}
			run, local := runs[c.rule], runs["local"]
			if run.Snapshot == nil || run.Snapshot.String() != filepath.Base(want.Snapshot) {
				t.Fatalf("the last version is %v, of processes %s", run.Snapshot, want.Snapshot)
			}
			if diff := cmp.Diff(want.PooledAUC, run.All.AUC); diff != "" {
				t.Errorf("AUC of all records (-want +got):\n%s", diff)
			}
			for i, h := range want.Hospitals {
				if diff := cmp.Diff([]any{h.Name, h.Rows, h.AUC, *h.Accuracy}, []any{got.Hospitals[i].Name, got.Hospitals[i].Rows, run.Hospitals[i].AUC, run.Hospitals[i].Accuracy}); diff != "" {
					t.Errorf("%s (-want +got):\n%s", h.Name, diff)
				}
				if plan.Local.Batch > 0 {
					continue // the daemon's own model has another order of records
				}
				if diff := cmp.Diff([]any{h.AUCAlone, *h.AccuracyAlone}, []any{local.Hospitals[i].AUC, local.Hospitals[i].Accuracy}); diff != "" {
					t.Errorf("%s alone (-want +got):\n%s", h.Name, diff)
				}
				if diff := cmp.Diff([]any{h.AUCTuned, *h.AccuracyTuned}, []any{run.Tuned[i].AUC, run.Tuned[i].Accuracy}); diff != "" {
					t.Errorf("%s fine-tuned (-want +got):\n%s", h.Name, diff)
				}
			}
		})
	}
}

// flamby is how FLamby's benchmark trains Fed-Heart-Disease, but for the statistics that
// records are normalised by: batches of 4, 15 rounds of 100 steps of SGD.
func flamby() federation.Plan {
	p := plans.Cardiology()
	p.Name, p.Schedule.Rounds = "flamby", 15
	p.Local.LearningRate, p.Local.Steps, p.Local.Batch = 0.001, 100, 4
	return p
}

// TestCompareHeart: on FLamby's split of the UCI Heart Disease data, the mean accuracy of
// the four hospitals, over five seeds. FLamby's published means are .685 (FedAvg), .726
// (FedAdam) and .731 (FedYogi).
func TestCompareHeart(t *testing.T) {
	t.Parallel()
	requireRecords(t)
	for _, x := range []struct {
		plan  federation.Plan
		rules []string
	}{{plans.Cardiology(), []string{"fedavg", "fedadam", "fedyogi"}}, {flamby(), []string{"fedavg"}}} {
		c, tables := compared(t, x.plan, "--data", split43, "--rules", strings.Join(x.rules, ","), "--seeds", strconv.Itoa(compareSeeds))
		for _, rule := range x.rules {
			if got := c.mean(t, rule, false, accuracy); got < 0.785 {
				t.Errorf("plan %s, %s: mean accuracy %.4f, want .785", x.plan.Name, rule, got)
			}
		}
		t.Logf("\n%s", tables)
	}
}

// TestTables makes the tables of the README, with every rule; `make tables`.
func TestTables(t *testing.T) {
	if os.Getenv("SLOW_TESTS") == "" {
		t.Skip("trains for many minutes: make tables")
	}
	requireRecords(t)
	const robust = "--hospitals 15 --groups 5 --rules fedavg,trimmed_mean,median,geometric_median,krum --seeds 1 --attack sign-flip,blind,informed,label-flip --attackers "
	for _, x := range []struct {
		name string
		plan federation.Plan
		data string
		args string
	}{
		{"heart", plans.Cardiology(), split43, "--rules all --seeds 5 --fine-tune 20"},
		{"heart, FLamby's steps", flamby(), split43, "--rules all --seeds 5"},
		{"liver", plans.Liver(), liverSites(t, true), "--rules fedavg --seeds 1"},
		{"liver, in other units", plans.Liver(), liverSites(t, false), "--rules fedavg --seeds 1"},
		{"one of fifteen attacks", plans.Cardiology(), "", robust + "northgate"},
		{"three of fifteen attack, in three groups of five", plans.Cardiology(), "", robust + "northgate,eastbrook,ashgrove"},
		{"ecg, linear", linear(plans.ECG()), writeSites(t, ecgSites(t)), "--rules fedavg --seeds 3"},
		{"ecg", plans.ECG(), writeSites(t, ecgSites(t)), "--rules fedavg --seeds 3"},
		{"chest", plans.Chest(), writeSites(t, chestSites(t)), "--rules fedavg --seeds 2"},
	} {
		t.Run(x.name, func(t *testing.T) {
			args := strings.Fields(x.args)
			if x.data != "" {
				args = append(args, "--data", x.data)
			}
			_, tables := compared(t, x.plan, args...)
			t.Logf("\n%s", tables)
		})
	}
}

// FuzzDecodeComparison: what decodes can be shown, and is written as it was read.
func FuzzDecodeComparison(f *testing.F) {
	auc, seven := 0.75, compareScore{Accuracy: 0.7}
	whole := comparison{Plan: "p", Groups: 1, Rounds: 2, Seeds: 2, Hospitals: []compareHospital{{Name: "a", Rows: 3, Test: 2}, {Name: "b", Attacks: true}},
		Runs: []compareRun{{Row: "fedavg", Seed: 1, Hospitals: []compareScore{{Accuracy: 0.5, AUC: &auc}, seven}, All: seven, Tuned: []compareScore{seven, seven}, TunedAll: &seven},
			{Row: "local", Seed: 2, Hospitals: []compareScore{seven, seven}, All: seven, Snapshot: &federation.Digest{1}}}}
	b, err := json.Marshal(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"hospitals":[{}],"runs":[{"hospitals":[]}]}`))
	f.Add([]byte(`{"hospitals":[{}],"runs":[{"hospitals":[{}],"tuned":[{}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeComparison(b)
		if err != nil {
			return
		}
		for _, r := range c.Runs {
			plain, tuned := c.row(r.Row)
			for _, seeds := range [][]scored{plain, tuned} {
				if cells := c.cells(seeds, func(s compareScore) (float64, bool) { return s.Accuracy, true }); len(cells) != len(c.heads()) {
					t.Fatalf("%d cells under %d heads", len(cells), len(c.heads()))
				}
			}
		}
		once, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeComparison(once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := json.Marshal(again); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%v: %s became %s", err, once, twice)
		}
	})
}
