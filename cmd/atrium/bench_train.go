package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"atrium/client/train"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

func newBenchTrainCommand() *cobra.Command {
	var o benchOptions
	seconds := 2.0
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Time local training of each kind of model, beside gorgonia's own operations",
		Long: `Trains each model on random records, batch by batch, and says how many records a second
of processor time trains: forward, backward and update. For models of layers the same
network is also built from gorgonia's own operations, one each for convolution, bias,
activation and pooling; the two take turns.`,
		Example: `  atrium bench train
  atrium bench train --seconds 10 --json train.json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !(seconds > 0) || seconds > 600 {
				return usageError(fmt.Errorf("--seconds %v: want more than 0 and at most 600", seconds))
			}
			result := trainResult{Machine: thisMachine()}
			for _, m := range trainBenches() {
				speed, err := m.measure(cmd.Context(), time.Duration(seconds*float64(time.Second)))
				if err != nil {
					return fmt.Errorf("%s: %w", m.name, err)
				}
				result.Models = append(result.Models, speed)
			}
			showBenchTrain(newOutput(cmd), result)
			return o.writeJSON(result)
		},
	}
	cmd.Flags().Float64Var(&seconds, "seconds", seconds, "processor `seconds` of each model, and of each network beside it")
	cmd.Flags().StringVar(&o.JSON, "json", "", "write the result to this file as one JSON object")
	return cmd
}

// trainResult is what --json writes.
type trainResult struct {
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

func (b trainBench) measure(ctx context.Context, atLeast time.Duration) (trainSpeed, error) {
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
	var trainers []train.Trainer
	for _, newTrainer := range makers {
		t, err := newTrainer(model, inputs, trainBatch)
		if err != nil {
			return s, err
		}
		defer t.Close()
		trainers = append(trainers, t)
	}
	used, records := make([]time.Duration, len(trainers)), make([]int, len(trainers))
	for round := 0; used[0] < atLeast || used[len(used)-1] < atLeast; round++ {
		for i, t := range trainers {
			began := processTime()
			if _, _, err := t.Train(ctx, base, nil, x, y, trainBatch, federation.Local{LearningRate: 1e-3, Steps: trainSteps}, 1); err != nil {
				return s, err
			}
			if round > 0 { // the first fills caches
				used[i] += processTime() - began
				records[i] += trainBatch * trainSteps
			}
		}
	}
	s.Samples = float64(records[0]) / used[0].Seconds()
	if len(trainers) > 1 {
		s.Stock = float64(records[1]) / used[1].Seconds()
		s.Ratio = s.Samples / s.Stock
	}
	return s, nil
}

func showBenchTrain(out *output, r trainResult) {
	rows := [][]string{{"model", "inputs", "parameters", "records per CPU second", "gorgonia's own operations", "ratio"}}
	for _, m := range r.Models {
		stock, ratio := "the same", ""
		if m.Stock > 0 {
			stock, ratio = fmt.Sprintf("%.0f", m.Stock), fmt.Sprintf("%.2f", m.Ratio)
		}
		rows = append(rows, []string{m.Model, fmt.Sprint(m.Inputs), fmt.Sprint(m.Parameters), fmt.Sprintf("%.0f", m.Samples), stock, ratio})
	}
	out.table(rows)
	out.line("\nbatches of %d, forward, backward and update; %s", trainBatch, r.Machine.words())
}
