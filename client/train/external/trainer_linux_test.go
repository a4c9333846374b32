package external

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"atrium/client/train"
	"atrium/client/train/external/externaltest"
	"atrium/coordinator/federation"
)

const inputs, rows = 3, 40

// plan declares logistic regression, so that an act can be compared with our own.
func plan() federation.Plan {
	p := federation.Plan{V: 1, Name: "act", Label: federation.Label{Name: "y"}}
	for i := range inputs {
		p.Features = append(p.Features, federation.Feature{Name: fmt.Sprint("x", i), Max: 1})
	}
	p.Model = federation.Model{Kind: federation.External, Declared: []federation.Declared{{Name: "weight", Shape: []int{inputs}}, {Name: "bias", Shape: []int{1}}}}
	p.Local = federation.Local{Optimiser: federation.SGD, LearningRate: 0.5, Steps: 5}
	return p
}

func records() (x, y []float32) {
	rng := rand.New(rand.NewPCG(3, 1))
	for range rows {
		for range inputs {
			x = append(x, float32(rng.NormFloat64()))
		}
		y = append(y, float32(rng.IntN(2)))
	}
	return x, y
}

var digest = sync.OnceValues(func() (federation.Digest, error) {
	b, err := os.ReadFile("/proc/self/exe")
	return federation.Sum(b), err
})

// config has the test binary play an act.
func configOf(t *testing.T, act string) Config {
	t.Helper()
	sum, err := digest()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "act-"+act)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return Config{Program: Program{Path: path, SHA256: sum, Seconds: 30, Memory: 3 << 30}, Plan: plan(), Dir: filepath.Join(dir, "work"),
		Stderr: func(line string) { t.Logf("stderr: %.200s", line) }}
}

func open(t *testing.T, cfg Config) *Trainer {
	t.Helper()
	tr, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the directory stays: %v", err)
		}
	})
	return tr
}

func (t *Trainer) round(ctx context.Context) ([]float32, float64, error) {
	x, y := records()
	return t.Train(ctx, make([]float32, inputs+1), nil, x, y, rows, t.cfg.Plan.Local, 1)
}

// TestAgreesWithOurOwn: an external logistic model trains and scores as the built-in one
// does, with and without correction, and again.
func TestAgreesWithOurOwn(t *testing.T) {
	tr := open(t, configOf(t, "honest"))
	own, err := train.New(federation.Model{Kind: federation.Logistic}, inputs, rows)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	x, y := records()
	base := []float32{0.1, -0.2, 0.3, 0.4}
	for i, correction := range [][]float32{nil, {0.5, 0, -0.25, 1}, nil} {
		local := tr.cfg.Plan.Local
		got, loss, err := tr.Train(t.Context(), base, correction, x, y, rows, local, 7)
		if err != nil {
			t.Fatal(err)
		}
		want, wantLoss, err := own.Train(t.Context(), base, correction, x, y, rows, local, 7)
		if err != nil {
			t.Fatal(err)
		}
		for j := range want {
			if math.Abs(float64(got[j]-want[j])) > 1e-5 || math.Abs(loss-wantLoss) > 1e-5 {
				t.Fatalf("call %d: change %v, loss %v, want %v, %v", i, got, loss, want, wantLoss)
			}
		}
	}
	got, err := tr.Score(base, x, rows)
	if err != nil {
		t.Fatal(err)
	}
	want, err := own.Score(base, x, rows)
	if err != nil {
		t.Fatal(err)
	}
	for j := range want {
		if math.Abs(got[j]-want[j]) > 1e-6 {
			t.Fatalf("score %d is %v, want %v", j, got[j], want[j])
		}
	}
	entries, err := os.ReadDir(tr.cfg.Dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("records lie about: %v, %v", entries, err)
	}
	if info, err := os.Stat(tr.cfg.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info, err)
	}
	if delta, _, err := tr.Train(t.Context(), base, nil, nil, nil, 0, tr.cfg.Plan.Local, 1); err != nil || slices.Max(delta) != 0 {
		t.Errorf("no records: %v, %v", delta, err)
	}
	if _, _, err := tr.Train(t.Context(), base[1:], nil, x, y, rows, tr.cfg.Plan.Local, 1); !errors.Is(err, train.ErrShape) {
		t.Errorf("fewer parameters: %v", err)
	}
	base[0] = float32(math.NaN())
	if _, _, err := tr.Train(t.Context(), base, nil, x, y, rows, tr.cfg.Plan.Local, 1); !errors.Is(err, train.ErrNotFinite) {
		t.Errorf("NaN in: %v", err)
	}
}

