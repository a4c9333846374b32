package train

import (
	"errors"
	"testing"

	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		model federation.Model
		want  []federation.Tensor
		count int
	}{
		{federation.Model{Kind: federation.Logistic}, []federation.Tensor{{Name: "weight", Shape: []int{13}}, {Name: "bias", Shape: []int{1}}}, 14},
		{federation.Model{Kind: federation.MLP, Hidden: []int{16, 4}}, []federation.Tensor{
			{Name: "layer1.weight", Shape: []int{13, 16}}, {Name: "layer1.bias", Shape: []int{16}},
			{Name: "layer2.weight", Shape: []int{16, 4}}, {Name: "layer2.bias", Shape: []int{4}},
			{Name: "layer3.weight", Shape: []int{4, 1}}, {Name: "layer3.bias", Shape: []int{1}},
		}, 297},
	} {
		if diff := cmp.Diff(c.want, c.model.Tensors(13)); diff != "" {
			t.Error(diff)
		}
		size := 0
		for _, tensor := range c.model.Tensors(13) {
			size += tensor.Size()
		}
		if got := c.model.ParameterCount(13); got != c.count || got != size {
			t.Errorf("%d parameters, layout %d, want %d", got, size, c.count)
		}
		if diff := cmp.Diff(c.want, mustNew(t, c.model, 13, 2).Parameters()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name         string
		model        federation.Model
		inputs, rows int
	}{
		{"kind", federation.Model{Kind: "forest"}, 3, 3},
		{"logistic with layers", federation.Model{Kind: federation.Logistic, Hidden: []int{2}}, 3, 3},
		{"mlp without layers", federation.Model{Kind: federation.MLP}, 3, 3},
		{"no units", federation.Model{Kind: federation.MLP, Hidden: []int{0}}, 3, 3},
		{"units", federation.Model{Kind: federation.MLP, Hidden: []int{federation.MaxHiddenUnits + 1}}, 3, 3},
		{"layers", federation.Model{Kind: federation.MLP, Hidden: make([]int, federation.MaxHiddenLayers+1)}, 3, 3},
		{"parameters", federation.Model{Kind: federation.MLP, Hidden: []int{4096, 4096, 4096}}, 3, 3},
		{"array of another size", listed(0, []int{2, 3}), 5, 3},
		{"layers of mlp", federation.Model{Kind: federation.Layers, Hidden: []int{2}}, 3, 3},
		{"external", federation.Model{Kind: federation.External, Declared: []federation.Declared{{Name: "a", Shape: []int{3}}}}, 3, 3},
		{"no inputs", federation.Model{Kind: federation.Logistic}, 0, 3},
		{"inputs", federation.Model{Kind: federation.Logistic}, federation.MaxFeatures + 1, 3},
		{"rows", federation.Model{Kind: federation.Logistic}, 3, -1},
	} {
		if _, err := New(c.model, c.inputs, c.rows); !errors.Is(err, ErrModel) {
			t.Errorf("%s: error %v, want %v", c.name, err, ErrModel)
		}
	}
}

func TestGraphRowsAreBounded(t *testing.T) {
	wide := federation.Model{Kind: federation.MLP, Hidden: []int{4096}}
	for _, c := range []struct {
		model federation.Model
		rows  int
		want  int
	}{
		{models[0].model, 0, 2}, {models[0].model, 200, 200}, {models[0].model, 1 << 30, 4096}, {wide, 1 << 30, 1024},
	} {
		if got := graphRows(c.model, 13, c.rows); got != c.want {
			t.Errorf("%d rows of %v: %d, want %d", c.rows, c.model, got, c.want)
		}
	}
}
