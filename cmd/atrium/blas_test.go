//go:build !openblas

package main

const (
	linkedBLAS = "gonum"
	leastRatio = 1.7
)
