package models

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"atrium/aggregation"
	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/storagetest"
)

func testPlan() federation.Plan {
	return federation.Plan{V: 1, Name: "test", Model: federation.Model{Kind: federation.MLP, Hidden: []int{70, 300}},
		Features: []federation.Feature{{Name: "age", Max: 1}, {Name: "sex", Max: 1}}, Label: federation.Label{Name: "disease"}}
}

// testSnapshot is a snapshot of testPlan with parameters of its own.
func testSnapshot(t *testing.T) (Snapshot, []float32) {
	t.Helper()
	plan := testPlan()
	params := make([]float32, plan.ParameterCount())
	for i := range params {
		params[i] = float32(i) / 8
	}
	s, err := ForPlan(plan, params, aggregation.Normalisation{Mean: []float64{1, 2}, SD: []float64{3, 4}})
	if err != nil {
		t.Fatal(err)
	}
	return s, params
}

// TestDecodeFromAnyReader: how the bytes arrive makes no difference.
func TestDecodeFromAnyReader(t *testing.T) {
	want, _ := testSnapshot(t)
	b := Encode(want)
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(b), "by bytes": iotest.OneByteReader(bytes.NewReader(b)),
		"halves": iotest.HalfReader(bytes.NewReader(b)), "error with data": iotest.DataErrReader(bytes.NewReader(b))} {
		s, err := DecodeFrom(r)
		if err != nil || !bytes.Equal(Encode(s), b) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range len(b) {
		if n > 2000 && n%997 != 0 {
			continue
		}
		if _, err := DecodeFrom(bytes.NewReader(b[:n])); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := DecodeFrom(io.MultiReader(bytes.NewReader(b), bytes.NewReader([]byte{0}))); !errors.Is(err, ErrSnapshot) {
		t.Errorf("one byte more: %v", err)
	}
	broken := errors.New("broken")
	for _, n := range []int{0, 4, 100, len(b) - 5, len(b)} {
		_, err := DecodeFrom(io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || errors.Is(err, ErrSnapshot) {
			t.Errorf("broken after %d bytes: %v", n, err)
		}
	}
}

// TestDecodeForPlanHasOneVector: the parameters are there once, in the plan's order.
func TestDecodeForPlanHasOneVector(t *testing.T) {
	plan := testPlan()
	want, params := testSnapshot(t)
	s, got, norm, err := DecodeForPlan(plan, bytes.NewReader(Encode(want)), make([]float32, 0, 7))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(params, got) + cmp.Diff([]float64{3, 4}, norm.SD); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	copied, _, err := OfPlan(plan, s)
	if diff := cmp.Diff(params, copied); err != nil || diff != "" {
		t.Errorf("OfPlan: %v\n%s", err, diff)
	}
	got[0] = 77
	if first, _ := s.Tensor(ModelFolder + plan.Tensors()[0].Name); first.F32[0] != 77 {
		t.Error("the snapshot has a vector of its own")
	}
	again, err := Refit(plan, s)
	if err != nil {
		t.Fatal(err)
	}
	if got[0] = 0; Digest(again) != Digest(want) {
		t.Error("refitted to its plan it is another snapshot")
	}
	if _, reused, _, err := DecodeForPlan(plan, bytes.NewReader(Encode(want)), got); err != nil || &reused[0] != &got[0] || reused[9] != params[9] {
		t.Errorf("into a vector that is there: %v", err)
	}
	other := plan
	other.Model.Hidden = []int{70, 301}
	if _, _, _, err := DecodeForPlan(other, bytes.NewReader(Encode(want)), nil); !errors.Is(err, ErrSnapshot) {
		t.Errorf("of another model: %v", err)
	}
	if _, err := Refit(other, want); !errors.Is(err, ErrSnapshot) {
		t.Errorf("refitted to another model: %v", err)
	}
}

func TestStoreIsPutOfEncode(t *testing.T) {
	s, _ := testSnapshot(t)
	b := storagetest.NewMemory()
	digest, err := Store(t.Context(), b, s)
	if err != nil || digest != Digest(s) {
		t.Fatalf("%s, %v", digest, err)
	}
	if again, err := Put(t.Context(), b, Encode(s)); err != nil || again != digest {
		t.Errorf("put again: %s, %v", again, err)
	}
	got, err := Get(t.Context(), b, digest)
	if err != nil || Digest(got) != digest {
		t.Errorf("get: %v", err)
	}
	s.Tensors[0].F32[3] = float32(infinity())
	if _, err := Store(t.Context(), b, s); !errors.Is(err, ErrSnapshot) {
		t.Errorf("an infinite parameter: %v", err)
	}
}

func infinity() float64 { x := 1e308; return x * 10 }

// TestGetTellsDamageFromNonsense: bytes that are not those of the digest are damage,
// whether or not they are a snapshot.
func TestGetTellsDamageFromNonsense(t *testing.T) {
	s, _ := testSnapshot(t)
	data := Encode(s)
	b := storagetest.NewMemory()
	name := storage.ModelSegment(Digest(s))
	for what, stored := range map[string][]byte{"cut short": data[:len(data)-1], "one byte more": append(bytes.Clone(data), 0),
		"a parameter": append(bytes.Clone(data[:len(data)-1]), data[len(data)-1]^1), "nonsense": []byte("nonsense")} {
		b.Set(name, stored)
		if _, err := Get(t.Context(), b, Digest(s)); !errors.Is(err, storage.ErrDigest) {
			t.Errorf("%s: %v", what, err)
		}
	}
	nonsense := []byte("neither a snapshot nor damaged")
	b.Set(storage.ModelSegment(federation.Sum(nonsense)), nonsense)
	if _, err := Get(t.Context(), b, federation.Sum(nonsense)); !errors.Is(err, ErrSnapshot) {
		t.Errorf("intact nonsense: %v", err)
	}
	b.Set(name, nil)
	if _, err := Get(t.Context(), b, Digest(s)); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
}
