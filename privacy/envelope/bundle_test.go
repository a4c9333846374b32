package envelope

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBundle(t *testing.T) {
	list := [][]byte{[]byte("one"), {}, []byte("three"), bytes.Repeat([]byte{7}, 40000)}
	b := MarshalBundle(list)
	got, err := UnmarshalBundle(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list, got); diff != "" {
		t.Errorf("bundle (-want +got):\n%s", diff)
	}
	read := func(offset, length int64) ([]byte, error) {
		return b[min(offset, int64(len(b))):min(offset+length, int64(len(b)))], nil
	}
	for i, want := range list {
		if e, err := FromBundle(read, i); err != nil || !bytes.Equal(e, want) {
			t.Errorf("envelope %d: %d bytes, %v", i, len(e), err)
		}
	}
	for _, i := range []int{-1, len(list)} {
		if _, err := FromBundle(read, i); !errors.Is(err, ErrBundle) {
			t.Errorf("envelope %d: %v", i, err)
		}
	}
	b = b[:len(b)-1]
	if _, err := FromBundle(read, 3); !errors.Is(err, ErrBundle) {
		t.Errorf("cut short: %v", err)
	}
	if _, err := UnmarshalBundle(b); !errors.Is(err, ErrBundle) {
		t.Errorf("cut short: %v", err)
	}
}

func TestGoldenBundle(t *testing.T) {
	want := "\x01\x02\x00\x02\x00\x00\x00\x00\x00\x00\x00ab"
	if got := string(MarshalBundle([][]byte{[]byte("ab"), nil})); got != want {
		t.Errorf("bundle %q, want %q", got, want)
	}
}

func FuzzUnmarshalBundle(f *testing.F) {
	f.Add(MarshalBundle(nil))
	f.Add(MarshalBundle([][]byte{[]byte("ab"), nil, []byte("c")}))
	f.Add([]byte{1, 1, 0, 255, 255, 255, 255})
	f.Add([]byte{1, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := UnmarshalBundle(b)
		if err != nil {
			if !errors.Is(err, ErrBundle) {
				t.Errorf("error %v is not ErrBundle", err)
			}
			return
		}
		if !bytes.Equal(MarshalBundle(list), b) {
			t.Errorf("%q encodes to %q", b, MarshalBundle(list))
		}
	})
}
