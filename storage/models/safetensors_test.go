package models

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

// file builds a safetensors file by hand.
func file(header string, data string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// TestGoldenSnapshot spells out the whole file of a small snapshot.
func TestGoldenSnapshot(t *testing.T) {
	s := Snapshot{
		Tensors: []Tensor{
			{Name: "model/b", Shape: []int{1}, F32: []float32{-2}},
			{Name: "model/a", Shape: []int{1, 2}, F32: []float32{1, 0.5}},
			{Name: "preprocessing/mean", F64: []float64{1}},
		},
		Metadata: map[string]string{"label": "disease", "classes": `["a","b"]`},
	}
	header := `{"__metadata__":{"classes":"[\"a\",\"b\"]","label":"disease"},` +
		`"preprocessing/mean":{"dtype":"F64","shape":[],"data_offsets":[0,8]},` +
		`"model/a":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},` +
		`"model/b":{"dtype":"F32","shape":[1],"data_offsets":[16,20]}}`
	header += strings.Repeat(" ", -len(header)&7)
	want := file(header, "\x00\x00\x00\x00\x00\x00\xf0\x3f"+"\x00\x00\x80\x3f\x00\x00\x00\x3f"+"\x00\x00\x00\xc0")
	if diff := cmp.Diff(string(want), string(Encode(s))); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if got, want := Digest(sample()).String(), "faf7ab128b0c04905e0d3bad64cfa5fa989649cf5a9fdded9c32f6a4bef55a85"; got != want {
		t.Errorf("digest of the sample %s, want %s", got, want)
	}
	if got := string(Encode(Snapshot{})); got != "\x08\x00\x00\x00\x00\x00\x00\x00{}      " {
		t.Errorf("empty snapshot %q", got)
	}
}

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	b := Encode(sample())
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Snapshot{Tensors: canonicalOrder(sample().Tensors), Metadata: sample().Metadata}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	if !bytes.Equal(Encode(got), b) {
		t.Error("the decoded snapshot encodes to other bytes")
	}
}

// TestDataIsAligned: readers map the file and view the data in place.
func TestDataIsAligned(t *testing.T) {
	s := Snapshot{Tensors: []Tensor{{Name: "a", F32: []float32{1}}, {Name: "b", F64: []float64{1}}, {Name: "c", F32: []float32{1}}}}
	b := Encode(s)
	n := binary.LittleEndian.Uint64(b)
	_, entries, err := decodeHeader(b[8 : 8+n])
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		width := map[string]int{"F32": 4, "F64": 8}[e.Dtype]
		if (8+int(n)+e.Offsets[0])%width != 0 {
			t.Errorf("a tensor of %s lies at offset %d", e.Dtype, 8+int(n)+e.Offsets[0])
		}
	}
}

func TestDecodeRefusesOtherFiles(t *testing.T) {
	const (
		a  = `"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`
		b  = `"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}`
		xs = "\x00\x00\x80\x3f"
	)
	pad := func(header string) string { return header + strings.Repeat(" ", -len(header)&7) }
	if _, err := Decode(file(pad("{"+a+","+b+"}"), xs+xs)); err != nil {
		t.Fatalf("the file that the cases below change: %v", err)
	}
	for name, bad := range map[string][]byte{
		"empty":             nil,
		"no header":         file("", ""),
		"header length":     append(bytes.Repeat([]byte{0xFF}, 8), "{}"...),
		"header too long":   file(strings.Repeat(" ", MaxHeaderBytes+8), ""),
		"not JSON":          file(pad("{"+a), xs),
		"not an object":     file(pad("[]"), ""),
		"trailing data":     file(pad("{"+a+"}"), xs+"\x00"),
		"missing data":      file(pad("{"+a+"}"), xs[1:]),
		"no padding":        file("{"+a+"}", xs),
		"space inside":      file(pad("{ "+a+"}"), xs),
		"order":             file(pad("{"+b+","+a+"}"), xs+xs),
		"name order":        file(pad(`{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`), xs+xs),
		"twice":             file(pad("{"+a+","+a+"}"), xs),
		"overlap":           file(pad("{"+a+`,"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`), xs+xs),
		"hole":              file(pad("{"+a+`,"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`), xs+xs+xs),
		"gap covered":       file(pad("{"+a+`,"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`), xs+xs),
		"negative offset":   file(pad(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`), xs),
		"huge shape":        file(pad(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}`), xs),
		"zero shape":        file(pad(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`), ""),
		"null shape":        file(pad(`{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}`), xs),
		"other type":        file(pad(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`), xs),
		"lower-case key":    file(pad(`{"a":{"Dtype":"F32","shape":[1],"data_offsets":[0,4]}}`), xs),
		"key order":         file(pad(`{"a":{"shape":[1],"dtype":"F32","data_offsets":[0,4]}}`), xs),
		"unknown key":       file(pad(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}`), xs),
		"NaN":               file(pad("{"+a+"}"), "\x00\x00\xc0\x7f"),
		"empty metadata":    file(pad(`{"__metadata__":{}}`), ""),
		"null metadata":     file(pad(`{"__metadata__":{"a":null}}`), ""),
		"metadata last":     file(pad("{"+a+`,"__metadata__":{"k":"v"}}`), xs),
		"metadata number":   file(pad(`{"__metadata__":{"a":1}}`), ""),
		"metadata unsorted": file(pad(`{"__metadata__":{"b":"","a":""}}`), ""),
		"escaped name":      file(pad(`{"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`), xs),
	} {
		if s, err := Decode(bad); !errors.Is(err, ErrSnapshot) || s.Tensors != nil {
			t.Errorf("%s: %d tensors, error %v, want ErrSnapshot", name, len(s.Tensors), err)
		}
	}
}

// TestEveryChangedByteShows: no two files decode to one snapshot.
func TestEveryChangedByteShows(t *testing.T) {
	b := Encode(sample())
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		if s, err := Decode(bad); err == nil && Digest(s) == federation.Sum(b) {
			t.Errorf("byte %d changed, and the snapshot is the same", i)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(sample()))
	f.Add(Encode(Snapshot{}))
	f.Add(Encode(Snapshot{Tensors: []Tensor{{Name: "a", F32: []float32{1}}}}))
	f.Add(Encode(Snapshot{Metadata: map[string]string{"a<": "\u2028"}}))
	f.Add(file(`{"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]}}   `, "abcdefghijkl"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrSnapshot) {
				t.Errorf("error %v is not ErrSnapshot", err)
			}
			return
		}
		if !bytes.Equal(Encode(s), b) {
			t.Errorf("decoded %q encodes to %q", b, Encode(s))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := Encode(Snapshot{Tensors: []Tensor{{Name: "model/weight", Shape: []int{1000, 1000}, F32: make([]float32, 1e6)}}})
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
