//go:build !openblas

package train

import (
	"runtime/debug"

	"atrium/coordinator/federation"
)

// BLAS says what multiplies matrices: gonum's Go code and its vector routines.
func BLAS() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "gonum.org/v1/gonum" {
				return "gonum " + m.Version
			}
		}
	}
	return "gonum"
}

func newConvolution(in federation.Shape, filters, height, width int, relu bool, weight, bias block) stage {
	return newConv(in, filters, height, width, relu, weight, bias)
}
