package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// rulePlan writes the cardiology plan with another rule.
func rulePlan(t *testing.T, change func(*federation.Plan)) string {
	t.Helper()
	p := plans.Cardiology()
	p.Schedule.Rounds, p.Schedule.EvaluateEvery = 2, 0
	change(&p)
	file := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(file, planfile.WritePlan(p), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDemoRules: one rule of each family between processes, replayed with the command.
func TestDemoRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*federation.Plan)
		args   []string
		words  string // of audit show
	}{
		"adaptive": {func(p *federation.Plan) {
			p.Aggregation = federation.Aggregation{Rule: federation.FedYogi, LearningRate: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 0.001}
		}, nil, "fedyogi, 2 train rounds"},
		"normalised": {func(p *federation.Plan) {
			p.Aggregation.Rule, p.Local.Steps, p.Local.Epochs, p.Local.Batch = federation.FedNova, 0, 1, 16
		}, nil, "steps on average"},
		"optimiser": {func(p *federation.Plan) {
			p.Local = federation.Local{Optimiser: federation.AdamW, LearningRate: 0.05, Epochs: 4, Batch: 16, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.01,
				Rate: federation.Rate{Schedule: federation.Cosine}, ClassWeights: []float64{1, 0.8}, EarlyStop: federation.EarlyStop{Share: 0.2, Patience: 2}}
		}, nil, "fedavg, 2 train rounds"},
		"robust": {func(p *federation.Plan) {
			p.Aggregation.Rule, p.Aggregation.Iterations = federation.GeometricMedian, 32
		},
			[]string{"--hospitals", "9", "--groups", "3"}, "groups weigh [0."},
	} {
		t.Run(name, func(t *testing.T) {
			r := startDemo(t, filepath.Join(t.TempDir(), "demo"), append(c.args, "--plan", rulePlan(t, c.change))...).result()
			requireVersion(t, r, 2)
			requireAudit(t, r)
			out, err := exec.Command("atrium", "audit", "show", "--storage", r.Store).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte(c.words)) {
				t.Errorf("audit show does not say %q: %v\n%s", c.words, err, out)
			}
		})
	}
}

// TestDemoArrays: waveforms and images are generated, read, learned from and replayed; the
// images with softmax, group normalisation and dropout.
func TestDemoArrays(t *testing.T) {
	t.Parallel()
	for _, plan := range []federation.Plan{plans.ECG(), plans.Chest()} {
		t.Run(plan.Name, func(t *testing.T) {
			plan.Schedule.Rounds = 2
			plan.Local.LearningRate, plan.Local.Epochs = 0.003, 4
			if plan.Name == "chest" {
				plan.Model.Classes, plan.Model.Positive = 2, 1
				plan.Model.Layers = append(plan.Model.Layers, federation.Layer{Kind: federation.GroupNorm, Groups: 4, Activation: federation.ReLU},
					federation.Layer{Kind: federation.Dropout, Rate: 0.2})
			}
			file := filepath.Join(t.TempDir(), "plan.yaml")
			if err := os.WriteFile(file, planfile.WritePlan(plan), 0o600); err != nil {
				t.Fatal(err)
			}
			r := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--plan", file).result()
			requireVersion(t, r, 2)
			requireAudit(t, r)
			if r.PooledAUC == nil || *r.PooledAUC < 0.75 {
				t.Errorf("AUC %s", number(r.PooledAUC))
			}
			out, err := exec.Command("atrium", "audit", "show", "--storage", r.Store).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("on arrays of [")) {
				t.Errorf("audit show: %v\n%s", err, out)
			}
		})
	}
}

// TestDemoKillsWhatKeepsState: control variates and local tensors are in the hospitals'
// stores; one that is killed goes on with those of the last version that it is part of.
func TestDemoKillsWhatKeepsState(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	d := startDemo(t, dir, "--plan", rulePlan(t, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Local.FineTune = 8, 20
		p.Aggregation.Rule, p.Aggregation.LocalTensors, p.Privacy.Clip = federation.Scaffold, []string{"bias"}, 4
	}))
	d.batches(60)
	d.kill("hillcrest")
	r := d.result()
	requireVersion(t, r, 8)
	requireAudit(t, r)
	for _, h := range r.Hospitals {
		if h.AccuracyTuned == nil || *h.AccuracyTuned < 0.5 {
			t.Errorf("%s has no fine-tuned model that is worth something: %+v", h.Name, h)
		}
		if _, err := os.Stat(filepath.Join(dir, "federation", "hospitals", h.Name, "state", client.TunedFile)); err != nil {
			t.Error(err)
		}
	}
	kept, err := filepath.Glob(filepath.Join(dir, "federation", "hospitals", "hillcrest", "state", "store", "kept", "*"))
	if err != nil || len(kept) == 0 || len(kept) > 3 {
		t.Errorf("kept: %v, %v", kept, err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "logs", "hillcrest.log"))
	if err != nil || strings.Contains(string(log), "is missing") {
		t.Errorf("the hospital's log, %v:\n%s", err, log)
	}
}

func TestDemoRefusesARuleWithoutGroups(t *testing.T) {
	plan := rulePlan(t, func(p *federation.Plan) { p.Aggregation.Rule = federation.Median })
	out, err := exec.Command("atrium", "demo", "--plan", plan, "--hospitals", "9", "--groups", "2").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "aggregation.rule: median compares at least 3 groups: the charter has 2") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = exec.Command("atrium", "plan", "check", plan).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "median, which compares 3 groups of hospitals or more") {
		t.Errorf("%v: %s", err, out)
	}
}
