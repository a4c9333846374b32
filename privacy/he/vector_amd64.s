//go:build amd64 && !purego

#include "textflag.h"

// See vector.go. Unless a function says otherwise, Y13 is q, Y14 1/q and Y15
// 1.5*2^52 in each lane.

// TIMES sets A to A*W modulo q, within q of 0. It uses H and K.
#define TIMES(A, W, H, K) \
	VMULPD       W, A, H;     \
	VMOVAPD      Y15, K;      \
	VFMADD231PD  Y14, H, K;   \
	VSUBPD       Y15, K, K;   \
	VFMSUB213PD  H, W, A;     \
	VFNMADD231PD Y13, K, H;   \
	VADDPD       H, A, A

// REDUCE sets A to A modulo q, within q/2 of 0. It uses K.
#define REDUCE(A, K) \
	VMOVAPD      Y15, K;      \
	VFMADD231PD  Y14, A, K;   \
	VSUBPD       Y15, K, K;   \
	VFNMADD231PD Y13, K, A

// TWOLAYERS does two layers on Y0 to Y3 with the roots Y10, Y11 and then Y12.
// It uses Y4 to Y9.
#define TWOLAYERS \
	VADDPD Y1, Y0, Y4;        \
	VSUBPD Y1, Y0, Y1;        \
	VADDPD Y3, Y2, Y5;        \
	VSUBPD Y3, Y2, Y3;        \
	TIMES(Y1, Y10, Y6, Y7);   \
	TIMES(Y3, Y11, Y8, Y9);   \
	VADDPD Y5, Y4, Y0;        \
	VSUBPD Y5, Y4, Y2;        \
	VADDPD Y3, Y1, Y4;        \
	VSUBPD Y3, Y1, Y3;        \
	REDUCE(Y0, Y5);           \
	TIMES(Y2, Y12, Y6, Y7);   \
	REDUCE(Y4, Y5);           \
	TIMES(Y3, Y12, Y8, Y9);   \
	VMOVAPD Y4, Y1

// TRANSPOSE exchanges rows and columns of Y0 to Y3. It uses Y4 to Y7.
#define TRANSPOSE \
	VUNPCKLPD  Y1, Y0, Y4;       \
	VUNPCKHPD  Y1, Y0, Y5;       \
	VUNPCKLPD  Y3, Y2, Y6;       \
	VUNPCKHPD  Y3, Y2, Y7;       \
	VPERM2F128 $0x20, Y6, Y4, Y0; \
	VPERM2F128 $0x20, Y7, Y5, Y1; \
	VPERM2F128 $0x31, Y6, Y4, Y2; \
	VPERM2F128 $0x31, Y7, Y5, Y3

// LOADINTEGERS sets Y to four integers below 2^52 as float64. Y12 is 2^52.
#define LOADINTEGERS(at, Y) \
	VPOR   at, Y12, Y; \
	VSUBPD Y12, Y, Y

// CONSTANTS loads Y13 to Y15 from AX.
#define CONSTANTS \
	VBROADCASTSD 0(AX), Y13;  \
	VBROADCASTSD 8(AX), Y14;  \
	VBROADCASTSD 16(AX), Y15

// func vectorFirst(x *uint64, key, own, first, second *float64, groups int, c *[4]float64)
TEXT ·vectorFirst(SB), NOSPLIT, $0-56
	MOVQ x+0(FP), DI
	MOVQ key+8(FP), SI
	MOVQ own+16(FP), R8
	MOVQ first+24(FP), R9
	MOVQ second+32(FP), R10
	MOVQ groups+40(FP), CX
	MOVQ c+48(FP), AX
	CONSTANTS

