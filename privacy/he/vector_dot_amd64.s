//go:build amd64 && !purego

#include "textflag.h"

// func vectorDot(sums *[12]uint64, c, powers *uint64, n int)
TEXT ·vectorDot(SB), NOSPLIT, $0-32
	MOVQ sums+0(FP), DX
	MOVQ c+8(FP), SI
	MOVQ powers+16(FP), DI
	MOVQ n+24(FP), CX
	VPCMPEQQ Y15, Y15, Y15
	VPSRLQ   $39, Y15, Y15 // 2^25-1
	VPXOR Y0, Y0, Y0       // low by low
	VPXOR Y1, Y1, Y1       // low by high
	VPXOR Y2, Y2, Y2       // high by low
	VPXOR Y3, Y3, Y3       // high by high

four:
	VMOVDQU (SI), Y4
	VMOVDQU (DI), Y6
	VPSRLQ  $25, Y4, Y5
	VPAND   Y15, Y4, Y4
	VPSRLQ  $32, Y6, Y7
	VPMULUDQ Y4, Y6, Y8
	VPMULUDQ Y4, Y7, Y9
	VPMULUDQ Y5, Y6, Y10
	VPMULUDQ Y5, Y7, Y11
	VPADDQ  Y8, Y0, Y0
	VPADDQ  Y9, Y1, Y1
	VPADDQ  Y10, Y2, Y2
	VPADDQ  Y11, Y3, Y3
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $4, CX
	JNZ  four
	VPADDQ  Y2, Y1, Y1
	VMOVDQU Y0, (DX)
	VMOVDQU Y1, 32(DX)
	VMOVDQU Y3, 64(DX)
	VZEROUPPER
	RET
