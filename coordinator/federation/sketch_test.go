package federation

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func sketchOf(name string, parts ...[]float32) Sketch {
	k := NewSketcher(name)
	for _, p := range parts {
		k.Add(p)
	}
	return k.Sketch()
}

// TestSketchTellsNearFromFar: the distance of sketches is near to that of the vectors. With 64
// buckets its square is off by √(2/64) = 18 % (one standard deviation); a factor of two either
// way is far beyond 5 of them for each of 100 pairs.
func TestSketchTellsNearFromFar(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 100 {
		a, b := make([]float32, 5000), make([]float32, 5000)
		scale := math.Pow(10, -float64(i%5))
		var apart, norm float64
		for j := range a {
			a[j] = float32(r.NormFloat64())
			b[j] = a[j] + float32(scale*r.NormFloat64())
			apart += float64(b[j]-a[j]) * float64(b[j]-a[j])
			norm += float64(a[j]) * float64(a[j])
		}
		want, got := math.Sqrt(apart/norm), sketchOf("test", a).Distance(sketchOf("test", b))
		if i%5 > 0 && (got < want/2 || got > 2*want) || i%5 == 0 && got < .3 {
			t.Errorf("pair %d: distance %v, want about %v", i, got, want)
		}
	}
}

// TestSketchIsOne: it depends on the values alone, not on how they were handed over; another
// federation draws another.
func TestSketchIsOne(t *testing.T) {
	v := []float32{1, -2, 0, 3.5, 0, 7}
	s := sketchOf("test", v)
	if got := sketchOf("test", v[:2], nil, v[2:]); got != s {
		t.Errorf("in parts it is %v, whole %v", got, s)
	}
	if sketchOf("other", v) == s {
		t.Error("two federations draw the same")
	}
	if got := sketchOf("test", []float32{1, -2, float32(math.Copysign(0, -1)), 3.5, 0, 7}); got != s {
		t.Error("-0 is another parameter than +0")
	}
	if d := s.Distance(s); d != 0 {
		t.Errorf("distance %v from itself", d)
	}
	none := sketchOf("test", make([]float32, 9))
	if none.Distance(none) != 0 || none.Distance(s) != 1 || s.Distance(none) != 1 {
		t.Errorf("distances of nothing: %v %v", none.Distance(none), none.Distance(s))
	}
	big := []float32{math.MaxFloat32, math.MaxFloat32, math.MaxFloat32, math.MaxFloat32, math.MaxFloat32, math.MaxFloat32}
	if d := sketchOf("test", big, big, big, big, big, big, big, big, big, big, big, big).Distance(none); d != 1 {
		t.Errorf("distance %v of the largest values", d)
	}
	text := strings.Repeat("00000000", 63)
	for _, bad := range []string{"", text, text + "7f800000", text + "ffc00000", text + "zz000000"} {
		var s Sketch
		if err := s.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("sketch %.20q… of %d characters is read", bad, len(bad))
		}
	}
	again, err := Decode[Sketch](Encode(s), MaxMessageBytes)
	if err != nil || again != s {
		t.Errorf("read again: %v, %v", again, err)
	}
}

// TestGuard: K = 3, h = 1, so two sums on near versions are of the same hospitals of a group
// or differ by four.
func TestGuard(t *testing.T) {
	c := Charter{MinCohort: 3, MaxHostileMembers: 1, Guard: .001}
	base, near, far := Sketch{0: 1}, Sketch{0: 1, 1: .0005}, Sketch{0: 1, 1: .01}
	group := func(s string) (ids []HospitalID) {
		for _, r := range s {
			ids = append(ids, HospitalID(r))
		}
		return ids
	}
	set := func(groups string) (list [][]HospitalID) {
		for g := range strings.SplitSeq(groups, " ") {
			list = append(list, group(g))
		}
		return list
	}
	first := Opened{Manifest: Sum([]byte("1")), Kind: Train, Set: set("ABCDE FGHIJ"), Sketch: &base}
	for _, x := range []struct {
		name   string
		set    string
		kind   RoundKind
		sketch *Sketch
		met    bool
	}{
		{"the same", "ABCDE FGHIJ", Train, &near, false},
		{"without one", "ABCD FGHIJ", Train, &near, true},
		{"without one, on the same base", "ABCD FGHIJ", Train, &base, true},
		{"with one more", "ABCDE FGHIJK", Train, &near, true},
		{"one for another", "ABCDX FGHIJ", Train, &near, true},
		{"three others in each", "ABCDEXYZ FGHIJUVW", Train, &near, true},
		{"four others", "ABCDEWXYZ FGHIJ", Train, &near, false},
		{"a group is left out", "ABCDE ", Train, &near, false},
		{"a group is left out, and one of the other", "ABCD ", Train, &near, true},
		{"far", "ABCD FGHIJ", Train, &far, false},
		{"another kind", "ABCD FGHIJ", Evaluate, &near, false},
		{"no sketch", "ABCD FGHIJ", Train, nil, false},
	} {
		next := Opened{Manifest: Sum([]byte("2")), Kind: x.kind, Set: set(x.set), Sketch: x.sketch}
		if err := c.CheckGuard([]Opened{first}, next); (err != nil) != x.met {
			t.Errorf("%s: %v", x.name, err)
		}
		off := c
		off.Guard = 0
		if err := off.CheckGuard([]Opened{first}, next); err != nil {
			t.Errorf("%s, without a guard: %v", x.name, err)
		}
	}
	var list []Opened
	for i := range 2 * MaxOpened {
		list = Remember(list, Opened{Manifest: Sum(fmt.Append(nil, i))})
	}
	if len(list) != MaxOpened || list[MaxOpened-1].Manifest != Sum(fmt.Append(nil, 2*MaxOpened-1)) {
		t.Errorf("%d are remembered", len(list))
	}
}

func BenchmarkSketch(b *testing.B) {
	v := make([]float32, 1<<20)
	b.SetBytes(int64(4 * len(v)))
	for b.Loop() {
		sketchOf("test", v)
	}
}
