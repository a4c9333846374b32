package he

import "encoding/binary"

// bitWriter writes numbers of 1 to MaxPrimeBits bits as a little-endian bit
// string to out, which has room for them and for zero bits up to a byte.
type bitWriter struct {
	out  []byte
	n    int // whole bytes written
	acc  uint64
	have uint // bits of acc, below 8 between runs
}

func (w *bitWriter) write(values []uint64, width uint) {
	if w.have == 0 {
		done := writeGroups(w.out[w.n:], values, width)
		values = values[8*done:]
		w.n += int(width) * done
	}
	for _, v := range values {
		w.acc |= v << w.have
		for w.have += width; w.have >= 8; w.have -= 8 {
			w.out[w.n] = byte(w.acc)
			w.acc >>= 8
			w.n++
		}
	}
}

// flush fills up the last byte with zero bits and returns the bytes written.
func (w *bitWriter) flush() int {
	if w.have > 0 {
		w.out[w.n] = byte(w.acc)
		w.n++
	}
	return w.n
}

// bitsAt returns the number of width bits at a bit of in.
func bitsAt(in []byte, at, width uint) uint64 {
	var word uint64
	if from := at >> 3; from+8 <= uint(len(in)) {
		word = binary.LittleEndian.Uint64(in[from:])
	} else {
		for i, b := range in[from:] {
			word |= uint64(b) << (8 * i)
		}
	}
	return word >> (at & 7) & (1<<width - 1)
}

// addResidues adds the numbers of width bits that begin at a bit of in to sum
// and reports whether all of them are below q, itself of width bits.
func addResidues(sum []uint64, in []byte, at, width uint, q uint64) bool {
	room := uint64(1)<<width - q // a residue and this have width bits
	over, done := uint64(0), 0
	if at&7 == 0 {
		done, over = addGroups(sum, in[at>>3:], width, room)
		at += uint(8*done) * width
	}
	for i := 8 * done; i < len(sum); i++ {
		v := bitsAt(in, at, width)
		over |= v + room
		sum[i] += v
		at += width
	}
	return over>>width == 0
}