group:
	VBROADCASTSD 24(AX), Y12
	LOADINTEGERS(0(DI), Y0)
	LOADINTEGERS(32(DI), Y1)
	LOADINTEGERS(64(DI), Y2)
	LOADINTEGERS(96(DI), Y3)
	VMOVUPD 0(SI), Y4
	VMOVUPD 32(SI), Y5
	VMOVUPD 64(SI), Y6
	VMOVUPD 96(SI), Y7
	TIMES(Y0, Y4, Y8, Y9)
	TIMES(Y1, Y5, Y10, Y11)
	TIMES(Y2, Y6, Y8, Y9)
	TIMES(Y3, Y7, Y10, Y11)
	TRANSPOSE
	VMOVUPD 0(R8), Y10
	VMOVUPD 32(R8), Y11
	VMOVUPD 64(R8), Y12
	TWOLAYERS
	TRANSPOSE
	VBROADCASTSD 0(R9), Y10
	VBROADCASTSD 8(R9), Y11
	VBROADCASTSD 0(R10), Y12
	TWOLAYERS
	VMOVUPD Y0, 0(DI)
	VMOVUPD Y1, 32(DI)
	VMOVUPD Y2, 64(DI)
	VMOVUPD Y3, 96(DI)
	ADDQ $128, DI
	ADDQ $128, SI
	ADDQ $96, R8
	ADDQ $16, R9
	ADDQ $8, R10
	DECQ CX
	JNZ  group
	VZEROUPPER
	RET

// func vectorLayers(x *uint64, first, second *float64, groups, stride int, c *[4]float64)
TEXT ·vectorLayers(SB), NOSPLIT, $0-48
	MOVQ x+0(FP), DI
	MOVQ first+8(FP), R9
	MOVQ second+16(FP), R10
	MOVQ groups+24(FP), CX
	MOVQ stride+32(FP), DX
	MOVQ c+40(FP), AX
	CONSTANTS
	SHLQ $3, DX           // bytes
	LEAQ (DX)(DX*2), R11

group:
	VBROADCASTSD 0(R9), Y10
	VBROADCASTSD 8(R9), Y11
	VBROADCASTSD 0(R10), Y12
	LEAQ (DI)(DX*1), BX   // end of the first quarter

quarter:
	VMOVUPD (DI), Y0
	VMOVUPD (DI)(DX*1), Y1
	VMOVUPD (DI)(DX*2), Y2
	VMOVUPD (DI)(R11*1), Y3
	TWOLAYERS
	VMOVUPD Y0, (DI)
	VMOVUPD Y1, (DI)(DX*1)
	VMOVUPD Y2, (DI)(DX*2)
	VMOVUPD Y3, (DI)(R11*1)
	ADDQ $32, DI
	CMPQ DI, BX
	JNE  quarter
	ADDQ R11, DI
	ADDQ $16, R9
	ADDQ $8, R10
	DECQ CX
	JNZ  group
	VZEROUPPER
	RET

// STORE writes Y, made an integer between 0 and 2q, to at. It uses K; Y12 is
// 2^52.
#define STORE(Y, K, at) \
	REDUCE(Y, K);         \
	VADDPD  Y13, Y, Y;    \
	VADDPD  Y12, Y, Y;    \
	VPXOR   Y12, Y, Y;    \
	VMOVUPD Y, at

// func vectorLast(x *uint64, half int, root float64, c *[4]float64)
TEXT ·vectorLast(SB), NOSPLIT, $0-32
	MOVQ x+0(FP), DI
	MOVQ half+8(FP), DX
	VBROADCASTSD root+16(FP), Y10
	MOVQ c+24(FP), AX
	CONSTANTS
	VBROADCASTSD 24(AX), Y12
	SHLQ $3, DX
	LEAQ (DI)(DX*1), BX

pair:
	VMOVUPD (DI), Y0
	VMOVUPD (DI)(DX*1), Y1
	VADDPD  Y1, Y0, Y2
	VSUBPD  Y1, Y0, Y1
	TIMES(Y1, Y10, Y6, Y7)
	STORE(Y2, Y5, (DI))
	STORE(Y1, Y7, (DI)(DX*1))
	ADDQ $32, DI
	CMPQ DI, BX
	JNE  pair
	VZEROUPPER
	RET

// func vectorIntegers(x *uint64, n int, c *[4]float64)
TEXT ·vectorIntegers(SB), NOSPLIT, $0-24
	MOVQ x+0(FP), DI
	MOVQ n+8(FP), CX
	MOVQ c+16(FP), AX
	CONSTANTS
	VBROADCASTSD 24(AX), Y12

