package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/client/train"
	"atrium/coordinator/federation"
)

// newOneHotCommand is a daemon like that of `atrium hospital run` but for its training.
func newOneHotCommand() *cobra.Command {
	var hospital int
	cmd := &cobra.Command{
		Use: "onehot", Args: noArguments,
		Short: "Run a hospital's daemon whose update is 1 at one place and 0 elsewhere",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, hospitalSettings)
			if err != nil {
				return err
			}
			return runDaemon(cmd, func(ctx context.Context) error {
				return runHospital(ctx, cmd, c, func(cfg *client.Config) { cfg.Trainer = oneHot{hospital} })
			})
		},
	}
	addSettings(cmd, hospitalSettings)
	addStdinFlag(cmd)
	cmd.Flags().IntVar(&hospital, "hospital", 0, "number of this hospital, from 0")
	return cmd
}

// oneHot is a train.Trainer whose update is 1 at the place of this hospital and this
// question, and 0 elsewhere: what a sum holds says who was counted in it, how often, and
// whether for another question.
type oneHot struct{ hospital int }

var _ train.Trainer = oneHot{}

// oneHotSlots is how many questions have a place of their own for each hospital.
const oneHotSlots = 16

// place is the index of a hospital's 1 when base is what it trains from.
func place(hospital int, base []float32) int {
	h := sha256.New()
	for _, v := range base {
		h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	return hospital*oneHotSlots + int(h.Sum(nil)[0])%oneHotSlots
}

// Parameters implements train.Trainer.
func (oneHot) Parameters() []federation.Tensor { return nil }

// Train implements train.Trainer.
func (o oneHot) Train(_ context.Context, base, _, _, _ []float32, _ int, _ federation.Local, _ uint64) ([]float32, float64, error) {
	delta := make([]float32, len(base))
	delta[place(o.hospital, base)] = 1
	return delta, 0, nil
}

// Score implements train.Trainer.
func (oneHot) Score(_, _ []float32, rows int) ([]float64, error) { return make([]float64, rows), nil }

// Close implements train.Trainer.
func (oneHot) Close() error { return nil }
