package he

import "encoding/binary"

// Eight numbers of w bits are w bytes. addGroup and writeGroup treat such
// groups; they are compiled once for each width, with every shift and offset a
// constant, since the width is the length of a type.
type width interface {
	[20]byte | [21]byte | [22]byte | [23]byte | [24]byte | [25]byte | [26]byte | [27]byte |
		[28]byte | [29]byte | [30]byte | [31]byte | [32]byte | [33]byte | [34]byte | [35]byte |
		[36]byte | [37]byte | [38]byte | [39]byte | [40]byte | [41]byte | [42]byte | [43]byte |
		[44]byte | [45]byte | [46]byte | [47]byte | [48]byte | [49]byte | [50]byte
}

// window is the bytes from which a group is read, or to which it is written
// with what follows it.
const window = 64

// addGroupsOf adds groups of numbers to sum as long as there are a whole group
// and a window. It returns how many groups it added and, in bit w and above,
// whether a number plus room has more than w bits.
func addGroupsOf[W width](sum []uint64, in []byte, room uint64) (done int, over uint64) {
	var size W
	const eight = 8
	w := uint(len(size))
	mask := uint64(1)<<w - 1
	for len(sum) >= eight && len(in) >= window {
		s, g := (*[eight]uint64)(sum), (*[window]byte)(in)
		v0 := binary.LittleEndian.Uint64(g[0:]) & mask
		v1 := binary.LittleEndian.Uint64(g[w>>3:]) >> (w & 7) & mask
		v2 := binary.LittleEndian.Uint64(g[2*w>>3:]) >> (2 * w & 7) & mask
		v3 := binary.LittleEndian.Uint64(g[3*w>>3:]) >> (3 * w & 7) & mask
		over |= (v0 + room) | (v1 + room) | (v2 + room) | (v3 + room)
		s[0] += v0
		s[1] += v1
		s[2] += v2
		s[3] += v3
		v4 := binary.LittleEndian.Uint64(g[4*w>>3:]) >> (4 * w & 7) & mask
		v5 := binary.LittleEndian.Uint64(g[5*w>>3:]) >> (5 * w & 7) & mask
		v6 := binary.LittleEndian.Uint64(g[6*w>>3:]) >> (6 * w & 7) & mask
		v7 := binary.LittleEndian.Uint64(g[7*w>>3:]) >> (7 * w & 7) & mask
		over |= (v4 + room) | (v5 + room) | (v6 + room) | (v7 + room)
		s[4] += v4
		s[5] += v5
		s[6] += v6
		s[7] += v7
		sum, in = sum[eight:], in[w:]
		done++
	}
	return done, over
}

// writeGroupsOf writes groups of numbers as long as there are a whole group
// and a window, and returns how many. Each number is stored with the bits
// before it in its first byte; up to seven zero bytes follow the last.
func writeGroupsOf[W width](out []byte, values []uint64) (done int) {
	var size W
	w := uint(len(size))
	for len(values) >= 8 && len(out) >= window {
		v, g := (*[8]uint64)(values), (*[window]byte)(out)
		word := v[0]
		binary.LittleEndian.PutUint64(g[0:], word)
		word = word>>(w>>3<<3) | v[1]<<(w&7)
		binary.LittleEndian.PutUint64(g[w>>3:], word)
		word = word>>((2*w>>3-w>>3)<<3) | v[2]<<(2*w&7)
		binary.LittleEndian.PutUint64(g[2*w>>3:], word)
		word = word>>((3*w>>3-2*w>>3)<<3) | v[3]<<(3*w&7)
		binary.LittleEndian.PutUint64(g[3*w>>3:], word)
		word = word>>((4*w>>3-3*w>>3)<<3) | v[4]<<(4*w&7)
		binary.LittleEndian.PutUint64(g[4*w>>3:], word)
		word = word>>((5*w>>3-4*w>>3)<<3) | v[5]<<(5*w&7)
		binary.LittleEndian.PutUint64(g[5*w>>3:], word)
		word = word>>((6*w>>3-5*w>>3)<<3) | v[6]<<(6*w&7)
		binary.LittleEndian.PutUint64(g[6*w>>3:], word)
		word = word>>((7*w>>3-6*w>>3)<<3) | v[7]<<(7*w&7)
		binary.LittleEndian.PutUint64(g[7*w>>3:], word)
		values, out = values[8:], out[w:]
		done++
	}
	return done
}

