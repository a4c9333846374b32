package federation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func declared(list ...Declared) Model { return Model{Kind: External, Declared: list} }

// external is a large layer, which hospitals have, with an adapter of rank 2.
func external() Model {
	return declared(Declared{Name: "large.weight", Shape: []int{4096, 4096}}, Declared{Name: "low.a", Shape: []int{4096, 2}, Spread: 0.01},
		Declared{Name: "low.b", Shape: []int{2, 4096}}, Declared{Name: "scale", Shape: []int{4}, Value: 1})
}

func adapter() Plan {
	p := testPlan()
	p.Model, p.Local.Trained = external(), []string{"low.*", "scale"}
	p.Model.Base = strings.Repeat("0f", 32)
	return p
}

func names(tensors []Tensor) (list []string) {
	for _, t := range tensors {
		list = append(list, t.Name)
	}
	return list
}

// TestTrainedTensors: what is trained, what a snapshot holds and what is summed.
func TestTrainedTensors(t *testing.T) {
	for name, c := range map[string]struct {
		plan             Plan
		snapshot, shared []string
		trained          int
	}{
		"external": {adapter(), []string{"low.a", "low.b", "scale"}, []string{"low.a", "low.b", "scale"}, 4*4096 + 4},
		"external with a local tensor": {func() Plan { p := adapter(); p.Aggregation.LocalTensors = []string{"scale"}; return p }(),
			[]string{"low.a", "low.b", "scale"}, []string{"low.a", "low.b"}, 4*4096 + 4},
		"mlp": {func() Plan { p := testPlan(); p.Local.Trained = []string{"layer3.*"}; return p }(),
			[]string{"layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias", "layer3.weight", "layer3.bias"}, []string{"layer3.weight", "layer3.bias"}, 3},
		"mlp with local biases": {func() Plan {
			p := testPlan()
			p.Local.Trained, p.Aggregation.LocalTensors = []string{"layer[23].*"}, []string{"*.bias"}
			return p
		}(),
			[]string{"layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias", "layer3.weight", "layer3.bias"}, []string{"layer2.weight", "layer3.weight"}, 13},
	} {
		p := c.plan
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.snapshot, names(p.Tensors())); diff != "" {
			t.Errorf("%s: snapshot (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.shared, names(p.Shared())); diff != "" {
			t.Errorf("%s: shared (-want +got):\n%s", name, diff)
		}
		if got := p.TrainedCount(); got != c.trained {
			t.Errorf("%s: %d parameters are trained, want %d", name, got, c.trained)
		}
		if f := p.Format(Train); f.Count() != p.SharedCount()+1+len(p.Shared()) {
			t.Errorf("%s: %d values are sent for %d parameters", name, f.Count(), p.SharedCount())
		}
	}
}

// TestContinuesWithOtherTensors: an adapter goes on with a built-in model, which is whole in
// every version; of an external one other tensors are another model.
func TestContinuesWithOtherTensors(t *testing.T) {
	whole, part := testPlan(), testPlan()
	part.Local.Trained = []string{"layer3.*"}
	if err := part.Continues(whole); err != nil {
		t.Error(err)
	}
	fewer := adapter()
	fewer.Local.Trained = []string{"low.*"}
	if err := fewer.Continues(adapter()); err == nil {
		t.Error("a version without a tensor is trained on")
	}
	slower := adapter()
	slower.Local.LearningRate /= 2
	if err := slower.Continues(adapter()); err != nil {
		t.Error(err)
	}
}

// TestContinuesNamesFeatures: without a feature the tensors differ too; the feature is said.
func TestContinuesNamesFeatures(t *testing.T) {
	before, after := testPlan(), testPlan()
	after.Features = after.Features[1:]
	if err := after.Continues(before); err == nil || !strings.Contains(err.Error(), "other features") {
		t.Errorf("without a feature: %v", err)
	}
}
