package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"atrium/client/train"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

func newBenchTrainCommand() *cobra.Command {
	var o benchOptions
	seconds, python := 2.0, ""
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Time local training of each kind of model, beside gorgonia's own operations",
		Long: `Trains each model on random records, batch by batch, and says how many records a second
of processor time trains: forward, backward and update. For models of layers the same
network is also built from gorgonia's own operations, one each for convolution, bias,
activation and pooling; the two take turns. With --python the same networks are trained by
PyTorch, on one thread, in turn with ours.`,
		Example: `  atrium bench train
  atrium bench train --python /usr/bin/python3
  atrium bench train --seconds 10 --json train.json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !(seconds > 0) || seconds > 600 {
				return usageError(fmt.Errorf("--seconds %v: want more than 0 and at most 600", seconds))
			}
			result, err := benchTrain(cmd.Context(), python, time.Duration(seconds*float64(time.Second)))
			if err != nil {
				return err
			}
			showBenchTrain(newOutput(cmd), result)
			return o.writeJSON(result)
		},
	}
	cmd.Flags().Float64Var(&seconds, "seconds", seconds, "processor `seconds` of each model, and of each network beside it")
	cmd.Flags().StringVar(&python, "python", "", "`interpreter` with PyTorch to train the same networks with (Debian: python3-torch)")
	cmd.Flags().StringVar(&o.JSON, "json", "", "write the result to this file as one JSON object")
	return cmd
}

// benchTrain times every model; with PyTorch if python is not empty.
func benchTrain(ctx context.Context, python string, atLeast time.Duration) (result trainResult, err error) {
	result.BLAS, result.Machine = train.BLAS(), thisMachine()
	var torch *pytorch
	if python != "" {
		if torch, err = startPyTorch(ctx, python); err != nil {
			return result, err
		}
		defer func() { err = errors.Join(err, torch.close()) }()
		result.PyTorch = torch.version
	}
	for _, m := range trainBenches() {
		speed, err := m.measure(ctx, torch, atLeast)
		if err != nil {
			return result, fmt.Errorf("%s: %w", m.name, err)
		}
		result.Models = append(result.Models, speed)
	}
	return result, nil
}

// trainResult is what --json writes.
type trainResult struct {
	BLAS    string       `json:"blas"`              // of our own operations; gorgonia's have gonum's
	PyTorch string       `json:"pytorch,omitempty"` // its version
	Models  []trainSpeed `json:"models"`
	Machine machine      `json:"machine"`
}

// trainSpeed is records a second of processor time, batches of Batch.
type trainSpeed struct {
	Model      string  `json:"model"`
	Inputs     int     `json:"inputs"`
	Parameters int     `json:"parameters"`
	Batch      int     `json:"batch"`
	Samples    float64 `json:"samples_per_cpu_second"`
	Stock      float64 `json:"stock_samples_per_cpu_second,omitempty"` // of gorgonia's own operations; 0: the same
	Ratio      float64 `json:"ratio,omitempty"`
	PyTorch    float64 `json:"pytorch_samples_per_cpu_second,omitempty"` // 0: not timed
	PyRatio    float64 `json:"pytorch_ratio,omitempty"`                  // ours to PyTorch's
}

// trainBench is a model that is timed.
type trainBench struct {
	name string
	plan federation.Plan
}

// trainBatch is how many records a step takes, trainSteps how many steps a call.
const (
	trainBatch = 32
	trainSteps = 4
)

func trainBenches() []trainBench {
	mlp := plans.Cardiology()
	mlp.Model = federation.Model{Kind: federation.MLP, Hidden: []int{demoHidden}}
	return []trainBench{{"logistic", plans.Cardiology()}, {"mlp", mlp}, {"cnn1d (ecg)", plans.ECG()}, {"cnn2d (chest)", plans.Chest()}}
}

// measure has the trainers take turns, so that what else the machine does meets all alike;
// torch may be nil.
func (b trainBench) measure(ctx context.Context, torch *pytorch, atLeast time.Duration) (trainSpeed, error) {
	model, inputs := b.plan.Model, b.plan.Inputs()
	s := trainSpeed{Model: b.name, Inputs: inputs, Parameters: b.plan.ParameterCount(), Batch: trainBatch}
	stream := benchStream(1)
	x, y := make([]float32, trainBatch*inputs), make([]float32, trainBatch)
	for i := range x {
		x[i] = float32(int32(stream.next()>>32)) / (1 << 31)
	}
	for i := range y {
		y[i] = float32(i % 2)
	}
	makers := []func(federation.Model, int, int) (train.Trainer, error){train.New}
	if model.Kind == federation.Layers {
		makers = append(makers, train.NewStock)
	}
	base := models.InitialParameters(b.plan)
	var turns []func() (time.Duration, error) // of trainSteps steps each, and their processor time
	for _, newTrainer := range makers {
		t, err := newTrainer(model, inputs, trainBatch)
		if err != nil {
			return s, err
		}
		defer t.Close()
		turns = append(turns, func() (time.Duration, error) {
			began := processTime()
			_, _, err := t.Train(ctx, base, nil, x, y, trainBatch, federation.Local{LearningRate: 1e-3, Steps: trainSteps}, 1)
			return processTime() - began, err
		})
	}
	if torch != nil {
		if err := torch.begin(b.plan); err != nil {
			return s, err
		}
		turns = append(turns, func() (time.Duration, error) { return torch.train(trainSteps) })
	}
	speeds, err := takeTurns(turns, atLeast)
	if err != nil {
		return s, err
	}
	s.Samples = speeds[0]
	if model.Kind == federation.Layers {
		s.Stock, s.Ratio = speeds[1], s.Samples/speeds[1]
	}
	if torch != nil {
		s.PyTorch, s.PyRatio = speeds[len(speeds)-1], s.Samples/speeds[len(speeds)-1]
	}
	return s, nil
}

// takeTurns returns records a second of processor time of each, after each used so much.
func takeTurns(turns []func() (time.Duration, error), atLeast time.Duration) ([]float64, error) {
	used, speeds := make([]time.Duration, len(turns)), make([]float64, len(turns))
	for round := 0; slices.Min(used) < atLeast; round++ {
		for i, turn := range turns {
			took, err := turn()
			if err != nil {
				return nil, err
			}
			if round > 0 { // the first fills caches
				used[i] += took
				speeds[i] = float64(round*trainBatch*trainSteps) / used[i].Seconds()
			}
		}
	}
	return speeds, nil
}

func showBenchTrain(out *output, r trainResult) {
	head := []string{"model", "inputs", "parameters", "records per CPU second", "gorgonia's own operations", "ratio"}
	if r.PyTorch != "" {
		head = append(head, "PyTorch "+r.PyTorch, "ratio")
	}
	rows := [][]string{head}
	for _, m := range r.Models {
		stock, ratio := "the same", ""
		if m.Stock > 0 {
			stock, ratio = fmt.Sprintf("%.0f", m.Stock), fmt.Sprintf("%.2f", m.Ratio)
		}
		row := []string{m.Model, fmt.Sprint(m.Inputs), fmt.Sprint(m.Parameters), fmt.Sprintf("%.0f", m.Samples), stock, ratio}
		if r.PyTorch != "" {
			row = append(row, fmt.Sprintf("%.0f", m.PyTorch), fmt.Sprintf("%.2f", m.PyRatio))
		}
		rows = append(rows, row)
	}
	out.table(rows)
	out.line("\nbatches of %d, forward, backward and update; %s", trainBatch, r.Machine.words())
	out.line("matrices of our own operations are multiplied by %s", r.BLAS)
}