// addGroups is addGroupsOf for a width.
func addGroups(sum []uint64, in []byte, w uint, room uint64) (done int, over uint64) {
	if haveVectors {
		return addEights(sum, in, w, room)
	}
	switch w {
	case 20:
		return addGroupsOf[[20]byte](sum, in, room)
	case 21:
		return addGroupsOf[[21]byte](sum, in, room)
	case 22:
		return addGroupsOf[[22]byte](sum, in, room)
	case 23:
		return addGroupsOf[[23]byte](sum, in, room)
	case 24:
		return addGroupsOf[[24]byte](sum, in, room)
	case 25:
		return addGroupsOf[[25]byte](sum, in, room)
	case 26:
		return addGroupsOf[[26]byte](sum, in, room)
	case 27:
		return addGroupsOf[[27]byte](sum, in, room)
	case 28:
		return addGroupsOf[[28]byte](sum, in, room)
	case 29:
		return addGroupsOf[[29]byte](sum, in, room)
	case 30:
		return addGroupsOf[[30]byte](sum, in, room)
	case 31:
		return addGroupsOf[[31]byte](sum, in, room)
	case 32:
		return addGroupsOf[[32]byte](sum, in, room)
	case 33:
		return addGroupsOf[[33]byte](sum, in, room)
	case 34:
		return addGroupsOf[[34]byte](sum, in, room)
	case 35:
		return addGroupsOf[[35]byte](sum, in, room)
	case 36:
		return addGroupsOf[[36]byte](sum, in, room)
	case 37:
		return addGroupsOf[[37]byte](sum, in, room)
	case 38:
		return addGroupsOf[[38]byte](sum, in, room)
	case 39:
		return addGroupsOf[[39]byte](sum, in, room)
	case 40:
		return addGroupsOf[[40]byte](sum, in, room)
	case 41:
		return addGroupsOf[[41]byte](sum, in, room)
	case 42:
		return addGroupsOf[[42]byte](sum, in, room)
	case 43:
		return addGroupsOf[[43]byte](sum, in, room)
	case 44:
		return addGroupsOf[[44]byte](sum, in, room)
	case 45:
		return addGroupsOf[[45]byte](sum, in, room)
	case 46:
		return addGroupsOf[[46]byte](sum, in, room)
	case 47:
		return addGroupsOf[[47]byte](sum, in, room)
	case 48:
		return addGroupsOf[[48]byte](sum, in, room)
	case 49:
		return addGroupsOf[[49]byte](sum, in, room)
	case 50:
		return addGroupsOf[[50]byte](sum, in, room)
	}
	return 0, 0
}

// writeGroups is writeGroupsOf for a width.
func writeGroups(out []byte, values []uint64, w uint) (done int) {
	switch w {
	case 20:
		return writeGroupsOf[[20]byte](out, values)
	case 21:
		return writeGroupsOf[[21]byte](out, values)
	case 22:
		return writeGroupsOf[[22]byte](out, values)
	case 23:
		return writeGroupsOf[[23]byte](out, values)
	case 24:
		return writeGroupsOf[[24]byte](out, values)
	case 25:
		return writeGroupsOf[[25]byte](out, values)
	case 26:
		return writeGroupsOf[[26]byte](out, values)
	case 27:
		return writeGroupsOf[[27]byte](out, values)
	case 28:
		return writeGroupsOf[[28]byte](out, values)
	case 29:
		return writeGroupsOf[[29]byte](out, values)
	case 30:
		return writeGroupsOf[[30]byte](out, values)
	case 31:
		return writeGroupsOf[[31]byte](out, values)
	case 32:
		return writeGroupsOf[[32]byte](out, values)
	case 33:
		return writeGroupsOf[[33]byte](out, values)
	case 34:
		return writeGroupsOf[[34]byte](out, values)
	case 35:
		return writeGroupsOf[[35]byte](out, values)
	case 36:
		return writeGroupsOf[[36]byte](out, values)
	case 37:
		return writeGroupsOf[[37]byte](out, values)
	case 38:
		return writeGroupsOf[[38]byte](out, values)
	case 39:
		return writeGroupsOf[[39]byte](out, values)
	case 40:
		return writeGroupsOf[[40]byte](out, values)
	case 41:
		return writeGroupsOf[[41]byte](out, values)
	case 42:
		return writeGroupsOf[[42]byte](out, values)
	case 43:
		return writeGroupsOf[[43]byte](out, values)
	case 44:
		return writeGroupsOf[[44]byte](out, values)
	case 45:
		return writeGroupsOf[[45]byte](out, values)
	case 46:
		return writeGroupsOf[[46]byte](out, values)
	case 47:
		return writeGroupsOf[[47]byte](out, values)
	case 48:
		return writeGroupsOf[[48]byte](out, values)
	case 49:
		return writeGroupsOf[[49]byte](out, values)
	case 50:
		return writeGroupsOf[[50]byte](out, values)
	}
	return 0
}
