package models

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"atrium/coordinator/federation"
)

func planOf(model federation.Model) federation.Plan {
	p := federation.Plan{V: 1, Name: "test", Model: model, Label: federation.Label{Name: "y"}}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"} {
		p.Features = append(p.Features, federation.Feature{Name: name, Min: 0, Max: 1, Missing: federation.MissingMean})
	}
	return p
}

func TestInitialParameters(t *testing.T) {
	for _, v := range InitialParameters(planOf(federation.Model{Kind: federation.Logistic})) {
		if v != 0 {
			t.Errorf("a logistic model starts at %v", v)
		}
	}
	p := planOf(federation.Model{Kind: federation.MLP, Hidden: []int{200, 8}})
	params := InitialParameters(p)
	for _, tensor := range p.Tensors() {
		values := params[:tensor.Size()]
		params = params[tensor.Size():]
		var square float64
		for _, v := range values {
			square += float64(v) * float64(v) / float64(len(values))
		}
		want := 0.0
		if len(tensor.Shape) == 2 {
			want = 2 / float64(tensor.Shape[0])
		}
		if len(values) > 100 && math.Abs(square-want) > 0.15*want || want == 0 && square != 0 {
			t.Errorf("%s: variance %v, want %v", tensor.Name, square, want)
		}
	}
	if len(params) != 0 {
		t.Errorf("%d parameters too many", len(params))
	}
}

// The first version of an mlp is part of a federation's history: its bytes are fixed.
func TestInitialParametersAreFixed(t *testing.T) {
	h := sha256.New()
	if err := binary.Write(h, binary.LittleEndian, InitialParameters(planOf(federation.Model{Kind: federation.MLP, Hidden: []int{16, 4}}))); err != nil {
		t.Fatal(err)
	}
	const want = "be9964c5864714a3aacd87e890af31eb44be6b153f0de74eb09546f007ac54ee"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

// TestInitialDeclared: of an external model what its tensors declare, of those that are
// trained alone.
func TestInitialDeclared(t *testing.T) {
	p := planOf(federation.Model{Kind: federation.External, Declared: []federation.Declared{
		{Name: "large", Shape: []int{1 << 30}}, {Name: "low.a", Shape: []int{500, 2}, Spread: 0.5}, {Name: "low.b", Shape: []int{2}}, {Name: "scale", Shape: []int{3}, Value: 1, Spread: 0.01}}})
	p.Local.Trained = []string{"low.*", "scale"}
	params := InitialParameters(p)
	if len(params) != 1005 {
		t.Fatalf("%d parameters", len(params))
	}
	var sum, greatest float64
	for _, v := range params[:1000] {
		sum += float64(v)
		greatest = max(greatest, math.Abs(float64(v)))
	}
	if math.Abs(sum) > 50 || greatest > 0.5 || greatest < 0.45 { // 5 σ of the sum are 46
		t.Errorf("spread 0.5: sum %v, greatest %v", sum, greatest)
	}
	if params[1000] != 0 || params[1001] != 0 || params[1002] == 1 || math.Abs(float64(params[1002])-1) > 0.01 {
		t.Errorf("zeros and value: %v", params[1000:])
	}
	other := p
	other.Name = "other"
	if again := InitialParameters(p); again[7] != params[7] || InitialParameters(other)[7] == params[7] {
		t.Error("what is drawn does not follow from the plan's digest")
	}
}
