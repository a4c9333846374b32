package fixedpoint

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	good := func() Format {
		return Format{Bits: 16, Segments: []Segment{
			{Name: "w", Count: 3, Encoding: Signed, Clip: 2},
			{Name: "p", Count: 2, Encoding: Unit, Clip: 1},
			{Name: "n", Count: 1, Encoding: Count},
		}}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	if got := good().Count(); got != 6 {
		t.Errorf("Count() = %d, want 6", got)
	}
	tests := map[string]func(f *Format){
		"bits 0":             func(f *Format) { f.Bits = 0 },
		"bits 12":            func(f *Format) { f.Bits = 12 },
		"bits 64":            func(f *Format) { f.Bits = 64 },
		"no segments":        func(f *Format) { f.Segments = nil },
		"too many segments":  func(f *Format) { f.Segments = make([]Segment, MaxSegments+1) },
		"empty name":         func(f *Format) { f.Segments[1].Name = "" },
		"long name":          func(f *Format) { f.Segments[1].Name = strings.Repeat("x", MaxName+1) },
		"same name":          func(f *Format) { f.Segments[1].Name = "w" },
		"count 0":            func(f *Format) { f.Segments[0].Count = 0 },
		"count negative":     func(f *Format) { f.Segments[0].Count = -1 },
		"count over limit":   func(f *Format) { f.Segments[0].Count = MaxFields },
		"count overflow":     func(f *Format) { f.Segments[0].Count = math.MaxInt },
		"signed clip 0":      func(f *Format) { f.Segments[0].Clip = 0 },
		"signed clip -1":     func(f *Format) { f.Segments[0].Clip = -1 },
		"unit clip NaN":      func(f *Format) { f.Segments[1].Clip = math.NaN() },
		"unit clip infinite": func(f *Format) { f.Segments[1].Clip = math.Inf(1) },
		"unit clip tiny":     func(f *Format) { f.Segments[1].Clip = 1e-40 },
		"count clip 1":       func(f *Format) { f.Segments[2].Clip = 1 },
		"count clip -0":      func(f *Format) { f.Segments[2].Clip = math.Copysign(0, -1) },
		"unknown encoding":   func(f *Format) { f.Segments[0].Encoding = "float" },
	}
	for name, spoil := range tests {
		f := good()
		spoil(&f)
		if err := f.Validate(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: error %v, want ErrFormat", name, err)
		}
	}
}

func TestWidthNeverOverflows(t *testing.T) {
	for _, bits := range []int{8, 16, 24, 32} {
		for group := 1; group <= 1200; group++ {
			w := Width(bits, group)
			if sum := uint64(group) * Max(bits); sum >= 1<<w {
				t.Fatalf("Width(%d, %d) = %d, but the largest sum is %d", bits, group, w, sum)
			}
			if group > 1 && uint64(group)<<bits <= 1<<(w-1) {
				t.Fatalf("Width(%d, %d) = %d, one bit too many", bits, group, w)
			}
		}
	}
}
