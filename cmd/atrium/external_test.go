package main

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
	"atrium/coordinator/setup"
	"atrium/storage/models"
)

// externalPlan is the cardiology plan with its logistic model declared as an external one.
func externalPlan(rule string) federation.Plan {
	p := plans.Cardiology()
	p.Model = federation.Model{Kind: federation.External, Declared: []federation.Declared{
		{Name: "weight", Shape: []int{len(p.Features)}}, {Name: "bias", Shape: []int{1}}}}
	p.Aggregation.Rule, p.Privacy.Clip = rule, 4
	p.Schedule.Rounds, p.Schedule.EvaluateEvery = 4, 4
	return p
}

func writePlan(t *testing.T, p federation.Plan) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(file, planfile.WritePlan(p), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func look(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExternalTrainer: hospitals whose own programs compute logistic regression, with a
// control variate, end where the built-in model ends; every version is replayed. Then what
// the configuration names must be what is there.
func TestExternalTrainer(t *testing.T) {
	t.Parallel()
	external := externalPlan(federation.Scaffold)
	builtIn := external
	builtIn.Model = federation.Model{Kind: federation.Logistic}
	dir := filepath.Join(t.TempDir(), "demo")
	got := startDemo(t, dir, "--plan", writePlan(t, external), "--trainer", look(t, "act-honest")).result()
	want := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--plan", writePlan(t, builtIn)).result()
	requireVersion(t, got, 4)
	requireAudit(t, got)
	for i, h := range got.Hospitals {
		w := want.Hospitals[i]
		if h.AUC == nil || math.Abs(*h.AUC-*w.AUC) > 0.005 || math.Abs(*h.AUCAlone-*w.AUCAlone) > 0.005 {
			t.Errorf("%s: AUC %s, alone %s; of the built-in model %s, alone %s", h.Name, number(h.AUC), number(h.AUCAlone), number(w.AUC), number(w.AUCAlone))
		}
	}
	hospital := demoSite{Dir: dir}.hospitalDir(got.Hospitals[0].Name)
	if left, err := os.ReadDir(filepath.Join(hospital, "state", "trainer")); err != nil || len(left) != 0 {
		t.Errorf("the trainer left %v, %v", left, err)
	}
	for setting, words := range map[string]string{
		"--trainer-sha256=" + strings.Repeat("1", 64): "trainer.program",
		"--trainer-sha256=12":                         `trainer.sha256 "12": want 64 digits`,
		"--trainer-program=/no/such/program":          "trainer.program: not the program",
		"--trainer-base=/etc/hostname":                "trainer.base /etc/hostname: the plan's model builds on no file",
		"--trainer-seconds=0":                         `trainer.seconds "0": want a whole number from 1`,
		"--trainer-memory-mib=1":                      `trainer.memory_mib "1": want a whole number from 64`,
	} {
		if _, stderr := ran(t, 1, "hospital", "run", hospital, setting); !strings.Contains(stderr, words) {
			t.Errorf("%s: %s does not say %q", setting, stderr, words)
		}
	}
}

// TestExternalTrainerThatFails: a program that breaks the protocol costs its hospital the
// round, not the federation.
func TestExternalTrainerThatFails(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	r := startDemo(t, dir, "--plan", writePlan(t, externalPlan(federation.FedAvg)), "--trainer", look(t, "act-flaky")).result()
	requireVersion(t, r, 4)
	if r.Abandoned == 0 {
		t.Error("every program broke the protocol once, and no round was abandoned")
	}
	for _, h := range r.Hospitals {
		if log := string(mustRead(t, demoSite{Dir: dir}.logs(), h.Name+".log")); !strings.Contains(log, "answer is not of the protocol") || !strings.Contains(log, "Traceback") {
			t.Errorf("%s: the log does not say what was wrong:\n%s", h.Name, log)
		}
	}
}

// exampleDir holds the trainer in PyTorch and its plans.
const exampleDir = "../../client/train/external/example"

func examplePlan(t *testing.T, name string) federation.Plan {
	t.Helper()
	p, err := setup.LoadPlan(filepath.Join(exampleDir, name))
	if err != nil {
		t.Fatal(err)
	}
	p.Schedule.Rounds, p.Schedule.EvaluateEvery = 3, 3
	return p
}

// TestPyTorchTrainer: heartbeats by patient, trained by PyTorch in each hospital: the whole
// network, which must come near the built-in one, and an adapter of low rank over a version
// of a federation that went before, which must be better than that version.
func TestPyTorchTrainer(t *testing.T) {
	data := writeSites(t, ecgSites(t))
	trainer, err := filepath.Abs(filepath.Join(exampleDir, "trainer.py"))
	if err != nil {
		t.Fatal(err)
	}
	requirePyTorch(t)
	run := func(p federation.Plan, args ...string) demoResult {
		r := startDemo(t, filepath.Join(t.TempDir(), "demo"), append(args, "--plan", writePlan(t, p), "--data", data)...).result()
		requireVersion(t, r, p.Schedule.Rounds)
		requireAudit(t, r)
		t.Logf("%s, %d rounds: AUC %.4f, %d bytes sent by each, %.0f s", p.Name, p.Schedule.Rounds, *r.PooledAUC, r.Hospitals[0].BytesSent, r.WallSeconds)
		return r
	}
	first := plans.ECG()
	first.Schedule.Rounds, first.Schedule.EvaluateEvery = 1, 0
	base := run(first)
	builtIn := plans.ECG()
	builtIn.Schedule.Rounds, builtIn.Local.Rate = 3, federation.Rate{}
	want := run(builtIn)
	whole := run(examplePlan(t, "ecg.yaml"), "--trainer", trainer)
	if *whole.PooledAUC < *want.PooledAUC-0.03 {
		t.Errorf("AUC %.4f with PyTorch, %.4f built in", *whole.PooledAUC, *want.PooledAUC)
	}
	adapter := examplePlan(t, "ecg-adapter.yaml")
	adapter.Model.Base = filepath.Base(base.Snapshot) // it is named by its SHA-256
	tuned := run(adapter, "--trainer", trainer, "--trainer-base", base.Snapshot)
	if *tuned.PooledAUC <= *base.PooledAUC {
		t.Errorf("AUC %.4f with the adapter, %.4f without", *tuned.PooledAUC, *base.PooledAUC)
	}
}

const debianPython = "/usr/bin/python3"

// requirePyTorch fails where it is absent: who asks for slow tests asks for it.
func requirePyTorch(t *testing.T) {
	t.Helper()
	out, err := exec.Command(debianPython, "-I", "-c", "import torch; print(torch.__version__)").CombinedOutput()
	if err != nil {
		t.Fatalf("this test needs PyTorch: apt-get install python3-torch: %v\n%s", err, out)
	}
	t.Logf("PyTorch %s", out)
}

// TestPyTorchBench: every model is timed beside PyTorch, in one run.
func TestPyTorchBench(t *testing.T) {
	if os.Getenv("SLOW_TESTS") == "" {
		t.Skip("needs PyTorch: set SLOW_TESTS=1")
	}
	requirePyTorch(t)
	file := filepath.Join(t.TempDir(), "train.json")
	out, _ := ran(t, 0, "bench", "train", "--python", debianPython, "--seconds", "1", "--json", file)
	t.Logf("\n%s", out)
	var r trainResult
	if err := json.Unmarshal(mustRead(t, file), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Models) != len(trainBenches()) || r.PyTorch == "" {
		t.Errorf("%d models, PyTorch %q", len(r.Models), r.PyTorch)
	}
	for _, m := range r.Models {
		if m.PyTorch <= 0 || m.PyRatio <= 0 {
			t.Errorf("%s: %v records a second", m.Model, m.PyTorch)
		}
	}
}

// TestDemoAdapter: of a built-in model only what is trained changes from the first version
// to the last, and only that is sent.
func TestDemoAdapter(t *testing.T) {
	t.Parallel()
	p := plans.Cardiology()
	p.Model = federation.Model{Kind: federation.MLP, Hidden: []int{64, 8}}
	p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Local.Trained = 2, 0, []string{"layer3.*", "layer2.bias"}
	r := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--plan", writePlan(t, p)).result()
	requireVersion(t, r, 2)
	requireAudit(t, r)
	s, err := models.Decode(mustRead(t, r.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := models.OfPlan(p, s)
	if err != nil {
		t.Fatal(err)
	}
	first := models.InitialParameters(p)
	for _, tensor := range p.Tensors() {
		n := tensor.Size()
		if changed := !slices.Equal(got[:n], first[:n]); changed != p.Local.Trains(tensor.Name) {
			t.Errorf("%s: changed is %v", tensor.Name, changed)
		}
		got, first = got[n:], first[n:]
	}
}
