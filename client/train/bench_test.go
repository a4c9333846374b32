package train

import (
	"math/rand/v2"
	"testing"

	"atrium/coordinator/federation"
)

// BenchmarkRound is one round of local training at a hospital of 200 records with 13
// features: ten full-batch steps on a graph that is already there.
func BenchmarkRound(b *testing.B) {
	x, y := records(rand.New(rand.NewPCG(13, 0)), 200, 13)
	for _, m := range models {
		b.Run(m.name, func(b *testing.B) {
			tr := mustNew(b, m.model, 13, 200)
			base := initial(m.model, 13, 1)
			local := federation.Local{LearningRate: 0.1, Steps: 10}
			for b.Loop() {
				if _, _, err := tr.Train(background, base, nil, x, y, 200, local, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		tr, err := New(models[0].model, 13, 200)
		if err != nil {
			b.Fatal(err)
		}
		if err := tr.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
