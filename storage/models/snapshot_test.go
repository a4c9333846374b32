package models

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is a logistic model of three features, its tensors out of order.
func sample() Snapshot {
	return Snapshot{
		Tensors: []Tensor{
			{Name: "model/weight", Shape: []int{3}, F32: []float32{0.5, -1, 3e-40}},
			{Name: PreprocessingSD, Shape: []int{3}, F64: []float64{1, 2, math.SmallestNonzeroFloat64}},
			{Name: "model/bias", Shape: []int{1}, F32: []float32{float32(math.Copysign(0, -1))}},
			{Name: PreprocessingMean, Shape: []int{3}, F64: []float64{54.25, 0.1, -1}},
		},
		Metadata: map[string]string{
			MetadataLabel:    "disease",
			MetadataFeatures: FormatNames([]string{"age", "sex", `x<"é`}),
			MetadataClasses:  FormatNames([]string{"no disease", "disease"}),
		},
	}
}

func TestValidateRefuses(t *testing.T) {
	tensor := func(t Tensor) Snapshot { return Snapshot{Tensors: []Tensor{t}} }
	one := []float32{1}
	inf := math.Inf(1)
	many := make([]Tensor, MaxTensors+1)
	for name, c := range map[string]struct {
		s    Snapshot
		want string
	}{
		"twice":         {Snapshot{Tensors: []Tensor{{Name: "a", F32: one}, {Name: "a", F64: []float64{1}}}}, `"a" appears twice`},
		"no name":       {tensor(Tensor{F32: one}), "name"},
		"long name":     {tensor(Tensor{Name: strings.Repeat("a", MaxTensorName+1), F32: one}), "name"},
		"space":         {tensor(Tensor{Name: "model/a b", F32: one}), "name"},
		"reserved name": {tensor(Tensor{Name: "__metadata__", F32: one}), "name"},
		"no values":     {tensor(Tensor{Name: "a"}), "exactly one"},
		"both types":    {tensor(Tensor{Name: "a", F32: one, F64: []float64{1}}), "exactly one"},
		"too few":       {tensor(Tensor{Name: "a", Shape: []int{2}, F32: one}), "1 values for shape [2]"},
		"zero":          {tensor(Tensor{Name: "a", Shape: []int{0}, F32: []float32{}}), "dimension 0"},
		"negative":      {tensor(Tensor{Name: "a", Shape: []int{-1, -1}, F32: one}), "dimension -1"},
		"overflow":      {tensor(Tensor{Name: "a", Shape: []int{1 << 32, 1 << 32}, F32: one}), "dimension"},
		"dimensions":    {tensor(Tensor{Name: "a", Shape: make([]int, MaxDimensions+1), F32: one}), "9 dimensions"},
		"infinite F32":  {tensor(Tensor{Name: "a", F32: []float32{float32(inf)}}), "value 0 is +Inf"},
		"NaN F64":       {tensor(Tensor{Name: "a", Shape: []int{2}, F64: []float64{0, math.NaN()}}), "value 1 is NaN"},
		"many":          {Snapshot{Tensors: many}, "4097 tensors"},
		"header":        {Snapshot{Metadata: map[string]string{"a": strings.Repeat("x", MaxHeaderBytes)}}, "header of"},
		"metadata":      {Snapshot{Metadata: map[string]string{"a": "\xff"}}, "not UTF-8"},
	} {
		err := c.s.Validate()
		if !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	if err := sample().Validate(); err != nil {
		t.Errorf("sample: %v", err)
	}
}

func TestEncodePanicsForInvalid(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("encoded a snapshot without values")
		}
	}()
	Encode(Snapshot{Tensors: []Tensor{{Name: "a"}}})
}

// TestParametersDigest: it depends on names, shapes and values below model/ and on
// nothing else.
func TestParametersDigest(t *testing.T) {
	want := ParametersDigest(sample())
	for name, c := range map[string]struct {
		change func(*Snapshot)
		same   bool
	}{
		"order":         {func(s *Snapshot) { s.Tensors[0], s.Tensors[3] = s.Tensors[3], s.Tensors[0] }, true},
		"metadata":      {func(s *Snapshot) { s.Metadata = nil }, true},
		"preprocessing": {func(s *Snapshot) { s.Tensors[1].F64[0] = 7 }, true},
		"optimiser": {func(s *Snapshot) {
			s.Tensors = append(s.Tensors, Tensor{Name: OptimiserFolder + "m", F64: []float64{1}})
		}, true},
		"value":         {func(s *Snapshot) { s.Tensors[0].F32[2] = 0 }, false},
		"sign of zero":  {func(s *Snapshot) { s.Tensors[2].F32[0] = 0 }, true}, // the same question
		"name":          {func(s *Snapshot) { s.Tensors[0].Name = "model/weights" }, false},
		"shape":         {func(s *Snapshot) { s.Tensors[0].Shape = []int{3, 1} }, false},
		"tensor gone":   {func(s *Snapshot) { s.Tensors[2].Name = "optimiser/bias" }, false},
		"type":          {func(s *Snapshot) { s.Tensors[2] = Tensor{Name: "model/bias", Shape: []int{1}, F64: []float64{0}} }, false},
		"no parameters": {func(s *Snapshot) { s.Tensors = nil }, false},
	} {
		s := sample()
		c.change(&s)
		if got := ParametersDigest(s); (got == want) != c.same {
			t.Errorf("%s changed: same digest is %v, want %v", name, got == want, c.same)
		}
		if name != "order" && Digest(s) == Digest(sample()) {
			t.Errorf("%s changed: the snapshot's digest is the same", name)
		}
	}
}

func TestTensorAndNames(t *testing.T) {
	s := sample()
	if got, ok := s.Tensor("model/bias"); !ok || got.Name != "model/bias" {
		t.Errorf("tensor model/bias: %v, %v", got, ok)
	}
	if _, ok := s.Tensor("model/"); ok {
		t.Error("found a tensor that is not there")
	}
	names, err := ParseNames(s.Metadata[MetadataFeatures])
	if err != nil || !cmp.Equal(names, []string{"age", "sex", `x<"é`}) {
		t.Errorf("names %q, error %v", names, err)
	}
	if _, err := ParseNames("age, sex"); err == nil {
		t.Error("parsed names that are no JSON")
	}
}
