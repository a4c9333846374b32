package plans

import (
	"testing"

	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

// TestCardiologyRanges: the least and greatest value of each feature in the four
// hospitals of the UCI Heart Disease data, as FLamby prepares them, is plausible.
func TestCardiologyRanges(t *testing.T) {
	observed := []struct {
		name      string
		low, high float64
	}{
		{"age", 28, 77}, {"sex", 0, 1}, {"trestbps", 0, 200}, {"chol", 0, 603}, {"fbs", 0, 1}, {"thalach", 60, 202}, {"exang", 0, 1},
		{"oldpeak", -1, 6.2}, {"cp_2", 0, 1}, {"cp_3", 0, 1}, {"cp_4", 0, 1}, {"restecg_1", 0, 1}, {"restecg_2", 0, 1},
	}
	p := Cardiology()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(p.Features) != len(observed) {
		t.Fatalf("%d features, want %d", len(p.Features), len(observed))
	}
	for i, o := range observed {
		if f := p.Features[i]; f.Name != o.name || o.low < f.Min || o.high > f.Max {
			t.Errorf("feature %d: %s from %v to %v, observed %s from %v to %v", i, f.Name, f.Min, f.Max, o.name, o.low, o.high)
		}
	}
}

func TestCardiologySettings(t *testing.T) {
	want := federation.Plan{
		V: 1, Name: "cardiology", Model: federation.Model{Kind: "logistic"},
		Features: Cardiology().Features, Label: Cardiology().Label,
		Local:       federation.Local{Optimiser: "sgd", LearningRate: 0.1, Steps: 10},
		Aggregation: federation.Aggregation{Rule: "fedavg", LearningRate: 1},
		Privacy:     federation.Privacy{Bits: 16, Clip: 1, WeightCap: 1024, MinRecords: 10},
		Schedule:    federation.Schedule{Rounds: 40, EvaluateEvery: 10, GatherSeconds: 20, UpdateSeconds: 60, OpenSeconds: 20, GraceSeconds: 3},
	}
	if diff := cmp.Diff(want, Cardiology()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if Cardiology().Label.Name != "disease" {
		t.Errorf("label %q", Cardiology().Label.Name)
	}
}
