//go:build !amd64 || purego

package he

// haveVectors: no instructions of a processor are used here.
const haveVectors = false

func vectorFirst(x *uint64, key, own, first, second *float64, groups int, c *[4]float64) { panic("he") }

func vectorLayers(x *uint64, first, second *float64, groups, stride int, c *[4]float64) { panic("he") }

func vectorLast(x *uint64, half int, root float64, c *[4]float64) { panic("he") }

func vectorIntegers(x *uint64, n int, c *[4]float64) { panic("he") }

func vectorGaussian(dst *int16, words *byte, n int, below *[NoiseBound]uint64) { panic("he") }

func vectorMessage(residues *[MaxPrimes]*uint64, primes int, fields *uint32, noise *int16, n int, m *messageRuns) {
	panic("he")
}

func vectorExpand(dst *uint64, words *byte, n, size int, order *[32]byte, mask, q uint64) uint64 {
	panic("he")
}

func vectorDigits(products, sums *[MaxPrimes]*uint64, primes, n int, up float64, garner *garnerVector) {
	panic("he")
}

func vectorDecode(dst *uint64, words *[3]*uint64, n int, d *decodeVector, noise, largest uint64) uint64 {
	panic("he")
}

func vectorAdd(sum *uint64, in *byte, groups int, u *unpackVector, room uint64) uint64 { panic("he") }

func vectorDot(sums *[12]uint64, c, powers *uint64, n int) { panic("he") }
