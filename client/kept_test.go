package client

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/storage/local"
)

// keeping is a daemon of which only what keeps state is there.
func keeping(t *testing.T, rule string, localTensors ...string) *Daemon {
	t.Helper()
	store, err := local.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	d := &Daemon{store: store}
	d.cfg.Logger = slog.New(slog.DiscardHandler)
	d.cfg.Plan = federation.Plan{Model: federation.Model{Kind: federation.Logistic}, Features: make([]federation.Feature, 3),
		Aggregation: federation.Aggregation{Rule: rule, LearningRate: 1, LocalTensors: localTensors}}
	return d
}

func (d *Daemon) mustKeep(t *testing.T, round uint64) {
	t.Helper()
	k := kept{control: []float32{float32(round), 2, 3}, local: map[string][]float32{"bias": {float32(round)}}}
	if err := d.keep(t.Context(), round, k); err != nil {
		t.Fatal(err)
	}
}

// TestKeptFollowsTheSum: what counts is what was kept in the round that the base names,
// however many rounds were tried since, and what it replaced is deleted.
func TestKeptFollowsTheSum(t *testing.T) {
	d := keeping(t, federation.Scaffold, "bias")
	if k, err := d.recall(t.Context(), true); err != nil || k.control != nil {
		t.Fatalf("before the first round: %+v, %v", k, err)
	}
	for _, round := range []uint64{4, 5, 6, 6} { // 5 and 6 were abandoned, 6 was done twice
		d.mustKeep(t, round)
	}
	for _, counted := range []uint64{4, 6} {
		d.model.counted = counted
		k, err := d.recall(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		want := kept{control: []float32{float32(counted), 2, 3}, local: map[string][]float32{"bias": {float32(counted)}}}
		if diff := cmp.Diff(want, k, cmp.AllowUnexported(kept{})); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", counted, diff)
		}
	}
	d.mustKeep(t, 9)
	names, err := d.keptNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{keptName(6), keptName(9)}, names); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	for round := uint64(10); round < 40; round++ {
		d.mustKeep(t, round)
	}
	if names, _ := d.keptNames(t.Context()); len(names) > maxKept+2 || names[0] != keptName(6) {
		t.Errorf("thirty abandoned rounds leave %v", names)
	}
}

// TestKeptIsGone: without its control variate a hospital must not train; local tensors
// start anew, or with the newest that there are.
func TestKeptIsGone(t *testing.T) {
	d := keeping(t, federation.Scaffold)
	d.model.counted = 3
	if _, err := d.recall(t.Context(), true); !errors.Is(err, errKept) {
		t.Errorf("control variate: %v", err)
	}
	if reason, ok := d.reason(errors.Join(errNotComputed, errKept)); !ok || reason != errKept.Error() {
		t.Errorf("declines with %q", reason)
	}
	if _, err := d.recall(t.Context(), false); err != nil {
		t.Errorf("scoring needs no control variate: %v", err)
	}
	d = keeping(t, federation.FedAvg, "bias")
	d.model.counted = 3
	if k, err := d.recall(t.Context(), true); err != nil || k.local != nil {
		t.Errorf("local tensors: %+v, %v", k, err)
	}
	d.mustKeep(t, 7)
	if k, err := d.recall(t.Context(), false); err != nil || k.local["bias"][0] != 7 {
		t.Errorf("local tensors of another version: %+v, %v", k, err)
	}
	d.model.counted = 7
	d.cfg.Plan.Aggregation.LocalTensors = []string{"weight"}
	if _, err := d.recall(t.Context(), true); !errors.Is(err, errKept) {
		t.Errorf("of another plan: %v", err)
	}
	d.cfg.Plan.Aggregation.LocalTensors = []string{"bias"}
	d.cfg.Plan.Features = make([]federation.Feature, 9)
	if _, err := d.recall(t.Context(), true); !errors.Is(err, errKept) {
		t.Errorf("of another model: %v", err)
	}
}

