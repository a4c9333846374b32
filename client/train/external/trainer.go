package external

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"atrium/client/train"
	"atrium/coordinator/federation"
)

// Config is what Open needs.
type Config struct {
	Program Program
	Plan    federation.Plan // of an External model, valid
	Dir     string          // made anew with mode 0700, emptied at each start and removed by Close
	Stderr  func(line string)
}

type config = Config

// Trainer is a train.Trainer whose program runs from its first task to its last, unless it
// breaks a rule. Only Interrupt may be called by another goroutine.
type Trainer struct {
	cfg      config
	process  *process
	canAdd   bool // a correction to gradients
	running  atomic.Pointer[process]
	finished bool
}

var _ train.Trainer = (*Trainer)(nil)

// Open checks the program, starts it and lets it say what it trains. Errors name the
// configuration key; ErrProgram, ErrIsolation, ErrProtocol, ErrRefused, ErrEnded.
func Open(ctx context.Context, cfg Config) (*Trainer, error) {
	if err := cfg.Program.Check(cfg.Plan); err != nil {
		return nil, err
	}
	if cfg.Stderr == nil {
		cfg.Stderr = func(string) {}
	}
	t := &Trainer{cfg: cfg}
	if err := t.start(ctx); err != nil {
		return nil, errors.Join(t.named(err), os.RemoveAll(cfg.Dir))
	}
	return t, nil
}

// named says in an error which program it is about.
func (t *Trainer) named(err error) error {
	return fmt.Errorf("trainer %s: %w", filepath.Base(t.cfg.Program.Path), err)
}

// start runs the program in an empty directory and greets it.
func (t *Trainer) start(ctx context.Context) error {
	if err := os.RemoveAll(t.cfg.Dir); err != nil {
		return err
	}
	if err := os.Mkdir(t.cfg.Dir, 0o700); err != nil {
		return err
	}
	p, err := start(t.cfg)
	if err != nil {
		return err
	}
	t.process = p
	t.running.Store(p)
	err = t.hello(ctx)
	if err != nil {
		err = errors.Join(err, t.stop())
	}
	return err
}

// stop ends the program.
func (t *Trainer) stop() error {
	if t.process == nil {
		return nil
	}
	t.running.Store(nil)
	err := t.process.close()
	t.process = nil
	return err
}

func (t *Trainer) hello(ctx context.Context) error {
	plan := t.cfg.Plan
	q := request{Do: "hello", Protocol: protocolVersion, Inputs: inputShape(plan), Classes: plan.Model.Labels(), Positive: 1, Labels: plan.Model.Several, Tensors: plan.Tensors()}
	if plan.Model.Classes > 0 {
		q.Positive = plan.Model.Positive
	}
	if plan.Model.Base != "" {
		q.Base = baseFD
	}
	r, err := t.process.ask(ctx, q, min(helloTime, t.cfg.Program.limit()))
	if err != nil {
		return err
	}
	same := func(a, b federation.Tensor) bool { return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) }
	switch {
	case r.Protocol != protocolVersion:
		return fmt.Errorf("hello: %w: version %d, this daemon speaks %d", ErrProtocol, r.Protocol, protocolVersion)
	case !slices.EqualFunc(r.Tensors, q.Tensors, same):
		return fmt.Errorf("hello: %w: it trains %s, the plan declares %s", ErrProtocol, tensorWords(r.Tensors), tensorWords(q.Tensors))
	case plan.Aggregation.Rule == federation.Scaffold && !r.Correction:
		return fmt.Errorf("hello: %w: it cannot add a correction to gradients, as rule %s needs", ErrProtocol, federation.Scaffold)
	}
	t.canAdd = r.Correction
	return nil
}

func tensorWords(list []federation.Tensor) string {
	text := ""
	for i, t := range list {
		if i == 8 {
			return text + fmt.Sprintf(" and %d more", len(list)-i)
		}
		text += fmt.Sprintf(" %.64q %.40s", t.Name, fmt.Sprint(t.Shape))
	}
	if text == "" {
		return "nothing"
	}
	return text[1:]
}

// inputShape is the shape of a record.
func inputShape(p federation.Plan) []int {
	if p.Arrays() {
		return p.Model.Input.Shape
	}
	return []int{p.Inputs()}
}