// TestHostileOpen: what is found out at the start.
func TestHostileOpen(t *testing.T) {
	for act, c := range map[string]struct {
		kind   error
		say    string
		change func(*testing.T, *Config)
	}{
		"version":      {ErrProtocol, "version 2", nil},
		"tensors":      {ErrProtocol, `"more" [1], the plan declares "weight" [3] "bias" [1]`, nil},
		"shapes":       {ErrProtocol, `"weight" [7]`, nil},
		"refuse-hello": {ErrRefused, "no such model here", nil},
		"deaf": {ErrEnded, "no answer within 1s (trainer.seconds)", func(_ *testing.T, c *Config) {
			c.Program.Seconds = 1
		}},
		"digest": {ErrProgram, "trainer.program", func(_ *testing.T, c *Config) { c.Program.SHA256[0] ^= 1 }},
		"gone":   {ErrProgram, "no such file", func(_ *testing.T, c *Config) { c.Program.Path += "-not" }},
		"plain": {ErrProtocol, "as rule scaffold needs", func(_ *testing.T, c *Config) {
			c.Plan.Aggregation.Rule = federation.Scaffold
		}},
		"no-base": {nil, "trainer.base is missing", func(_ *testing.T, c *Config) { c.Plan.Model.Base = strings.Repeat("0", 64) }},
		"other-base": {ErrProgram, "trainer.base", func(t *testing.T, c *Config) {
			c.Plan.Model.Base, c.Program.Base = strings.Repeat("0", 64), c.Program.Path
		}},
		"surplus-base": {nil, "builds on no file", func(_ *testing.T, c *Config) { c.Program.Base = "/base" }},
		"script": {ErrProgram, "trainer.program: not the program or base that was named: it does not run", func(t *testing.T, c *Config) { // its interpreter is not there
			c.Program.Path = filepath.Join(t.TempDir(), "act")
			text := []byte("#!/no/such/interpreter\n")
			if err := os.WriteFile(c.Program.Path, text, 0o700); err != nil {
				t.Fatal(err)
			}
			c.Program.SHA256 = federation.Sum(text)
		}},
	} {
		t.Run(act, func(t *testing.T) {
			cfg := configOf(t, act)
			if c.change != nil {
				c.change(t, &cfg)
			}
			tr, err := Open(t.Context(), cfg)
			if err == nil {
				t.Fatal(errors.Join(errors.New("it is open"), tr.Close()))
			}
			if c.kind != nil && !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("got %v, want %v with %q", err, c.kind, c.say)
			}
			if _, err := os.Stat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the directory stays: %v", err)
			}
		})
	}
}

// TestHostileTrain: whatever the program answers, the task fails with a reason, and the
// program is started again for the next one.
func TestHostileTrain(t *testing.T) {
	for act, c := range map[string]struct {
		kind error
		say  string
	}{
		"hang":         {ErrEnded, "no answer within 1s"},
		"exit":         {ErrEnded, "exit status 7"},
		"garbage":      {ErrProtocol, "Epoch 1: loss 0.3"},
		"endless":      {ErrProtocol, "line of more than"},
		"half":         {ErrEnded, "exit status 0"},
		"twice":        {ErrProtocol, "more than one line"},
		"other-id":     {ErrProtocol, "id 1 answers task 2"},
		"unknown-key":  {ErrProtocol, "accuracy"},
		"nan-loss":     {ErrProtocol, "NaN"},
		"no-loss":      {ErrProtocol, "no loss"},
		"no-result":    {ErrProtocol, "no such file"},
		"fifo":         {ErrProtocol, "not a file"},
		"link":         {ErrProtocol, "result.safetensors"},
		"large-result": {ErrProtocol, "8388608 bytes"},
		"memory":       {ErrEnded, "exit status 2"},
		"file":         {ErrEnded, "exit status"},
		"nan":          {ErrProtocol, "NaN"},
		"wrong-shape":  {ErrProtocol, "of shape [1 3]: want [3]"},
		"wrong-name":   {ErrProtocol, "tensor bias is missing"},
		"one-more":     {ErrProtocol, "3 tensors, want 2"},
		"wide":         {ErrProtocol, "not F32"},
	} {
		t.Run(act, func(t *testing.T) {
			cfg := configOf(t, act)
			if act == "hang" {
				cfg.Program.Seconds = 1
			}
			tr := open(t, cfg)
			tries := 1
			if act == "garbage" || act == "exit" {
				tries = 2
			}
			for range tries {
				if _, _, err := tr.round(t.Context()); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.say) {
					t.Errorf("got %v, want %v with %q", err, c.kind, c.say)
				}
				if tr.process != nil {
					t.Error("it runs on")
				}
			}
		})
	}
}

