package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"atrium/client/dataset"
	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// process is a daemon of a test.
type process struct {
	cmd   *exec.Cmd
	lines chan string // of standard error

	mu  sync.Mutex
	all []string // the same, also those that were read; owned by mu
}

// wrote lists the lines so far that hold all of some texts.
func (p *process) wrote(texts ...string) (lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.all {
		if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(line, s) }) {
			lines = append(lines, line)
		}
	}
	return lines
}

// started runs atrium as a process of its own.
func started(t *testing.T, args ...string) *process {
	t.Helper()
	return startedAs(t, "atrium", args...)
}

// startedAs runs a program of the tests.
func startedAs(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), program, args...), lines: make(chan string, 1000)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.mu.Lock()
			p.all = append(p.all, s.Text())
			p.mu.Unlock()
			p.lines <- s.Text()
		}
	}()
	return p
}

// await reads log lines until one holds text.
func (p *process) await(t *testing.T, text string) {
	t.Helper()
	var seen []string
	for line := range p.lines {
		if strings.Contains(line, text) {
			return
		}
		seen = append(seen, line)
	}
	t.Fatalf("%v ended without %q:\n%s", p.cmd.Args, text, strings.Join(seen, "\n"))
}

// end sends a signal, waits, and returns the exit status.
func (p *process) end(t *testing.T, signal os.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	return p.status(t)
}