// labelShape is the shape of the labels, and of the scores, of records.
func labelShape(p federation.Plan, rows int) []int {
	if n := p.Model.Several; n > 0 {
		return []int{rows, n}
	}
	return []int{rows}
}

// Parameters implements train.Trainer.
func (t *Trainer) Parameters() []federation.Tensor { return t.cfg.Plan.Tensors() }

// Train implements train.Trainer, but that the same arguments give the same bytes only if
// the program sees to it. The context's end kills the program.
func (t *Trainer) Train(ctx context.Context, base, correction, x, y []float32, rows int, local federation.Local, seed uint64) ([]float32, float64, error) {
	if err := t.check(base, x, rows); err != nil {
		return nil, 0, err
	}
	if len(y) != rows*t.cfg.Plan.Model.Width() || correction != nil && len(correction) != len(base) {
		return nil, 0, fmt.Errorf("%d labels, correction of %d: %w", len(y), len(correction), train.ErrShape)
	}
	if correction != nil && !t.canAdd {
		return nil, 0, t.named(fmt.Errorf("%w: it cannot add a correction to gradients", ErrProtocol))
	}
	if rows == 0 {
		return make([]float32, len(base)), 0, nil
	}
	seed &= seedMask
	local.Rate, local.Trained, local.FineTune, local.PartialWork = federation.Rate{}, nil, 0, federation.PartialWork{}
	q := request{Do: "train", Seed: &seed, Local: &local}
	var trained []float32
	var loss float64
	err := t.task(ctx, q, job{params: base, correction: correction, x: x, y: y, rows: rows}, func(d directory, r reply) (err error) {
		if r.Loss == nil {
			return fmt.Errorf("train: %w: no loss", ErrProtocol)
		}
		loss = *r.Loss
		trained, err = d.readParameters(t.cfg.Plan.Tensors())
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	for i := range trained {
		if trained[i] -= base[i]; !finite(trained[i]) {
			return nil, 0, fmt.Errorf("change of parameter %d: %w", i, train.ErrNotFinite)
		}
	}
	return trained, loss, nil
}

// Score implements train.Trainer.
func (t *Trainer) Score(params, x []float32, rows int) ([]float64, error) {
	if err := t.check(params, x, rows); err != nil || rows == 0 {
		return nil, err
	}
	var scores []float64
	err := t.task(context.Background(), request{Do: "score"}, job{params: params, x: x, rows: rows}, func(d directory, _ reply) (err error) {
		scores, err = d.readScores(labelShape(t.cfg.Plan, rows))
		return err
	})
	return scores, err
}

func (t *Trainer) check(params, x []float32, rows int) error {
	n := t.cfg.Plan.Inputs()
	switch {
	case t.finished:
		return train.ErrClosed
	case len(params) != t.cfg.Plan.ParameterCount():
		return fmt.Errorf("%d parameters, want %d: %w", len(params), t.cfg.Plan.ParameterCount(), train.ErrShape)
	case rows < 0 || len(x) != rows*n:
		return fmt.Errorf("%d values for %d records of %d: %w", len(x), rows, n, train.ErrShape)
	}
	return nil
}

// task has the program do a job and reads what it wrote. A program that breaks a rule is
// ended; one that refuses is not.
func (t *Trainer) task(ctx context.Context, q request, j job, read func(directory, reply) error) error {
	if t.process == nil {
		if err := t.start(ctx); err != nil {
			return t.named(err)
		}
	}
	d, err := openDirectory(t.cfg.Dir)
	if err != nil {
		return err
	}
	defer d.close()
	if err := j.write(d, t.cfg.Plan, &q); err != nil {
		return t.named(err)
	}
	r, err := t.process.ask(ctx, q, t.cfg.Program.limit())
	if err == nil {
		err = read(d, r)
	}
	if err != nil && !errors.Is(err, ErrRefused) {
		err = errors.Join(err, t.stop())
	}
	if err != nil {
		return t.named(err)
	}
	return nil
}

// Interrupt kills the program if it runs; the task that it works on fails.
func (t *Trainer) Interrupt() {
	if p := t.running.Load(); p != nil {
		p.kill()
	}
}

// Close ends the program and removes its directory.
func (t *Trainer) Close() error {
	t.finished = true
	return errors.Join(t.stop(), os.RemoveAll(t.cfg.Dir))
}
