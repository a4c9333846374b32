//go:build openblas

package main

const (
	linkedBLAS = "OpenBLAS"
	leastRatio = 2.5
)
