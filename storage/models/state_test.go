package models

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
)

// TestRefitCarriesState: what a rule keeps goes from version to version, as long as rule
// and local tensors are the same, and is no part of the parameters' digest.
func TestRefitCarriesState(t *testing.T) {
	base, _ := testSnapshot(t)
	parameters := ParametersDigest(base)
	plan := testPlan()
	plan.Aggregation = federation.Aggregation{Rule: federation.FedAdam, LearningRate: 1, Beta1: 0.9, Beta2: 0.99, Tau: 0.5}
	first, err := Refit(plan, base)
	if err != nil {
		t.Fatal(err)
	}
	moments, err := State(plan, first, StateFirst)
	if err != nil || len(moments) != len(plan.Tensors()) {
		t.Fatalf("%d tensors, %v", len(moments), err)
	}
	squares, err := State(plan, first, StateSecond)
	if err != nil || moments[0].F32[0] != 0 || squares[0].F32[0] != 0.25 {
		t.Fatalf("moments start with %v and %v, %v", moments[0].F32[0], squares[0].F32[0], err)
	}
	if got := ParametersDigest(first); got != parameters {
		t.Error("state changes the parameters' digest")
	}
	moments[1].F32[3], squares[2].F32[0] = 7, 8
	stored, err := Decode(Encode(first))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Refit(plan, stored)
	if err != nil || !bytes.Equal(Encode(second), Encode(first)) {
		t.Errorf("state does not go on: %v", err)
	}
	slower := plan
	slower.Aggregation.LearningRate = 0.1
	if third, err := Refit(slower, stored); err != nil || !bytes.Equal(Encode(third), Encode(first)) {
		t.Errorf("another learning rate starts anew: %v", err)
	}
	for name, change := range map[string]func(*federation.Plan){
		"another rule":  func(p *federation.Plan) { p.Aggregation.Rule = federation.FedYogi },
		"local tensors": func(p *federation.Plan) { p.Aggregation.LocalTensors = []string{"*.bias"} },
		"trained":       func(p *federation.Plan) { p.Local.Trained = []string{"*1*"} },
	} {
		other := plan
		change(&other)
		next, err := Refit(other, stored)
		if err != nil {
			t.Fatal(err)
		}
		if state, err := State(other, next, StateFirst); err != nil || len(state) != len(other.Shared()) || state[1].F32[0] != 0 {
			t.Errorf("%s: %d tensors, %v", name, len(state), err)
		}
		if state, err := State(other, stored, StateFirst); err != nil || state != nil {
			t.Errorf("%s goes on with %d tensors, %v", name, len(state), err)
		}
	}
	plain, err := Refit(testPlan(), stored)
	if err != nil || !bytes.Equal(Encode(plain), Encode(base)) {
		t.Errorf("a rule without state leaves something: %v", err)
	}
	for i := range stored.Tensors {
		if stored.Tensors[i].Name == OptimiserFolder+"second/layer1.bias" {
			stored.Tensors[i].Shape = []int{1, 70}
		}
	}
	if _, err := Refit(plan, stored); !errors.Is(err, ErrSnapshot) {
		t.Errorf("state of another shape: %v", err)
	}
}

func TestCount(t *testing.T) {
	base, _ := testSnapshot(t)
	plan := testPlan()
	plan.Aggregation = federation.Aggregation{Rule: federation.Scaffold, LearningRate: 1}
	s, err := Refit(plan, base)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Count(plan, 3, []federation.HospitalID{"h-c", "h-a"}), s.Count(plan, 9, []federation.HospitalID{"h-b", "h-c"})); err != nil {
		t.Fatal(err)
	}
	next, err := Refit(plan, s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := LastCounted(plan, next)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Counted{{"h-a", 3}, {"h-b", 9}, {"h-c", 9}}, got); diff != "" {
		t.Error(diff)
	}
	if got, err := LastCounted(testPlan(), next); err != nil || got != nil {
		t.Errorf("another rule counts %v, %v", got, err)
	}
	next.Metadata[MetadataCounted] = `[{"hospital":"h-b","round":1},{"hospital":"h-a","round":1}]`
	if _, err := LastCounted(plan, next); !errors.Is(err, ErrSnapshot) {
		t.Errorf("out of order: %v", err)
	}
}

// FuzzCounted: what decodes encodes to the same bytes.
func FuzzCounted(f *testing.F) {
	f.Add([]byte(`[{"hospital":"h-a","round":3},{"hospital":"h-b","round":9007199254740991}]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`null`))
	f.Add([]byte(`[{"round":3,"hospital":"h-a"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseCounted(b)
		if err == nil && !bytes.Equal(federation.Encode(list), b) {
			t.Errorf("%q decodes and encodes to %q", b, federation.Encode(list))
		}
	})
}