// TestSeveralLabels: labels and scores are handed over with a row for each record.
func TestSeveralLabels(t *testing.T) {
	cfg := configOf(t, "labels")
	cfg.Plan.Model.Several, cfg.Plan.Label.Columns = 2, []string{"y", "z"}
	tr := open(t, cfg)
	x, y := records()
	if _, _, err := tr.Train(t.Context(), make([]float32, inputs+1), nil, x, y, rows, cfg.Plan.Local, 1); !errors.Is(err, train.ErrShape) {
		t.Errorf("one label of two: %v", err)
	}
	if _, _, err := tr.Train(t.Context(), make([]float32, inputs+1), nil, x, append(y, y...), rows, cfg.Plan.Local, 1); err == nil || !strings.Contains(err.Error(), "2 labels, y of [40 2]") {
		t.Errorf("two labels: %v", err)
	}
	scores, err := tr.Score(make([]float32, inputs+1), x, rows)
	if err != nil || len(scores) != 2*rows || scores[2*rows-1] != 0.25 {
		t.Errorf("scores %v, %v", scores, err)
	}
}

// TestHostileScores: counts are made of probabilities only.
func TestHostileScores(t *testing.T) {
	for act, say := range map[string]string{"certain": "score 0 is 1.5", "fewer": "of shape [40]"} {
		tr := open(t, configOf(t, act))
		x, _ := records()
		if _, err := tr.Score(make([]float32, inputs+1), x, rows); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: got %v, want %q", act, err, say)
		}
	}
}

// refusal is what an act says in words.
func refusal(t *testing.T, tr *Trainer) string {
	t.Helper()
	_, _, err := tr.round(t.Context())
	if !errors.Is(err, ErrRefused) {
		t.Fatalf("got %v", err)
	}
	return err.Error()
}

// TestRefusalInWords: the program is not ended for it.
func TestRefusalInWords(t *testing.T) {
	tr := open(t, configOf(t, "refuse"))
	for range 2 {
		if text := refusal(t, tr); !strings.Contains(text, "class weights are not for me") || tr.process == nil || tr.process.asked < 2 {
			t.Errorf("%s", text)
		}
	}
}

