package fixedpoint

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// word is a source that repeats one word.
type word uint64

func (w word) Uint64() uint64 { return uint64(w) }

const (
	roundUp   = word(0)
	roundDown = word(math.MaxUint64)
)

func one(bits int, e Encoding, clip float64) Format {
	return Format{Bits: bits, Segments: []Segment{{Name: "x", Count: 1, Encoding: e, Clip: clip}}}
}

func TestQuantiseExactPoints(t *testing.T) {
	tests := []struct {
		bits      int
		encoding  Encoding
		clip, x   float64
		field     uint32
		saturated int
	}{
		{16, Signed, 2, 0, 32767, 0},
		{16, Signed, 2, math.Copysign(0, -1), 32767, 0},
		{16, Signed, 2, 2, 65534, 0},
		{16, Signed, 2, -2, 0, 0},
		{16, Signed, 2, 2.5, 65534, 1},
		{16, Signed, 2, -1e300, 0, 1},
		{32, Signed, 1, 1, math.MaxUint32 - 1, 0},
		{8, Unit, 3, 0, 0, 0},
		{8, Unit, 3, 3, 255, 0},
		{8, Unit, 3, -0.1, 0, 1},
		{32, Unit, 1, 7, math.MaxUint32, 1},
		{16, Count, 0, 1234, 1234, 0},
		{16, Count, 0, 65536, 65535, 1},
		{16, Count, 0, -1, 0, 1},
		{32, Count, 0, math.MaxUint32, math.MaxUint32, 0},
	}
	for _, tt := range tests {
		for _, source := range []word{roundUp, roundDown} {
			dst := make([]uint32, 1)
			saturated, err := one(tt.bits, tt.encoding, tt.clip).Quantise(dst, []float64{tt.x}, source)
			if err != nil || dst[0] != tt.field || saturated != tt.saturated {
				t.Errorf("%d bits %s clip %v: Quantise(%v) = %d, saturated %d, error %v; want %d, %d",
					tt.bits, tt.encoding, tt.clip, tt.x, dst[0], saturated, err, tt.field, tt.saturated)
			}
		}
	}
}

func TestQuantiseRefusesNotFinite(t *testing.T) {
	f := Format{Bits: 8, Segments: []Segment{{"a", 1, Unit, 1}, {"b", 2, Signed, 1}}}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := f.Quantise(make([]uint32, 3), []float64{0, 0, bad}, roundUp)
		if !errors.Is(err, ErrNotFinite) {
			t.Fatalf("Quantise(%v): error %v, want ErrNotFinite", bad, err)
		}
		if want := `segment "b" index 1`; !contains(err, want) {
			t.Errorf("error %q does not name %s", err, want)
		}
	}
	if _, err := f.Quantise(make([]uint32, 3), make([]float64, 2), roundUp); !errors.Is(err, ErrLength) {
		t.Errorf("two values: error %v, want ErrLength", err)
	}
}

// TestQuantiseAgainstRationals compares with exact rational arithmetic: the
// field is the floor or the ceiling of the exact scaled value, up to the two
// float64 roundings of x/Clip*levels.
func TestQuantiseAgainstRationals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		bits := 8 * (1 + rng.IntN(4))
		e := []Encoding{Signed, Unit, Count}[rng.IntN(3)]
		clip := math.Exp(rng.NormFloat64() * 3)
		if e == Count {
			clip = 0
		}
		f := one(bits, e, clip)
		low, high, scale, offset := f.Segments[0].levels(bits)
		x := low + rng.Float64()*(high-low)
		exact := new(big.Rat).SetFloat64(x)
		if e != Count {
			exact.Quo(exact, new(big.Rat).SetFloat64(clip))
		}
		exact.Mul(exact, new(big.Rat).SetFloat64(scale))
		exact.Add(exact, new(big.Rat).SetInt64(offset))
		want, _ := exact.Float64()
		var dst [1]uint32
		for source, edge := range map[word]float64{roundUp: math.Ceil(want), roundDown: math.Floor(want)} {
			if _, err := f.Quantise(dst[:], []float64{x}, source); err != nil {
				t.Fatal(err)
			}
			if math.Abs(float64(dst[0])-edge) > 1e-5 && math.Abs(want-math.Round(want)) > 1e-5 {
				t.Fatalf("%d bits %s: field of %v is %d, exact %v", bits, e, x, dst[0], want)
			}
		}
	}
}

// TestRoundingIsUnbiased draws 2^16 fields of each of 24 values. The mean of
// a Bernoulli fraction lies beyond 5.1 standard errors with probability
// 3.4e-7, so the test alarms falsely with probability below 1e-5.
func TestRoundingIsUnbiased(t *testing.T) {
	const draws = 1 << 16
	rounding := NewRounding([32]byte{7})
	rng := rand.New(rand.NewPCG(3, 4))
	for range 24 {
		x := rng.Float64()*2 - 1
		f := Format{Bits: 8, Segments: []Segment{{"x", draws, Signed, 1}}}
		in, out := make([]float64, draws), make([]uint32, draws)
		for i := range in {
			in[i] = x
		}
		if _, err := f.Quantise(out, in, rounding); err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, u := range out {
			sum += float64(u)
		}
		exact := x*127 + 127
		p := exact - math.Floor(exact)
		stderr := math.Sqrt(p*(1-p)/draws) + 1e-9
		if z := (sum/draws - exact) / stderr; math.Abs(z) > 5.1 {
			t.Errorf("mean field of %v is %v, want %v: %v standard errors", x, sum/draws, exact, z)
		}
	}
}

