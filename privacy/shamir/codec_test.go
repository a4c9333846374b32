package shamir

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMarshalGolden(t *testing.T) {
	got := Marshal([]uint16{0, 1, 0x1234, P - 1})
	want := []byte{1, 0, 0, 1, 0, 0x34, 0x12, 0xf0, 0xff}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	back, err := Unmarshal(got, 4)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint16{0, 1, 0x1234, P - 1}, back); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	tests := map[string]struct {
		b []byte
		n int
	}{
		"empty":      {nil, 0},
		"version":    {[]byte{2, 0, 0}, 1},
		"short":      {[]byte{1, 0}, 1},
		"long":       {[]byte{1, 0, 0, 0}, 1},
		"element":    {[]byte{1, 0xf1, 0xff}, 1},
		"negative n": {[]byte{1}, -1},
		"huge n":     {make([]byte, EncodedSize(MaxLength+1)), MaxLength + 1},
	}
	for name, tt := range tests {
		if _, err := Unmarshal(tt.b, tt.n); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: error %v, want ErrEncoding", name, err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte{1})
	f.Add([]byte{1, 0xf0, 0xff, 3, 4})
	f.Add([]byte{1, 0xf1, 0xff})
	f.Add([]byte{2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		share, err := Unmarshal(b, (len(b)-1)/2)
		if err != nil {
			return
		}
		if !bytes.Equal(Marshal(share), b) {
			t.Errorf("%x decodes and re-encodes to %x", b, Marshal(share))
		}
	})
}
