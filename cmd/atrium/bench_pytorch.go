package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"atrium/coordinator/federation"
)

//go:embed bench_train.py
var benchScript string

// pytorch is a Python that trains with PyTorch what a benchmark asks.
type pytorch struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	stderr  strings.Builder
	version string
	ended   bool
}

// pytorchAnswer is a line of bench_train.py.
type pytorchAnswer struct {
	Version    string  `json:"version"`
	Parameters int     `json:"parameters"`
	Seconds    float64 `json:"seconds"`
}

// startPyTorch starts the interpreter; the caller closes what it returns.
func startPyTorch(ctx context.Context, python string) (*pytorch, error) {
	p := &pytorch{cmd: exec.CommandContext(ctx, python, "-I", "-c", benchScript)}
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("--python: %w", err)
	}
	hello, err := p.answer()
	p.version = hello.Version
	return p, err
}

// answer reads one line; when there is none it says how the interpreter ended.
func (p *pytorch) answer() (a pytorchAnswer, err error) {
	if p.out.Scan() {
		err = json.Unmarshal(p.out.Bytes(), &a)
		return a, err
	}
	p.ended = true
	err = p.cmd.Wait()
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	return a, fmt.Errorf("--python %s ended, %v: %s", p.cmd.Path, err, lines[len(lines)-1])
}

func (p *pytorch) ask(q any) (pytorchAnswer, error) {
	b, err := json.Marshal(q)
	if err != nil {
		return pytorchAnswer{}, err
	}
	_, _ = p.in.Write(append(b, '\n')) // where it cannot be written there is no answer
	return p.answer()
}

// begin builds the network of a plan.
func (p *pytorch) begin(plan federation.Plan) error {
	m, inputs := plan.Model, plan.Inputs()
	layers := m.Layers
	for _, units := range m.Hidden {
		layers = append(layers, federation.Layer{Kind: federation.Dense, Units: units})
	}
	s := m.Shapes(inputs)[0]
	a, err := p.ask(map[string]any{"layers": append([]federation.Layer{}, layers...), "shape": []int{s.Channels, s.Height, s.Width}, "batch": trainBatch})
	if err == nil && a.Parameters != plan.ParameterCount() {
		err = fmt.Errorf("PyTorch's network has %d parameters, ours %d", a.Parameters, plan.ParameterCount())
	}
	return err
}

// train takes steps and returns the processor time that they took.
func (p *pytorch) train(steps int) (time.Duration, error) {
	a, err := p.ask(map[string]int{"steps": steps})
	return time.Duration(a.Seconds * float64(time.Second)), err
}

func (p *pytorch) close() error {
	if p.ended {
		return nil
	}
	return errors.Join(p.in.Close(), p.cmd.Wait())
}
