package external

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/storage/models"
)

func TestLongRefusalsAreCut(t *testing.T) {
	r, err := decodeReply([]byte(`{"id":1,"error":"` + strings.Repeat("é", MaxError) + `"}`))
	if err != nil || len(r.Error) > MaxError+len("…") || !strings.HasSuffix(r.Error, "é…") {
		t.Errorf("%d bytes, %v", len(r.Error), err)
	}
}

func FuzzDecodeReply(f *testing.F) {
	loss := 0.25
	for _, r := range []reply{{ID: 1, Protocol: 1, Tensors: plan().Tensors(), Correction: true}, {ID: 2, Loss: &loss}, {ID: 3, Error: "no"}} {
		f.Add(federation.Encode(r))
	}
	f.Add([]byte(`{"id":1}{"id":2}`))
	f.Add([]byte(`{"id":1,"loss":NaN}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := decodeReply(line)
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("unnamed refusal: %v", err)
			}
			return
		}
		first := federation.Encode(r)
		again, err := decodeReply(first)
		if err != nil || !bytes.Equal(federation.Encode(again), first) {
			t.Errorf("%q is read as %s and then as %s, %v", line, first, federation.Encode(again), err)
		}
	})
}

// FuzzReadParameters: whatever the program writes, what is taken is the plan's tensors.
func FuzzReadParameters(f *testing.F) {
	file := func(tensors ...models.Tensor) { f.Add(models.Encode(models.Snapshot{Tensors: tensors})) }
	weight, bias := models.Tensor{Name: "weight", Shape: []int{3}, F32: []float32{1, 2, 3}}, models.Tensor{Name: "bias", Shape: []int{1}, F32: []float32{4}}
	file(weight, bias)
	file(weight)
	file(weight, models.Tensor{Name: "bias", Shape: []int{1}, F64: []float64{4}})
	want := plan().Tensors()
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, resultFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := openDirectory(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		params, err := d.readParameters(want)
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("unnamed refusal: %v", err)
			}
			return
		}
		s, err := models.Decode(b)
		if err != nil {
			t.Fatalf("what Decode refuses is taken: %v", err)
		}
		if s.Metadata == nil && !bytes.Equal(models.Encode(models.Snapshot{Tensors: parts(plan(), params)}), b) {
			t.Errorf("%v is not all of the file", params)
		}
	})
}