// TestNoNetwork: the program reaches neither a server on the machine's loopback, which this
// process reaches, nor has it an interface that is up.
func TestNoNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "reached")
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	cfg := configOf(t, "network")
	if err := os.WriteFile(filepath.Join(filepath.Dir(cfg.Dir), "address"), []byte(l.Addr().String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := refusal(t, open(t, cfg)); !strings.HasSuffix(text, "no way out") {
		t.Error(text)
	}
}

// TestNoWayIn: the program cannot open the daemon's memory or its network namespace, and is
// not root even if the daemon is.
func TestNoWayIn(t *testing.T) {
	cfg := configOf(t, "escape")
	if err := os.WriteFile(filepath.Join(filepath.Dir(cfg.Dir), "pid"), fmt.Append(nil, os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(fmt.Sprintf("/proc/%d/mem", os.Getpid())); err != nil {
		t.Fatalf("not even this process can: %v", err)
	} else {
		f.Close()
	}
	if text := refusal(t, open(t, cfg)); !strings.HasSuffix(text, "no way in") {
		t.Error(text)
	}
}

// TestEnvironmentIsClean: nothing of the daemon's environment is passed on.
func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("ATRIUM_SECRET", "xyzzy")
	cfg := configOf(t, "environment")
	want := strings.Join(environment(cfg.Dir), " ")
	if text := refusal(t, open(t, cfg)); !strings.HasSuffix(text, ": "+want) {
		t.Errorf("%s, want %s", text, want)
	}
}

// TestChildrenDie: a child in a session of its own does not outlive the program.
func TestChildrenDie(t *testing.T) {
	cfg := configOf(t, "children")
	tr := open(t, cfg)
	refusal(t, tr)
	alive := filepath.Join(cfg.Dir, "alive")
	read := func() string { b, _ := os.ReadFile(alive); return string(b) }
	first := read()
	for i := 0; read() == first; i++ {
		if i > 500 {
			t.Fatal("there is no child")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := tr.stop(); err != nil {
		t.Fatal(err)
	}
	last := read()
	time.Sleep(300 * time.Millisecond)
	if read() != last {
		t.Error("the child lives")
	}
}

// TestStderrIsBounded: lines are handed on up to a number and a length; the others are
// counted.
func TestStderrIsBounded(t *testing.T) {
	cfg := configOf(t, "stderr")
	var lines []string
	cfg.Stderr = func(line string) { lines = append(lines, line) }
	tr := open(t, cfg)
	if _, _, err := tr.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tr.stop(); err != nil { // and all that was written is read
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d more lines", externaltest.StderrLines+1-maxStderrLines)
	if len(lines) != maxStderrLines+1 || lines[0] != "line 0" || lines[len(lines)-1] != want {
		t.Errorf("%d lines from %q to %q", len(lines), lines[0], lines[len(lines)-1])
	}
}

// TestContextAndInterruptEndATask, whatever the program does.
func TestContextAndInterruptEndATask(t *testing.T) {
	tr := open(t, configOf(t, "hang"))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := tr.round(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("context: %v", err)
	}
	if err := tr.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, tr.Interrupt)
	if _, _, err := tr.round(t.Context()); !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("interrupt: %v", err)
	}
}

// TestBaseIsHandedOver: the program reads the file that was hashed.
func TestBaseIsHandedOver(t *testing.T) {
	cfg := configOf(t, "base")
	cfg.Program.Base = filepath.Join(t.TempDir(), "base")
	if err := os.WriteFile(cfg.Program.Base, []byte("the base"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Plan.Model.Base = federation.Sum([]byte("the base")).String()
	open(t, cfg)
}

// TestScript: a program may be a script.
func TestScript(t *testing.T) {
	cfg := configOf(t, "honest")
	text := []byte(`#!/bin/sh
read -r line
printf '{"id":1,"protocol":1,"tensors":[{"name":"weight","shape":[3]},{"name":"bias","shape":[1]}]}\n'
read -r line
printf '{"id":2,"error":"%s in %s"}\n' "$0" "$PWD"
`)
	cfg.Program.Path = filepath.Join(t.TempDir(), "trainer.sh")
	if err := os.WriteFile(cfg.Program.Path, text, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg.Program.SHA256 = federation.Sum(text)
	if got, want := refusal(t, open(t, cfg)), programFD+" in "+cfg.Dir; !strings.HasSuffix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestProgramThatChangesIsRefused: the digest is checked before each start.
func TestProgramThatChangesIsRefused(t *testing.T) {
	cfg := configOf(t, "honest")
	b, err := os.ReadFile(cfg.Program.Path)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Program.Path = filepath.Join(t.TempDir(), "act-exit")
	if err := os.WriteFile(cfg.Program.Path, b, 0o700); err != nil {
		t.Fatal(err)
	}
	tr := open(t, cfg)
	if _, _, err := tr.round(t.Context()); !errors.Is(err, ErrEnded) {
		t.Fatalf("first: %v", err)
	}
	if err := os.WriteFile(cfg.Program.Path, append(b, 0), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := tr.round(t.Context()); !errors.Is(err, ErrProgram) {
		t.Errorf("a program that changed: %v", err)
	}
}

// TestKernelRefuses: where no network namespace may be made the program does not start.
// The test runs once more, as root of a user namespace that allows none.
func TestKernelRefuses(t *testing.T) {
	const marker = "EXTERNAL_TEST_REFUSES"
	if os.Getenv(marker) == "" {
		refusing(t, marker)
		return
	}
	if err := os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), configOf(t, "honest"))
	if !errors.Is(err, ErrIsolation) || !strings.Contains(err.Error(), "trainer.program") {
		t.Errorf("got %v", err)
	}
}

// TestDiesWithTheDaemon: a daemon that is killed takes the program and its children along.
func TestDiesWithTheDaemon(t *testing.T) {
	const marker = "EXTERNAL_TEST_DAEMON"
	if dir := os.Getenv(marker); dir != "" {
		cfg := configOf(t, "children")
		cfg.Dir = filepath.Join(dir, "work")
		refusal(t, open(t, cfg))
		time.Sleep(time.Hour)
	}
	dir := t.TempDir()
	daemon := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$")
	daemon.Env = append(os.Environ(), marker+"="+dir)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	alive := filepath.Join(dir, "work", "alive")
	read := func() string { b, _ := os.ReadFile(alive); return string(b) }
	for i := 0; read() == ""; i++ {
		if i > 2000 {
			t.Fatal("there is no program")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = daemon.Wait() // it was killed
	time.Sleep(300 * time.Millisecond)
	last := read()
	time.Sleep(300 * time.Millisecond)
	if read() != last {
		t.Error("the program's child lives without the daemon")
	}
}

func TestClosed(t *testing.T) {
	tr := open(t, configOf(t, "honest"))
	for range 2 {
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := tr.round(t.Context()); !errors.Is(err, train.ErrClosed) {
		t.Errorf("train: %v", err)
	}
}
