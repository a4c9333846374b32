package main

import (
	"context"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/client/train"
	"atrium/coordinator/federation"
)

// newBenchHospitalCommand is a daemon like that of `atrium hospital run` but for its
// training; benchmarks start it.
func newBenchHospitalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "hospital", Hidden: true, Args: noArguments,
		Short: "Run a hospital's daemon that trains nothing",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, hospitalSettings)
			if err != nil {
				return err
			}
			return runDaemon(cmd, func(ctx context.Context) error {
				return runHospital(ctx, cmd, c, func(cfg *client.Config) { cfg.Trainer = new(noTrainer) })
			})
		},
	}
	addSettings(cmd, hospitalSettings)
	addStdinFlag(cmd)
	return cmd
}

// noTrainer is a train.Trainer that makes numbers up: what it takes is a pass over the
// parameters. What Train returns is good until it is called again.
type noTrainer struct{ delta []float32 }

var _ train.Trainer = (*noTrainer)(nil)

// Parameters implements train.Trainer.
func (*noTrainer) Parameters() []federation.Tensor { return nil }

// Train implements train.Trainer.
func (n *noTrainer) Train(_ context.Context, base, _, _, _ []float32, _ int, _ federation.Local, seed uint64) ([]float32, float64, error) {
	n.delta = benchDelta(n.delta, len(base), seed)
	return n.delta, 0, nil
}

// Score implements train.Trainer.
func (*noTrainer) Score(_, _ []float32, rows int) ([]float64, error) {
	return make([]float64, rows), nil
}

// Close implements train.Trainer.
func (*noTrainer) Close() error { return nil }

// benchDelta returns n values in [-1, 1), in delta where it has the capacity.
func benchDelta(delta []float32, n int, seed uint64) []float32 {
	if cap(delta) < n {
		delta = make([]float32, n)
	}
	delta = delta[:n]
	rng := benchStream(seed | 1)
	for i := range delta {
		delta[i] = float32(int32(rng.next()>>33)-1<<30) / (1 << 30)
	}
	return delta
}
