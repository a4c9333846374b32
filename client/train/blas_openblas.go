//go:build openblas

package train

/*
#cgo LDFLAGS: -lopenblas
#include <cblas.h>
*/
import "C"

import (
	"runtime"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/gonum"

	"atrium/coordinator/federation"
)

// openBLAS multiplies matrices with OpenBLAS. Everything else is gonum's: a call into C
// takes longer than the vector routines do on a row of a plane.
type openBLAS struct{ gonum.Implementation }

// largeProduct is how many multiplications are worth more than one thread: OpenBLAS begins
// with a thousandth of it, and its threads then wait in a loop, on processors that others
// want.
const largeProduct = 1 << 27

// threads is what the last product was allowed.
var threads atomic.Int32

// init runs before any goroutine trains.
func init() {
	blas32.Use(openBLAS{})
	allow(1)
}

func allow(n int32) {
	if threads.Swap(n) != n {
		C.openblas_set_num_threads(C.int(n))
	}
}

// BLAS says what multiplies matrices, in OpenBLAS's words.
func BLAS() string { return C.GoString(C.openblas_get_config()) }

// Sgemm is C ← αAB + βC with row-major matrices, on as many processors as Go may use
// (GOMAXPROCS) where that is worth it. It panics where gonum's does: C code would read and
// write beyond them.
func (o openBLAS) Sgemm(ta, tb blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if m <= 0 || n <= 0 || k <= 0 {
		o.Implementation.Sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	holds := func(data []float32, rows, cols, stride int, t blas.Transpose) bool {
		if t != blas.NoTrans {
			rows, cols = cols, rows
		}
		return stride >= cols && len(data) >= stride*(rows-1)+cols
	}
	if !holds(a, m, k, lda, ta) || !holds(b, k, n, ldb, tb) || !holds(c, m, n, ldc, blas.NoTrans) {
		panic("train: matrix is too short")
	}
	if m*n*k < largeProduct {
		allow(1)
	} else {
		allow(int32(runtime.GOMAXPROCS(0)))
	}
	C.cblas_sgemm(C.CblasRowMajor, transposed(ta), transposed(tb), C.blasint(m), C.blasint(n), C.blasint(k), C.float(alpha),
		(*C.float)(&a[0]), C.blasint(lda), (*C.float)(&b[0]), C.blasint(ldb), C.float(beta), (*C.float)(&c[0]), C.blasint(ldc))
}

func transposed(t blas.Transpose) C.enum_CBLAS_TRANSPOSE {
	switch t {
	case blas.NoTrans:
		return C.CblasNoTrans
	case blas.Trans, blas.ConjTrans:
		return C.CblasTrans
	}
	panic("train: transpose of a matrix is unknown")
}

func newConvolution(in federation.Shape, filters, height, width int, relu bool, weight, bias block) stage {
	return newUnfolded(in, filters, height, width, relu, weight, bias)
}
