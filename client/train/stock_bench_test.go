package train

import (
	"math/rand/v2"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// BenchmarkStep is one step on a batch of 32, ours and with gorgonia's own operations.
func BenchmarkStep(b *testing.B) {
	for _, p := range []federation.Plan{plans.ECG(), plans.Chest()} {
		m := listedModel{p.Name, p.Inputs(), p.Model}
		rng := rand.New(rand.NewPCG(42, 0))
		x, y := listedRecords(rng, m, 32)
		base := listedStart(rng, m)
		for _, c := range []struct {
			name string
			make func(federation.Model, int, int) (Trainer, error)
		}{{"fused", New}, {"stock", NewStock}} {
			b.Run(p.Name+"/"+c.name, func(b *testing.B) {
				tr, err := c.make(m.model, m.inputs, 32)
				if err != nil {
					b.Fatal(err)
				}
				defer tr.Close()
				for b.Loop() {
					if _, _, err := tr.Train(background, base, nil, x, y, 32, federation.Local{LearningRate: 1e-3, Steps: 4}, 1); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