func TestMergeAndSplit(t *testing.T) {
	p := keeping(t, federation.Scaffold, "bias").cfg.Plan
	base := []float32{1, 2, 3, 4}
	k := kept{control: []float32{0.5, 0, 1}, local: map[string][]float32{"bias": {40}}}
	start := k.merge(p, base)
	if diff := cmp.Diff([]float32{1, 2, 3, 40}, start); diff != "" || base[3] != 4 {
		t.Errorf("merged: %v beside %v", start, base)
	}
	shared, own := split(p, start, []float32{0.1, 0.2, 0.3, 5})
	if !cmp.Equal(shared, []float32{0.1, 0.2, 0.3}) || !cmp.Equal(own, map[string][]float32{"bias": {45}}) {
		t.Errorf("split: %v and %v", shared, own)
	}
	if got := k.correction(p, []float32{1, 1, 1}); !cmp.Equal(got, []float32{0.5, 1, 0, 0}) {
		t.Errorf("correction: %v", got)
	}
	p.Aggregation = federation.Aggregation{Rule: federation.FedAvg}
	if (kept{}).correction(p, nil) != nil {
		t.Error("a rule without control variates corrects")
	}
}

// TestSplitOfTrained: what is not trained is neither sent nor kept, and not corrected.
func TestSplitOfTrained(t *testing.T) {
	p := keeping(t, federation.Scaffold, "layer1.bias").cfg.Plan
	p.Model = federation.Model{Kind: federation.MLP, Hidden: []int{1}} // layer1 3 and 1, layer2 1 and 1
	p.Local.Trained = []string{"layer1.bias", "layer2.weight"}
	shared, own := split(p, []float32{1, 2, 3, 4, 5, 6}, []float32{0, 0, 0, 0.5, 7, 0})
	if !cmp.Equal(shared, []float32{7}) || !cmp.Equal(own, map[string][]float32{"layer1.bias": {4.5}}) {
		t.Errorf("split: %v and %v", shared, own)
	}
	if got := (kept{control: []float32{0.5}}).correction(p, []float32{2}); !cmp.Equal(got, []float32{0, 0, 0, 0, 1.5, 0}) {
		t.Errorf("correction: %v", got)
	}
}

// TestControlThatMeetsTheClip: what is added to a hospital's control variate is what it
// contributes, so that the server's stays the mean.
func TestControlThatMeetsTheClip(t *testing.T) {
	p := keeping(t, federation.Scaffold).cfg.Plan
	p.Local = federation.Local{Steps: 4, LearningRate: 0.5}
	p.Privacy = federation.Privacy{Bits: 16, Clip: 1, WeightCap: 100}
	change, control := []float32{0.5, -9, 0, 1}, []float32{0, 0, 0.25, -3}
	c, err := contribute(p, nil, change, control, 50, p.Local.StepsOf(50))
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]float64, c.count())
	c.read(sent, 0)
	// Δc = −c − Δ/2: −0.25, 4.5 (met: 2/2), −0.25, 2.5 (met); times 2 when sent, half the cap.
	want := []float64{0.25, -0.5, 0, 0.5, -0.25, 1, -0.25, 1, 50, 2, 1}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float32{9.75, 11, -0.25, 1}, c.nextControl(p, []float32{10, 10, 0, 0})); diff != "" {
		t.Errorf("next control variate (-want +got):\n%s", diff)
	}
}

// TestNovaSharesWork: a hospital that did more than its share of steps is cut at the clip
// after the scale, not before.
func TestNovaSharesWork(t *testing.T) {
	p := keeping(t, federation.FedNova).cfg.Plan
	p.Local = federation.Local{Epochs: 2, Batch: 10, LearningRate: 0.5}
	p.Privacy = federation.Privacy{Bits: 16, Clip: 1, WeightCap: 100}
	for _, c := range []struct {
		rows, steps int
		want        []float64
	}{ // a full round is 20 steps
		{50, 10, []float64{0.5, -1, 0.125, 0, 50, 1, 0, 50 * 10 * 256 % 65536, 50 * 10 * 256 / 65536, 0}}, // 10 steps, half the weight
		{50, 2, []float64{1, -1, 0.625, 0, 50, 2, 0, 50 * 2 * 256, 0, 0}},                                 // 2 of its 10: 5 times as far
		{5, 2, []float64{0.25, -0.5, 0.0625, 0, 5, 1, 0, 5 * 2 * 256, 0, 0}},                              // 2 steps, 0.05 of the weight: half
	} {
		got, err := contribute(p, nil, []float32{0.5, -9, 0.125, 0}, nil, c.rows, c.steps)
		if err != nil {
			t.Fatal(err)
		}
		sent := make([]float64, got.count())
		got.read(sent, 0)
		if diff := cmp.Diff(c.want, sent); diff != "" {
			t.Errorf("%d records (-want +got):\n%s", c.rows, diff)
		}
	}
}
