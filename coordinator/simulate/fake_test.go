package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage/models"
)

// fakeLearners have hospitals whose model is drawn to a number of their own.
type fakeLearners struct {
	plan   federation.Plan
	rows   []int
	broken map[int]bool // hospitals that cannot compute

	mu    sync.Mutex
	calls int
	quit  int // contributions after which the context is ended; 0: never
	end   context.CancelFunc
	took  func(steps int) // called in train rounds, if set
}

func (l *fakeLearners) Rows(hospital int, _ federation.RoundKind) int { return l.rows[hospital] }
func (l *fakeLearners) Kept(int, uint64) ([]byte, error)              { return nil, nil }
func (l *fakeLearners) Restore(int, uint64, []byte) error             { return errors.New("nothing is kept") }

func (l *fakeLearners) Version(s *models.Snapshot) (Version, error) {
	if s == nil {
		return fakeVersion{l, nil}, nil
	}
	params, _, err := models.OfPlan(l.plan, *s)
	return fakeVersion{l, params}, err
}

type fakeVersion struct {
	*fakeLearners
	params []float32
}

func (v fakeVersion) Counted(int) uint64 { return 0 }

func (v fakeVersion) Contribute(ctx context.Context, hospital int, h federation.Header, steps int, _ uint64) ([]float64, error) {
	if v.took != nil && h.Kind == federation.Train {
		v.took(steps)
	}
	v.mu.Lock()
	v.calls++
	if v.quit > 0 && v.calls == v.quit {
		v.end()
	}
	v.mu.Unlock()
	if v.broken[hospital] && h.Kind == federation.Train {
		return nil, errors.New("no gradient today")
	}
	values := make([]float64, h.Format.Count())
	weight := float64(min(v.rows[hospital], v.plan.Privacy.WeightCap))
	switch h.Kind {
	case federation.Statistics:
		values[0], values[1], values[2] = weight, weight/2, weight/3
	case federation.Train:
		for i, p := range v.params {
			values[i] = 0.3 * (math.Sin(float64(hospital+i)) - float64(p)) * weight / float64(v.plan.Privacy.WeightCap)
		}
		values[v.plan.TrainTail()] = weight
	case federation.Evaluate:
		ill := math.Floor(weight / 2)
		values[0], values[2] = ill, weight-ill
		values[4+900], values[4+federation.HistogramBins+100] = ill, weight-ill
	}
	return values, ctx.Err()
}

// Score says 1 and 0 of two records, more surely the nearer the parameters are to 0.1.
func (v fakeVersion) Score(hospital int) (labels, scores []float64, err error) {
	s := 1 / (1 + math.Exp(-float64(v.params[0])))
	return []float64{1, 0}, []float64{s, math.Mod(float64(hospital)/7, 1)}, nil
}

// fakePlan is over one feature.
func fakePlan(rounds int) federation.Plan {
	return federation.Plan{V: 1, Name: "fake", Model: federation.Model{Kind: federation.Logistic},
		Features:    []federation.Feature{{Name: "age", Min: 0, Max: 120, Missing: federation.MissingMean}},
		Label:       federation.Label{Name: "disease"},
		Local:       federation.Local{Optimiser: "sgd", LearningRate: 0.1, Steps: 10},
		Aggregation: federation.Aggregation{Rule: "fedavg", LearningRate: 1},
		Privacy:     federation.Privacy{Bits: 16, Clip: 1, WeightCap: 1000, MinRecords: 10},
		Schedule: federation.Schedule{Rounds: rounds, EvaluateEvery: 2,
			GatherSeconds: 20, UpdateSeconds: 60, OpenSeconds: 20, GraceSeconds: 5}}
}

// fakeConfig is a simulation of n hospitals that checks the machine's invariants after every
// entry.
func fakeConfig(t *testing.T, profiles Profiles, n, rounds int, seed uint64) (Config, *fakeLearners) {
	t.Helper()
	c := Config{Plan: fakePlan(rounds), Profiles: profiles, Population: Draw(profiles, n, seed), Seed: seed, Workers: 3}
	l := &fakeLearners{plan: c.Plan, broken: map[int]bool{}}
	for _, h := range c.Population {
		l.rows = append(l.rows, h.Rows)
	}
	c.Encrypted, c.Exact = l, &fakeLearners{plan: l.plan, rows: l.rows, broken: l.broken}
	phase, number := round.None, uint64(0)
	c.check = func(w *world) error {
		s := w.coord.state
		if err := round.Invariants(s); err != nil {
			return err
		}
		if s.Round.Number == number && s.Round.Phase != phase && !round.Legal(phase, s.Round.Phase) {
			return fmt.Errorf("round goes from %s to %s", phase, s.Round.Phase)
		}
		phase, number = s.Round.Phase, s.Round.Number
		return nil
	}
	return c, l
}

func mustRun(t *testing.T, c Config) Result {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
