package fixedpoint

import "fmt"

// Pack sets limbs to the little-endian bit string in which field i occupies
// bits i*width to (i+1)*width-1 of limbs[0], limbs[1], limbs[2]. Every field
// is below 2^width. It panics when the string exceeds PackedBits.
func Pack(limbs *[3]uint64, fields []uint32, width int) {
	checkPacking(len(fields), width)
	*limbs = [3]uint64{}
	offset := uint(0)
	for _, field := range fields {
		word, shift := offset>>6, offset&63
		limbs[word] |= uint64(field) << shift
		if high := uint64(field) >> (64 - shift); high != 0 {
			limbs[word+1] |= high
		}
		offset += uint(width)
	}
}

// Unpack writes the first len(dst) fields of width bits of limbs into dst.
// It panics when they exceed PackedBits.
func Unpack(dst []uint64, limbs *[3]uint64, width int) {
	checkPacking(len(dst), width)
	mask := uint64(1)<<width - 1
	offset := uint(0)
	for i := range dst {
		word, shift := offset>>6, offset&63
		field := limbs[word] >> shift
		if shift+uint(width) > 64 {
			field |= limbs[word+1] << (64 - shift)
		}
		dst[i] = field & mask
		offset += uint(width)
	}
}

func checkPacking(count, width int) {
	if width < 1 || width > 64 || count*width > PackedBits {
		panic(fmt.Sprintf("fixedpoint: pack %d fields of %d bits", count, width))
	}
}
