package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		model federation.Model
		want  []Tensor
		count int
	}{
		{federation.Model{Kind: federation.Logistic}, []Tensor{{"weight", []int{13}}, {"bias", []int{1}}}, 14},
		{federation.Model{Kind: federation.MLP, Hidden: []int{16, 4}}, []Tensor{
			{"layer1.weight", []int{13, 16}}, {"layer1.bias", []int{16}},
			{"layer2.weight", []int{16, 4}}, {"layer2.bias", []int{4}},
			{"layer3.weight", []int{4, 1}}, {"layer3.bias", []int{1}},
		}, 297},
	} {
		if diff := cmp.Diff(c.want, Layout(c.model, 13)); diff != "" {
			t.Error(diff)
		}
		size := 0
		for _, tensor := range Layout(c.model, 13) {
			size += tensor.Size()
		}
		if got := Count(c.model, 13); got != c.count || got != size {
			t.Errorf("%d parameters, layout %d, want %d", got, size, c.count)
		}
		if diff := cmp.Diff(c.want, mustNew(t, c.model, 13, 2).Parameters()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestInit(t *testing.T) {
	if diff := cmp.Diff(make([]float32, 14), Init(federation.Model{Kind: federation.Logistic}, 13, 7)); diff != "" {
		t.Error(diff)
	}
	model := federation.Model{Kind: federation.MLP, Hidden: []int{200, 8}}
	params := Init(model, 13, 7)
	at := 0
	for _, l := range layers(model, 13) {
		var square float64
		for _, w := range params[at : at+l.in*l.out] {
			square += float64(w) * float64(w) / float64(l.in*l.out)
		}
		if want := 2 / float64(l.in); l.out > 1 && math.Abs(square/want-1) > 0.15 {
			t.Errorf("layer %v: variance %v, want %v", l, square, want)
		}
		at += l.in * l.out
		if diff := cmp.Diff(make([]float32, l.out), params[at:at+l.out]); diff != "" {
			t.Errorf("layer %v: bias %s", l, diff)
		}
		at += l.out
	}
	if cmp.Equal(params, Init(model, 13, 8)) {
		t.Error("another seed gives the same parameters")
	}
}

// Version 0 of an mlp is part of a federation's history: its bytes are fixed.
func TestInitBytesAreFixed(t *testing.T) {
	h := sha256.New()
	if err := binary.Write(h, binary.LittleEndian, Init(models[1].model, 13, 1)); err != nil {
		t.Fatal(err)
	}
	const want = "3547ed032fd6e71bd2ae8daefad7f6e864999b68abc7b28569fb1db3f6c74b9a"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
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