four:
	VMOVUPD (DI), Y0
	STORE(Y0, Y5, (DI))
	ADDQ $32, DI
	SUBQ $4, CX
	JNZ  four
	VZEROUPPER
	RET

// REACHED takes 1 from each lane of X where U, below 2^63, is above Y0.
#define REACHED(U, X, K) \
	VPCMPGTQ Y0, U, K; \
	VPADDQ   K, X, X

// SIGNED negates the lanes of X, which hold -|x|, where the top bit of the
// word is not set. Y0 is 0.
#define SIGNED(at, X, K) \
	VMOVDQU  at, K;    \
	VPCMPGTQ K, Y0, K; \
	VPXOR    Y15, K, K; \
	VPXOR    K, X, X;  \
	VPSUBQ   K, X, X

// func vectorGaussian(dst *int16, words *byte, n int, below *[28]uint64)
TEXT ·vectorGaussian(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ words+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ below+24(FP), R8
	VPCMPEQQ Y15, Y15, Y15
	VPSRLQ   $1, Y15, Y14     // 2^63-1
	VMOVDQU  order<>(SB), Y13

sixteen:
	VPAND 0(SI), Y14, Y1
	VPAND 32(SI), Y14, Y2
	VPAND 64(SI), Y14, Y3
	VPAND 96(SI), Y14, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	VPXOR Y8, Y8, Y8
	MOVQ  $0, AX

threshold:
	VPBROADCASTQ (R8)(AX*8), Y0
	REACHED(Y1, Y5, Y9)
	REACHED(Y2, Y6, Y10)
	REACHED(Y3, Y7, Y11)
	REACHED(Y4, Y8, Y12)
	VPBROADCASTQ 8(R8)(AX*8), Y0
	REACHED(Y1, Y5, Y9)
	REACHED(Y2, Y6, Y10)
	REACHED(Y3, Y7, Y11)
	REACHED(Y4, Y8, Y12)
	ADDQ  $2, AX
	CMPQ  AX, $28
	JNE   threshold

	VPXOR Y0, Y0, Y0
	SIGNED(0(SI), Y5, Y9)
	SIGNED(32(SI), Y6, Y10)
	SIGNED(64(SI), Y7, Y11)
	SIGNED(96(SI), Y8, Y12)
	VSHUFPS   $0x88, Y6, Y5, Y5 // low halves of the lanes
	VSHUFPS   $0x88, Y8, Y7, Y7
	VPACKSSDW Y7, Y5, Y5
	VPERMD    Y5, Y13, Y5
	VMOVDQU   Y5, (DI)
	ADDQ $128, SI
	ADDQ $32, DI
	SUBQ $16, CX
	JNZ  sixteen
	VZEROUPPER
	RET

// order undoes the order in which VSHUFPS and VPACKSSDW leave pairs.
DATA order<>+0(SB)/4, $0
DATA order<>+4(SB)/4, $4
DATA order<>+8(SB)/4, $1
DATA order<>+12(SB)/4, $5
DATA order<>+16(SB)/4, $2
DATA order<>+20(SB)/4, $6
DATA order<>+24(SB)/4, $3
DATA order<>+28(SB)/4, $7
GLOBL order<>(SB), RODATA|NOPTR, $32

// CANONICAL makes Y, within 2^53 of 0, an integer below q. It uses K and L;
// Y12 is 2^52, R holds q in each lane as integers.
#define CANONICAL(Y, K, L, R) \
	REDUCE(Y, K);         \
	VADDPD   Y13, Y, Y;   \
	VADDPD   Y12, Y, Y;   \
	VPXOR    Y12, Y, Y;   \
	VPSUBQ   R, Y, Y;     \
	VPXOR    L, L, L;     \
	VPCMPGTQ Y, L, K;     \
	VPAND    R, K, K;     \
	VPADDQ   K, Y, Y

// func vectorMessage(residues *[3]*uint64, primes int, fields *uint32, noise *int16, n int, m *messageRuns)
TEXT ·vectorMessage(SB), NOSPLIT, $288-48
	LEAQ 31(SP), DI
	ANDQ $~31, DI             // the runs
	MOVQ fields+16(FP), SI
	MOVQ noise+24(FP), R8
	MOVQ n+32(FP), CX
	MOVQ m+40(FP), R9
	MOVQ 8(R9), DX            // bytes from one coefficient's fields to the next
	LEAQ (DX)(DX*2), R11
	XORQ R12, R12             // bytes of residues done
	VBROADCASTSD 368(R9), Y12 // 2^52
	VBROADCASTSD 360(R9), Y15
	VMOVQ 16(R9), X11         // width
	VPCMPEQQ Y10, Y10, Y10
	VPSRLQ   $32, Y10, Y10    // 2^32-1

coefficients:
	XORQ AX, AX

run:
	MOVQ 24(R9)(AX*8), BX
	ADDQ SI, BX
	VMOVQ   (BX), X0
	VPINSRQ $1, (BX)(DX*1), X0, X0
	VMOVQ   (BX)(DX*2), X1
	VPINSRQ $1, (BX)(R11*1), X1, X1
	VINSERTI128 $1, X1, Y0, Y0
	VPBROADCASTQ 88(R9)(AX*8), Y2
	VPAND  Y2, Y0, Y0
	VPAND  Y10, Y0, Y1
	VPSRLQ $32, Y0, Y0
	VPSLLQ X11, Y0, Y0
	VPADDQ Y1, Y0, Y0
	VPOR   Y12, Y0, Y0
	VSUBPD Y12, Y0, Y0
	MOVQ   AX, BX
	SHLQ   $5, BX
	VMOVUPD Y0, (DI)(BX*1)
	INCQ AX
	CMPQ AX, (R9)
	JNE  run

	VPMOVSXWD (R8), X0
	VCVTDQ2PD X0, Y9 // noise

	// Each prime's residues.
	MOVQ primes+8(FP), R13
	MOVQ residues+0(FP), R10
	LEAQ 344(R9), AX  // constants
	LEAQ 152(R9), R14 // weights

prime:
	VBROADCASTSD 0(AX), Y13
	VBROADCASTSD 8(AX), Y14
	MOVQ (R10), BX
	LOADINTEGERS((BX)(R12*1), Y0)
	VADDPD Y9, Y0, Y0
	VBROADCASTSD (R14), Y1
	VMOVUPD (DI), Y2
	VFMADD231PD Y1, Y2, Y0
	MOVQ $1, R15
	CMPQ R15, (R9)
	JEQ  sum

weigh:
	MOVQ R15, BX
	SHLQ $5, BX
	VMOVUPD (DI)(BX*1), Y1
	VBROADCASTSD (R14)(R15*8), Y2
	TIMES(Y1, Y2, Y3, Y4)
	VADDPD Y1, Y0, Y0
	INCQ R15
	CMPQ R15, (R9)
	JNE  weigh

sum:
	VADDPD Y12, Y13, Y5
	VPXOR  Y12, Y5, Y5 // q as integers
	CANONICAL(Y0, Y1, Y2, Y5)
	MOVQ (R10), BX
	VMOVDQU Y0, (BX)(R12*1)
	ADDQ $8, R10
	ADDQ $32, AX
	ADDQ $64, R14
	DECQ R13
	JNZ  prime

	LEAQ (SI)(DX*4), SI
	ADDQ $8, R8
	ADDQ $32, R12
	SUBQ $4, CX
	JNZ  coefficients
	VZEROUPPER
	RET

// func vectorExpand(dst *uint64, words *byte, n, size int, order *[32]byte, mask, q uint64) (over uint64)
TEXT ·vectorExpand(SB), NOSPLIT, $0-64
	MOVQ dst+0(FP), DI
	MOVQ words+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ size+24(FP), DX
	MOVQ order+32(FP), AX
	VMOVDQU (AX), Y12
	VPBROADCASTQ mask+40(FP), Y13
	VPBROADCASTQ q+48(FP), Y14
	VPCMPEQQ Y1, Y1, Y1
	VPADDQ   Y1, Y14, Y14 // q-1
	VPXOR    Y15, Y15, Y15

word:
	VMOVDQU     (SI), X0
	VINSERTI128 $1, (SI)(DX*2), Y0, Y0
	VPSHUFB     Y12, Y0, Y0
	VPAND       Y13, Y0, Y0
	VPCMPGTQ    Y14, Y0, Y1
	VPOR        Y1, Y15, Y15
	VMOVDQU     Y0, (DI)
	LEAQ (SI)(DX*4), SI
	ADDQ $32, DI
	SUBQ $4, CX
	JNZ  word
	VMOVMSKPD Y15, AX
	MOVQ AX, over+56(FP)
	VZEROUPPER
	RET

// DIGIT makes Y, within 2^53 of 0, an integer below q at BX, and leaves it as
// float64 too. It uses Y8 to Y11.
#define DIGIT(Y) \
	VADDPD  Y12, Y13, Y11; \
	VPXOR   Y12, Y11, Y11; \
	CANONICAL(Y, Y8, Y9, Y11); \
	VMOVDQU Y, (BX)(R12*1); \
	VPOR    Y12, Y, Y; \
	VSUBPD  Y12, Y, Y

// MASKED sets Y to sum + up - product, whose addresses are in R8 and BX. It
// uses Y8. Y7 is up.
#define MASKED(Y) \
	LOADINTEGERS((R8)(R12*1), Y); \
	LOADINTEGERS((BX)(R12*1), Y8); \
	VADDPD Y7, Y, Y; \
	VSUBPD Y8, Y, Y

// PRIME loads a prime and its inverse.
#define PRIME(q, inverse) \
	VBROADCASTSD q, Y13; \
	VBROADCASTSD inverse, Y14

// func vectorDigits(products, sums *[3]*uint64, primes, n int, up float64, garner *garnerVector)
TEXT ·vectorDigits(SB), NOSPLIT, $0-48
	MOVQ products+0(FP), DI
	MOVQ sums+8(FP), SI
	MOVQ primes+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSD up+32(FP), Y7
	MOVQ garner+40(FP), AX
	CONSTANTS
	VBROADCASTSD 24(AX), Y12
	XORQ R12, R12

coefficients:
	PRIME(0(AX), 8(AX))
	MOVQ (DI), BX
	MOVQ (SI), R8
	MASKED(Y0)
	DIGIT(Y0)
	CMPQ DX, $1
	JEQ  next

	PRIME(32(AX), 40(AX))
	MOVQ 8(DI), BX
	MOVQ 8(SI), R8
	MASKED(Y1)
	REDUCE(Y1, Y8)
	VSUBPD Y0, Y1, Y1
	VBROADCASTSD 96(AX), Y2
	TIMES(Y1, Y2, Y8, Y9)
	DIGIT(Y1)
	CMPQ DX, $2
	JEQ  next

	PRIME(64(AX), 72(AX))
	MOVQ 16(DI), BX
	MOVQ 16(SI), R8
	MASKED(Y2)
	REDUCE(Y2, Y8)
	VSUBPD Y0, Y2, Y2
	VBROADCASTSD 104(AX), Y3
	TIMES(Y2, Y3, Y8, Y9)
	VSUBPD Y1, Y2, Y2
	VBROADCASTSD 112(AX), Y3
	TIMES(Y2, Y3, Y8, Y9)
	DIGIT(Y2)

next:
	ADDQ $32, R12
	SUBQ $4, CX
	JNZ  coefficients
	VZEROUPPER
	RET

// func vectorDecode(dst *uint64, words *[3]*uint64, n int, d *decodeVector, noise, largest uint64) (bad uint64)
TEXT ·vectorDecode(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ words+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ d+24(FP), AX
	MOVQ 0(SI), R8
	MOVQ 8(SI), R9
	MOVQ 16(SI), R10
	MOVQ 0(AX), DX             // bytes of a coefficient's fields
	VPBROADCASTQ noise+32(FP), Y12
	VPBROADCASTQ largest+40(FP), Y13
	VMOVDQU 16(AX), Y10        // bits of the noise
	VMOVDQU 48(AX), Y11        // bits above the fields
	VPXOR Y14, Y14, Y14        // differences of which none may be negative
	VPXOR Y15, Y15, Y15        // bits of which none may be set
	XORQ R12, R12

coefficient:
	VMOVQ   (R8)(R12*8), X0
	VPINSRQ $1, (R9)(R12*8), X0, X0
	VMOVQ   (R10)(R12*8), X1
	VINSERTI128 $1, X1, Y0, Y0
	VPAND  Y10, Y0, Y1
	VPSUBQ Y1, Y12, Y1
	VPOR   Y1, Y14, Y14
	VPAND  Y11, Y0, Y1
	VPOR   Y1, Y15, Y15
	MOVQ 8(AX), R11
	LEAQ 80(AX), BX
	MOVQ DI, SI

four:
	VMOVDQU (BX), Y2
	VMOVDQU 32(BX), Y3
	VPERMD  Y0, Y2, Y2
	VPERMD  Y0, Y3, Y3
	VPSRLVQ 64(BX), Y2, Y2
	VPSLLVQ 96(BX), Y3, Y3
	VPOR    Y2, Y3, Y2
	VPAND   128(BX), Y2, Y2
	VMOVDQU Y2, (SI)
	VPSUBQ  Y2, Y13, Y2
	VPOR    Y2, Y14, Y14
	ADDQ $160, BX
	ADDQ $32, SI
	DECQ R11
	JNZ  four

	ADDQ DX, DI
	INCQ R12
	CMPQ R12, CX
	JNE  coefficient
	VMOVMSKPD Y14, AX
	VPTEST Y15, Y15
	SETNE  BX
	MOVBLZX BX, BX
	ORQ    BX, AX
	MOVQ   AX, bad+48(FP)
	VZEROUPPER
	RET

// UNPACK sets Y to four numbers out of the 16 bytes at low and at high.
#define UNPACK(low, high, order, shifts, Y, X) \
	VMOVDQU     low, X;         \
	VINSERTI128 $1, high, Y, Y; \
	VPSHUFB     order, Y, Y;    \
	VPSRLVQ     shifts, Y, Y;   \
	VPAND       Y13, Y, Y

// func vectorAdd(sum *uint64, in *byte, groups int, u *unpackVector, room uint64) (over uint64)
TEXT ·vectorAdd(SB), NOSPLIT, $0-48
	MOVQ sum+0(FP), DI
	MOVQ in+8(FP), SI
	MOVQ groups+16(FP), CX
	MOVQ u+24(FP), AX
	VPBROADCASTQ room+32(FP), Y12
	MOVQ 0(AX), DX   // bytes of a group
	MOVQ 8(AX), R8   // and where its other pairs begin
	MOVQ 16(AX), R9
	MOVQ 24(AX), R10
	VPBROADCASTQ 32(AX), Y13
	VMOVDQU 40(AX), Y8
	VMOVDQU 72(AX), Y9
	VMOVDQU 104(AX), Y10
	VMOVDQU 136(AX), Y11
	VPXOR Y15, Y15, Y15

eight:
	UNPACK((SI), (SI)(R8*1), Y8, Y9, Y0, X0)
	UNPACK((SI)(R9*1), (SI)(R10*1), Y10, Y11, Y1, X1)
	VPADDQ  Y12, Y0, Y2
	VPADDQ  Y12, Y1, Y3
	VPADDQ  (DI), Y0, Y0
	VPADDQ  32(DI), Y1, Y1
	VMOVDQU Y0, (DI)
	VMOVDQU Y1, 32(DI)
	VPOR    Y2, Y15, Y15
	VPOR    Y3, Y15, Y15
	ADDQ DX, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  eight
	VEXTRACTI128 $1, Y15, X0
	VPOR    X0, X15, X0
	VPEXTRQ $0, X0, AX
	VPEXTRQ $1, X0, BX
	ORQ     BX, AX
	MOVQ    AX, over+40(FP)
	VZEROUPPER
	RET
