package fixedpoint

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func contains(err error, s string) bool { return err != nil && strings.Contains(err.Error(), s) }

// naivePack is Pack's twin for one coefficient: sum of field<<(offset+i*width).
func naivePack(g Packing, fields []uint32) *big.Int {
	sum := new(big.Int)
	for i, f := range fields {
		v := new(big.Int).SetUint64(uint64(f))
		sum.Or(sum, v.Lsh(v, uint(g.Offset+i*g.Width)))
	}
	return sum
}

// words returns room for count coefficients, filled with rubbish.
func words(count int) (w [3][]uint64) {
	for i := range w {
		w[i] = make([]uint64, count)
		for j := range w[i] {
			w[i][j] = ^uint64(0)
		}
	}
	return w
}

func toBig(g Packing, w *[3][]uint64, i int) *big.Int {
	v := new(big.Int)
	for j := 2; j >= 0; j-- {
		v.Lsh(v, uint(g.WordBits)).Add(v, new(big.Int).SetUint64(w[j][i]))
	}
	return v
}

func setBig(g Packing, w *[3][]uint64, i int, v *big.Int) {
	mask := new(big.Int).SetUint64(^uint64(0) >> (64 - g.WordBits))
	for j := range w {
		w[j][i] = new(big.Int).And(new(big.Int).Rsh(v, uint(g.WordBits*j)), mask).Uint64()
	}
}

func TestPackAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 11))
	for width := 1; width <= 62; width++ {
		for range 100 {
			g := Packing{Width: width, WordBits: width + rng.IntN(65-width)}
			g.Offset = rng.IntN(3*g.WordBits - width + 1)
			g.PerCoefficient = 1 + rng.IntN((3*g.WordBits-g.Offset)/width)
			fields := make([]uint32, 1+rng.IntN(3*g.PerCoefficient))
			want := make([]uint64, len(fields))
			for i := range fields {
				fields[i] = uint32(rng.Uint64() & (1<<min(width, 32) - 1))
				want[i] = uint64(fields[i])
			}
			count := g.Coefficients(len(fields))
			w := words(count + 1)
			g.Pack(&w, fields)
			for i := range count {
				own := fields[i*g.PerCoefficient : min((i+1)*g.PerCoefficient, len(fields))]
				if naive := naivePack(g, own); naive.Cmp(toBig(g, &w, i)) != 0 {
					t.Fatalf("%+v: coefficient %d of %v is %v, want %v", g, i, fields, toBig(g, &w, i), naive)
				}
			}
			got := make([]uint64, len(fields))
			largest := slices.Max(want)
			if !g.Unpack(got, &w, largest) {
				t.Fatalf("%+v: %v not at most %d", g, want, largest)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%+v: (-want +got):\n%s", g, diff)
			}
			if largest > 0 && g.Unpack(got, &w, largest-1) {
				t.Fatalf("%+v: %v at most %d", g, want, largest-1)
			}
		}
	}
}

// TestPackedSumsStayApart adds the packed numbers of a full group of the
// largest fields: no field reaches its neighbour.
func TestPackedSumsStayApart(t *testing.T) {
	for _, bits := range []int{8, 16, 24, 32} {
		for _, group := range []int{2, 3, 10, 128, 129, 1170} {
			g := Packing{Width: Width(bits, group), Offset: 11, WordBits: 64}
			g.PerCoefficient = (192 - 11) / g.Width
			fields := make([]uint32, g.PerCoefficient)
			for i := range fields {
				fields[i] = uint32(Max(bits))
			}
			total := new(big.Int).Mul(naivePack(g, fields), big.NewInt(int64(group)))
			sum, got := words(1), make([]uint64, len(fields))
			setBig(g, &sum, 0, total)
			if !g.Unpack(got, &sum, uint64(group)*Max(bits)) {
				t.Fatalf("%d bits, group %d: a field is too large in %v", bits, group, got)
			}
			for i, u := range got {
				if u != uint64(group)*Max(bits) {
					t.Fatalf("%d bits, group %d: field %d sums to %d", bits, group, i, u)
				}
			}
		}
	}
}

func TestPackDoesNotAllocate(t *testing.T) {
	g := Packing{PerCoefficient: 6, Width: 20, Offset: 11, WordBits: 62}
	fields, out, w := make([]uint32, 60), make([]uint64, 60), words(10)
	if n := testing.AllocsPerRun(100, func() { g.Pack(&w, fields); g.Unpack(out, &w, 5) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPackPanics(t *testing.T) {
	for name, g := range map[string]Packing{
		"too long":         {PerCoefficient: 10, Width: 20, WordBits: 62},
		"too long with it": {PerCoefficient: 9, Width: 20, Offset: 13, WordBits: 64},
		"no fields":        {Width: 20, WordBits: 62},
		"no width":         {PerCoefficient: 1, WordBits: 62},
		"wide":             {PerCoefficient: 1, Width: 64, WordBits: 64},
		"wider than words": {PerCoefficient: 1, Width: 20, WordBits: 19},
		"long words":       {PerCoefficient: 1, Width: 20, WordBits: 65},
		"negative offset":  {PerCoefficient: 1, Width: 20, Offset: -1, WordBits: 64},
		"no room":          {PerCoefficient: 3, Width: 20, WordBits: 64},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not panic", name)
				}
			}()
			w := words(3)
			g.Pack(&w, make([]uint32, 10))
		}()
	}
}

// BenchmarkPack packs and unpacks the fields of 512 coefficients.
func BenchmarkPack(b *testing.B) {
	for name, g := range map[string]Packing{
		"10x16":  {PerCoefficient: 6, Width: 20, Offset: 11, WordBits: 62},
		"128x16": {PerCoefficient: 5, Width: 23, Offset: 14, WordBits: 62},
		"10x8":   {PerCoefficient: 11, Width: 12, Offset: 11, WordBits: 62},
	} {
		fields, out, w := make([]uint32, 512*g.PerCoefficient), make([]uint64, 512*g.PerCoefficient), words(512)
		perField := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(fields)), "ns/field")
		}
		b.Run("pack/"+name, func(b *testing.B) {
			for b.Loop() {
				g.Pack(&w, fields)
			}
			perField(b)
		})
		b.Run("unpack/"+name, func(b *testing.B) {
			for b.Loop() {
				g.Unpack(out, &w, 1<<20)
			}
			perField(b)
		})
	}
}