func TestDequantiseAgainstRationals(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		bits, n := 8*(1+rng.IntN(4)), 1+rng.IntN(1200)
		sum := rng.Uint64N(uint64(n)*Max(bits) + 1)
		clip := math.Exp(rng.NormFloat64() * 3)
		for _, e := range []Encoding{Signed, Unit, Count} {
			if e == Count {
				clip = 0
			}
			f := one(bits, e, clip)
			var got [1]float64
			if err := f.Dequantise(got[:], []uint64{sum}, n); err != nil {
				t.Fatal(err)
			}
			want := exactDequantised(f, sum, n)
			if math.Abs(got[0]-want) > math.Abs(want)*4e-16 {
				t.Fatalf("%d bits %s: Dequantise(%d, n=%d) = %v, want %v", bits, e, sum, n, got[0], want)
			}
		}
	}
}

func exactDequantised(f Format, sum uint64, n int) float64 {
	s := f.Segments[0]
	_, _, scale, offset := s.levels(f.Bits)
	v := new(big.Rat).SetInt(new(big.Int).SetUint64(sum))
	v.Sub(v, new(big.Rat).SetInt64(offset*int64(n)))
	if s.Encoding != Count {
		v.Quo(v, new(big.Rat).SetFloat64(scale))
		v.Mul(v, new(big.Rat).SetFloat64(s.Clip))
	}
	want, _ := v.Float64()
	return want
}

// TestDequantiseGolden pins bits that every architecture must produce.
func TestDequantiseGolden(t *testing.T) {
	f := Format{Bits: 16, Segments: []Segment{{"w", 3, Signed, 0.3}, {"p", 1, Unit, 0.7}, {"n", 1, Count, 0}}}
	got := make([]float64, 5)
	if err := f.Dequantise(got, []uint64{98301, 12345, 150000, 99999, 321}, 3); err != nil {
		t.Fatal(err)
	}
	want := []float64{0, -0.7869747001556444, 0.4733329264198736, 1.0681208514534217, 321}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDequantiseRefuses(t *testing.T) {
	f := Format{Bits: 8, Segments: []Segment{{"a", 1, Unit, 1}, {"b", 2, Count, 0}}}
	dst := []float64{9, 9, 9}
	if err := f.Dequantise(dst, []uint64{510, 510, 511}, 2); !errors.Is(err, ErrSum) || !contains(err, `segment "b" index 1`) {
		t.Errorf("field above n*255: error %v", err)
	}
	if diff := cmp.Diff([]float64{9, 9, 9}, dst); diff != "" {
		t.Errorf("refused sum was written: %s", diff)
	}
	if err := f.Dequantise(dst, []uint64{1, 2}, 2); !errors.Is(err, ErrLength) {
		t.Errorf("short sum: error %v", err)
	}
	for _, n := range []int{-1, 0, MaxSummands + 1} {
		if err := f.Dequantise(dst, []uint64{0, 0, 0}, n); !errors.Is(err, ErrSum) {
			t.Errorf("n = %d: error %v", n, err)
		}
	}
}

// TestCountsAddExactly sums random counts of several hospitals.
func TestCountsAddExactly(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	const n, fields = 40, 50
	f := Format{Bits: 32, Segments: []Segment{{"n", fields, Count, 0}}}
	want, sum := make([]float64, fields), make([]uint64, fields)
	for h := range n {
		x, dst := make([]float64, fields), make([]uint32, fields)
		for i := range x {
			x[i] = float64(rng.Uint32())
			want[i] += x[i]
		}
		if saturated, err := f.Quantise(dst, x, NewRounding([32]byte{byte(h)})); err != nil || saturated != 0 {
			t.Fatalf("saturated %d, error %v", saturated, err)
		}
		for i, u := range dst {
			sum[i] += uint64(u)
		}
	}
	got := make([]float64, fields)
	if err := f.Dequantise(got, sum, n); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRoundingIsDeterministic(t *testing.T) {
	r := NewRounding([32]byte([]byte("chacha8: 32-byte seed for golden")))
	got := []uint64{r.Uint64(), r.Uint64(), r.Uint64()}
	want := []uint64{16590235338622824240, 5683383949868155284, 88409809192098765} // as openssl enc -aes-256-ctr gives
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkQuantise(b *testing.B) {
	const n = 1 << 20
	f := Format{Bits: 16, Segments: []Segment{{"x", n, Signed, 1}}}
	x, dst := make([]float64, n), make([]uint32, n)
	for i := range x {
		x[i] = math.Sin(float64(i))
	}
	r := NewRounding([32]byte{1})
	for b.Loop() {
		if _, err := f.Quantise(dst, x, r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N)*1e6/n, "ms/Mparam")
}

// TestRoundStochasticIsTheComparison: the arithmetic without a branch says what the plain
// comparison of reals says, also where the product is no whole number or nothing at all.
func TestRoundStochasticIsTheComparison(t *testing.T) {
	r := NewRounding([32]byte{9})
	values := []float64{0, math.Copysign(0, -1), 1, -1, 0.5, -0.5, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64,
		1 - 0x1p-53, 0x1p-54, 0x1.8p-53, -0x1p-60, 32767, -32767, 32766.999999999996, 1 << 31}
	for range 20_000 {
		values = append(values, float64(int64(r.Uint64())>>40)/float64(r.Uint64()>>32+1))
	}
	for _, v := range values {
		for _, word := range []uint64{0, 1 << 11, 3 << 11, math.MaxUint64, r.Uint64()} {
			want := int64(math.Floor(v))
			if float64(word>>11) < (v-math.Floor(v))*(1<<53) {
				want++
			}
			if got := roundStochastic(v, word); got != want {
				t.Fatalf("%v with word %x rounds to %d, want %d", v, word, got, want)
			}
		}
	}
}
