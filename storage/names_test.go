package storage

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	long := strings.Repeat("a", MaxElement)
	for _, name := range []string{"a", "checkpoint", "tile/0/x001/234.p/5", "a_b-c.d/0", long, long + "/" + long} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "/", "a/", "/a", "a//b", ".", "..", "a/..", "../a", "a/.b", "A", "a b", "a\\b", "a\n", "ü",
		long + "a", strings.Repeat("a/", MaxName/2) + "a"} {
		if err := CheckName(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestCheckPrefix(t *testing.T) {
	for _, prefix := range []string{"", "a", "a/", "tile/0/00"} {
		if err := CheckPrefix(prefix); err != nil {
			t.Errorf("%q: %v", prefix, err)
		}
	}
	for _, prefix := range []string{"/", "a//", "..", "a/.", "a/../"} {
		if err := CheckPrefix(prefix); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

func TestLayout(t *testing.T) {
	d := [32]byte{0xab, 0xcd}
	h := "abcd" + strings.Repeat("00", 30)
	segment, err := UpdateSegment(d, "h-abc", [32]byte{1}, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want string }{
		{Batch(0), "log/000000000000"},
		{Batch(123456789012), "log/123456789012"},
		{Tile(0, 0, 256), "tile/0/000"},
		{Tile(0, 0, 1), "tile/0/000.p/1"},
		{Tile(1, 999, 256), "tile/1/999"},
		{Tile(2, 1000, 256), "tile/2/x001/000"},
		{Tile(3, 1234067, 255), "tile/3/x001/x234/067.p/255"},
		{EntryBundle(1234067, 256), "tile/entries/x001/x234/067"},
		{EntryBundle(0, 17), "tile/entries/000.p/17"},
		{Blob(d), "blob/ab/" + h},
		{ModelSegment(d), "models/" + h},
		{segment, "rounds/" + h + "/h-abc/01" + strings.Repeat("00", 31) + "/000007"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
		if err := CheckName(c.got); err != nil {
			t.Error(err)
		}
	}
	for _, hospital := range []string{"", "a/b", "..", "H"} {
		if _, err := UpdateSegment(d, hospital, d, 0); !errors.Is(err, ErrName) {
			t.Errorf("hospital %q: %v", hospital, err)
		}
	}
	if _, err := UpdateSegment(d, "h", d, -1); !errors.Is(err, ErrName) {
		t.Errorf("segment -1: %v", err)
	}
}

func TestLayoutPanics(t *testing.T) {
	for what, f := range map[string]func(){
		"batch -1": func() { Batch(-1) }, "batch 10^12": func() { Batch(1e12) }, "tile width 0": func() { Tile(0, 0, 0) },
		"tile width 257": func() { Tile(0, 0, 257) }, "level 64": func() { Tile(64, 0, 1) }, "bundle -1": func() { EntryBundle(-1, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", what)
				}
			}()
			f()
		}()
	}
}

func TestPermanent(t *testing.T) {
	segment, err := UpdateSegment([32]byte{}, "h-abc", [32]byte{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	envelopes, err := Envelopes([32]byte{}, "h-abc")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		Batch(0): true, Tile(0, 0, 1): true, EntryBundle(0, 1): true, Blob([32]byte{}): true, ModelSegment([32]byte{}): true, Card(1): true,
		Checkpoint: false, segment: false, envelopes: false, "lease": false, "channels/general": false, "logs": false,
	} {
		if Permanent(name) != want {
			t.Errorf("Permanent(%q) is not %t", name, want)
		}
	}
}