func (p *process) status(t *testing.T) int {
	t.Helper()
	for range p.lines { // Wait closes the pipe: read it first
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// ran runs atrium to its end.
func ran(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	return answered(t, want, "", nil, args...)
}

// answered is ran with answers on standard input and variables in the environment.
func answered(t *testing.T, want int, input string, env []string, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "atrium", args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = strings.NewReader(input), &out, &errs, append(os.Environ(), env...)
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("%v: status %d (%v), want %d\n%s%s", args, got, err, want, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

// site is a federation whose parts are run by hand.
type site struct {
	t     *testing.T
	dir   string
	names []string
}

func (s site) coordinator() string         { return filepath.Join(s.dir, "fed", "coordinator") }
func (s site) hospital(name string) string { return filepath.Join(s.dir, "fed", "hospitals", name) }

// anchors are the flags that anchor an audit of the site's log.
func (s site) anchors() []string { return anchored(s.t, filepath.Join(s.dir, "fed")) }

// audits verifies and replays the site's log under its anchors.
func (s site) audits(where ...string) {
	s.t.Helper()
	if len(where) == 0 {
		where = []string{"--state", filepath.Join(s.dir, "fed")}
	}
	for _, command := range []string{"verify", "replay"} {
		if out, _ := ran(s.t, 0, slices.Concat([]string{"audit", command}, where, s.anchors())...); !strings.Contains(out, "\nOK: ") {
			s.t.Errorf("audit %s:\n%s", command, out)
		}
	}
}

func (s site) put(file string, plan federation.Plan) {
	s.t.Helper()
	if err := os.WriteFile(file, planfile.WritePlan(plan), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func newSite(t *testing.T, plan federation.Plan) site { return newSiteOf(t, plan, "a", "b", "c") }

func newSiteOf(t *testing.T, plan federation.Plan, names ...string) site {
	t.Helper()
	return newSiteWith(t, plan, names)
}

// newSiteWith is newSiteOf with more flags for init.
func newSiteWith(t *testing.T, plan federation.Plan, names []string, flags ...string) site {
	t.Helper()
	s := site{t: t, dir: t.TempDir(), names: names}
	for i, name := range s.names {
		if err := dataset.Generate(1, i).WriteCSV(s.dir, name); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	file := filepath.Join(s.dir, "plan.yaml")
	s.put(file, plan)
	ran(t, 0, append([]string{"coordinator", "init", "--hospitals", strings.Join(s.names, ","), "--dir", filepath.Join(s.dir, "fed"),
		"--listen", l.Addr().String(), "--plan", file, "--data", s.dir}, flags...)...)
	return s
}

// train runs all parts until each hospital has adopted the last version.
func (s site) train() {
	s.t.Helper()
	lead := started(s.t, "coordinator", "serve", s.coordinator())
	var daemons []*process
	for _, name := range s.names {
		daemons = append(daemons, started(s.t, "hospital", "run", s.hospital(name)))
	}
	for _, d := range daemons {
		d.await(s.t, "version adopted")
	}
	out, _ := ran(s.t, 0, "hospital", "status", s.hospital("a"))
	if !strings.Contains(out, "daemon      running") || !strings.Contains(out, "AUC here") {
		s.t.Errorf("status of a running hospital:\n%s", out)
	}
	if _, errs := ran(s.t, 1, "coordinator", "serve", s.coordinator()); !strings.Contains(errs, "address already in use") || strings.Count(errs, "\n") != 1 {
		s.t.Errorf("a second coordinator says %q", errs)
	}
	if _, errs := ran(s.t, 1, "hospital", "run", s.hospital("a")); !strings.Contains(errs, "another daemon uses this state directory") {
		s.t.Errorf("a second daemon says %q", errs)
	}
	for i, d := range daemons {
		if got := d.end(s.t, []os.Signal{syscall.SIGTERM, os.Interrupt}[i%2]); got != 0 {
			s.t.Errorf("hospital %s ends with status %d", s.names[i], got)
		}
	}
	if got := lead.end(s.t, syscall.SIGTERM); got != 0 {
		s.t.Errorf("the coordinator ends with status %d", got)
	}
}

// rename gives a hospital files of its own: another name for a column, another unit and
// words for a label.
func (s site) rename(hospital string) {
	s.t.Helper()
	for _, part := range []string{"_train.csv", "_test.csv"} {
		file := filepath.Join(s.dir, hospital+part)
		f, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		records, err := csv.NewReader(bytes.NewReader(f)).ReadAll()
		if err != nil {
			s.t.Fatal(err)
		}
		chol, disease := slices.Index(records[0], "chol"), slices.Index(records[0], "disease")
		records[0][chol], records[0][disease] = "Cholesterin", "Befund"
		for _, r := range records[1:] {
			if mg, err := strconv.ParseFloat(r[chol], 64); err == nil {
				r[chol] = fmt.Sprint(mg / 38.67)
			}
			r[disease] = map[string]string{"0": "nein", "1": "ja"}[r[disease]]
		}
		var out bytes.Buffer
		if err := csv.NewWriter(&out).WriteAll(records); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	columns := "columns:\n  - {name: chol, from: Cholesterin, scale: 38.67}\n" +
		"  - {name: disease, from: Befund, codes: [{text: ja, value: 1}, {text: nein, value: 0}]}\n"
	if err := os.WriteFile(filepath.Join(s.hospital(hospital), "columns.yaml"), []byte(columns), 0o600); err != nil {
		s.t.Fatal(err)
	}
	replaceIn(s.t, filepath.Join(s.hospital(hospital), "atrium.yaml"), "\ndata:\n", "\ndata:\n  columns: columns.yaml\n")
}

// give makes all parts take up another plan.
func (s site) give(before, plan federation.Plan) {
	s.t.Helper()
	s.put(filepath.Join(s.coordinator(), "plan.yaml"), plan)
	for _, name := range s.names {
		s.put(filepath.Join(s.hospital(name), "plan.yaml"), plan)
		replaceIn(s.t, filepath.Join(s.hospital(name), "policy.yaml"), before.Digest().String(), plan.Digest().String())
	}
}

func (s site) inspect() coordinator.Inspection {
	s.t.Helper()
	out, _ := ran(s.t, 0, "coordinator", "status", s.coordinator(), "--json")
	var i coordinator.Inspection
	if err := json.Unmarshal([]byte(out), &i); err != nil {
		s.t.Fatal(err)
	}
	return i
}

// A federation is made, trained, given another plan, trained on, and audited, each part
// a process that a person would start.
func TestFederationByHand(t *testing.T) {
	t.Parallel()
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 1, 1
	s := newSite(t, plan)
	s.rename("b")
	s.train()
	if i := s.inspect(); i.Finished == "" || i.Version != 2 || i.Done != 3 || i.PlanDigest != plan.Digest() {
		t.Errorf("after the first plan: %+v", i)
	}
	second := plan
	second.Name, second.Schedule.EvaluateEvery = "second", 0
	s.give(plan, second)
	s.growJournal("a")
	s.train()
	if b, err := os.ReadFile(s.journal("a")); err != nil || len(b) > 100_000 || !strings.Contains(string(b[:200]), `"kind":"compacted"`) {
		t.Errorf("the journal has %d bytes: %v", len(b), err)
	}
	if i := s.inspect(); i.Finished == "" || i.Version != 3 || i.Done != 4 || i.PlanDigest != second.Digest() || i.Plan != "second" {
		t.Errorf("after the second plan: %+v", i)
	}
	other := second
	other.Model = federation.Model{Kind: federation.MLP, Hidden: []int{4}}
	s.put(filepath.Join(s.coordinator(), "plan.yaml"), other)
	if _, errs := ran(t, 1, "coordinator", "serve", s.coordinator()); !strings.Contains(errs, `plan does not continue the model: model {"kind":"mlp","hidden":[4]}, was {"kind":"logistic"}`) {
		t.Errorf("another model: %q", errs)
	}
	s.audits()
}

func (s site) journal(name string) string { return filepath.Join(s.hospital(name), "state", "journal") }

// growJournal adds the starts of many years to a hospital's journal.
func (s site) growJournal(name string) {
	s.t.Helper()
	f, err := os.OpenFile(s.journal(name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []byte
	for i := range 4000 {
		body := federation.Encode(participant.Start(federation.Sum([]byte{byte(i), byte(i >> 8)}))[0])
		lines = fmt.Appendf(lines, "%08x %s\n", crc32.ChecksumIEEE(body), body)
	}
	_, err = f.Write(lines)
	if err := errors.Join(err, f.Close()); err != nil {
		s.t.Fatal(err)
	}
}

func replaceIn(t *testing.T, file, old, new string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(b, []byte(old)) {
		t.Fatalf("%s has no %s: %v", file, old, err)
	}
	if err := os.WriteFile(file, bytes.ReplaceAll(b, []byte(old), []byte(new)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A daemon that was told to stop with its standard input does.
func TestStopWithStdin(t *testing.T) {
	s := newSite(t, plans.Cardiology())
	for _, args := range [][]string{{"coordinator", "serve", s.coordinator()}, {"hospital", "run", s.hospital("a")}} {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := exec.CommandContext(ctx, "atrium", append(args, "--"+stdinFlag)...)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := stdin.Close(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		cancel()
	}
}
