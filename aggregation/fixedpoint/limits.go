package fixedpoint

const (
	// MaxFields bounds the total field count of a Format.
	MaxFields = 1 << 30
	// MaxSegments bounds the number of segments of a Format.
	MaxSegments = 1 << 16
	// MaxName bounds the bytes of a segment's name.
	MaxName = 256
	// MaxSummands bounds the number of vectors in a sum: 2^20 fields of 32
	// bits add up to less than 2^53, so a sum is exact in float64.
	MaxSummands = 1 << 20
	// MinClip and MaxClip bound a segment's clip, so that no dequantised sum
	// overflows or vanishes.
	MinClip = 1e-30
	MaxClip = 1e30
)
