//go:build amd64 && !purego

package he

import "golang.org/x/sys/cpu"

// haveVectors says whether vector_amd64.s can run.
var haveVectors = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// vectorFirst multiplies x by the key and does the first four layers on groups
// of 16 numbers below q. own has, for each group, four roots for its pairs'
// first, four for their second, and four for the second layer; first and
// second are the roots of the other two layers.
//
//go:noescape
func vectorFirst(x *uint64, key, own, first, second *float64, groups int, c *[4]float64)

// vectorLayers does two layers on groups of four times stride numbers, stride
// being a multiple of four.
//
//go:noescape
func vectorLayers(x *uint64, first, second *float64, groups, stride int, c *[4]float64)

// vectorLast does the layer for which no other is left, half being a multiple
// of four, and makes the results integers below 2q.
//
//go:noescape
func vectorLast(x *uint64, half int, root float64, c *[4]float64)

// vectorIntegers makes n results, a multiple of four, integers below 2q.
//
//go:noescape
func vectorIntegers(x *uint64, n int, c *[4]float64)

// vectorGaussian maps n words, a multiple of 16, to values; below holds the
// numbers before the thresholds.
//
//go:noescape
func vectorGaussian(dst *int16, words *byte, n int, below *[NoiseBound]uint64)

// vectorMessage adds noise and fields to n coefficients of each prime, n being
// a multiple of 4, and leaves residues. It may read four bytes after the last
// field.
//
//go:noescape
func vectorMessage(residues *[MaxPrimes]*uint64, primes int, fields *uint32, noise *int16, n int, m *messageRuns)

// vectorExpand cuts n words, a multiple of 4, of size bytes out of a key
// stream and masks them. It reads up to 16 bytes from the last two. over is 0
// when all are below q.
//
//go:noescape
func vectorExpand(dst *uint64, words *byte, n, size int, order *[32]byte, mask, q uint64) (over uint64)

// vectorDigits replaces n products below 2q, a multiple of 4, by the digits in
// mixed radix of sums + up - products; sums are below 2^52.
//
//go:noescape
func vectorDigits(products, sums *[MaxPrimes]*uint64, primes, n int, up float64, garner *garnerVector)

// vectorDecode writes the fields of n coefficients to dst, and up to three
// zeros after the last. bad is 0 when all noise is at most noise, all fields
// are at most largest and all other bits are 0.
//
//go:noescape
func vectorDecode(dst *uint64, words *[3]*uint64, n int, d *decodeVector, noise, largest uint64) (bad uint64)

// vectorDot multiplies n numbers below 2^50, a multiple of four, by as many
// held powers. sums are, four lanes each, of the products of low halves, of low
// and high ones, and of high ones.
//
//go:noescape
func vectorDot(sums *[12]uint64, c, powers *uint64, n int)

// vectorAdd adds groups of eight numbers to sum. over is of all numbers plus
// room. It reads up to 16 bytes from a group's last pair.
//
//go:noescape
func vectorAdd(sum *uint64, in *byte, groups int, u *unpackVector, room uint64) (over uint64)
