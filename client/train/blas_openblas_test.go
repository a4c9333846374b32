//go:build openblas

package train

import (
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// TestOpenBLASIsGonum: every form of a product, and matrices within larger ones, give what
// gonum's Go code gives, but for the last bits.
func TestOpenBLASIsGonum(t *testing.T) {
	if !strings.HasPrefix(BLAS(), "OpenBLAS ") {
		t.Errorf("linked is %q", BLAS())
	}
	rng := rand.New(rand.NewPCG(52, 0))
	random := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	for _, size := range [][3]int{{1, 1, 1}, {5, 7, 3}, {40, 33, 20}, {600, 500, 450}} { // the last on all processors
		for _, ta := range []blas.Transpose{blas.NoTrans, blas.Trans} {
			for _, tb := range []blas.Transpose{blas.NoTrans, blas.ConjTrans} {
				m, n, k := size[0], size[1], size[2]
				wide := max(m, n, k) + 3
				a, b, c := random(wide*wide), random(wide*wide), random(wide*wide)
				want := append([]float32(nil), c...)
				gonum.Implementation{}.Sgemm(ta, tb, m, n, k, 0.5, a, wide, b, wide, -2, want, wide)
				openBLAS{}.Sgemm(ta, tb, m, n, k, 0.5, a, wide, b, wide, -2, c, wide)
				near(t, "product", widen(c), widen(want), 1e-3)
			}
		}
	}
}

// TestOpenBLASRefuses what C would read or write beyond.
func TestOpenBLASRefuses(t *testing.T) {
	full := make([]float32, 6)
	for name, call := range map[string]func(){
		"a":      func() { openBLAS{}.Sgemm(blas.NoTrans, blas.NoTrans, 2, 2, 3, 1, full[:5], 3, full, 2, 0, full, 2) },
		"b":      func() { openBLAS{}.Sgemm(blas.NoTrans, blas.NoTrans, 2, 2, 3, 1, full, 3, full[:5], 2, 0, full, 2) },
		"c":      func() { openBLAS{}.Sgemm(blas.NoTrans, blas.NoTrans, 2, 2, 3, 1, full, 3, full, 2, 0, full[:3], 2) },
		"stride": func() { openBLAS{}.Sgemm(blas.NoTrans, blas.NoTrans, 2, 2, 3, 1, full, 2, full, 2, 0, full, 2) },
		"form":   func() { openBLAS{}.Sgemm('x', blas.NoTrans, 2, 2, 3, 1, full, 3, full, 2, 0, full, 2) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is not refused", name)
				}
			}()
			call()
		}()
	}
}
