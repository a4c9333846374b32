package train

import (
	"errors"
	"math/rand/v2"
	"testing"

	"atrium/coordinator/federation"
)

// stockModels are networks that gorgonia has operations for.
var stockModels = []listedModel{
	{"logistic", 5, listed(0, nil)},
	{"signal", 14, listed(0, []int{14}, federation.Layer{Kind: federation.Conv, Filters: 3, Kernel: 5}, federation.Layer{Kind: federation.Pool, Size: 2}, federation.Layer{Kind: federation.Dense, Units: 4})},
	{"image", 64, listed(0, []int{8, 8}, federation.Layer{Kind: federation.Conv, Filters: 3, Kernel: 3}, federation.Layer{Kind: federation.Pool, Size: 2},
		federation.Layer{Kind: federation.Conv, Filters: 2, Kernel: 3}, federation.Layer{Kind: federation.Pool, Size: 2})},
}

// Gorgonia's own operations compute the same steps and scores.
func TestStockAgrees(t *testing.T) {
	const rows = 6
	for _, m := range stockModels {
		rng := rand.New(rand.NewPCG(41, 0))
		x, y := listedRecords(rng, m, rows)
		base := listedStart(rng, m)
		local := federation.Local{LearningRate: 0.1, Steps: 3}
		stock, err := NewStock(m.model, m.inputs, rows)
		if err != nil {
			t.Fatal(err)
		}
		defer stock.Close()
		ours := mustNew(t, m.model, m.inputs, rows)
		got, _, err := ours.Train(background, base, nil, x, y, rows, local, 1)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := stock.Train(background, base, nil, x, y, rows, local, 1)
		if err != nil {
			t.Fatal(err)
		}
		near(t, m.name, widen(got), widen(want), 1e-4)
		scores, err := ours.Score(base, x, rows)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := stock.Score(base, x, rows)
		if err != nil {
			t.Fatal(err)
		}
		near(t, m.name+" score", scores, theirs, 1e-5)
	}
	for _, m := range []federation.Model{listed(3, nil), listed(0, nil, federation.Layer{Kind: federation.Dropout, Rate: 0.5})} {
		if _, err := NewStock(m, 4, 4); !errors.Is(err, ErrModel) {
			t.Errorf("error %v, want %v", err, ErrModel)
		}
	}
}
