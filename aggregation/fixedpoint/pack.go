package fixedpoint

import "fmt"

// Packing lays the fields of a vector side by side in large numbers, its
// coefficients: the first PerCoefficient fields in the first, and so on. Field
// i of a coefficient occupies Width bits from bit Offset+i*Width on. A
// coefficient is three little-endian words of WordBits bits, Width to 64,
// which stand in three slices at the coefficient's index.
type Packing struct {
	PerCoefficient, Width, Offset, WordBits int
}

// Coefficients returns how many coefficients hold count fields.
func (g Packing) Coefficients(count int) int {
	return (count + g.PerCoefficient - 1) / g.PerCoefficient
}

// maxPerCoefficient bounds PerCoefficient: fields of one bit in three words of 64.
const maxPerCoefficient = 192

// run is what one word of a coefficient has of its fields: count of them from
// the first on. Of the first, down bits lie in the word before, or it begins at
// bit shift. The last may go on in the next word.
type run struct {
	first, count int
	down, shift  uint
}

func (g Packing) run(word int) run {
	begin, end := word*g.WordBits-g.Offset, (word+1)*g.WordBits-g.Offset // bits, from field 0 on
	r := run{first: max(begin, 0) / g.Width}
	r.count = max(0, min((end+g.Width-1)/g.Width, g.PerCoefficient)-r.first)
	if at := r.first*g.Width - begin; at < 0 {
		r.down = uint(-at)
	} else {
		r.shift = uint(at)
	}
	if end <= 0 {
		r.count = 0
	}
	return r
}

// Pack sets the coefficients of the fields, each below 2^Width; what has no
// field is 0.
func (g Packing) Pack(words *[3][]uint64, fields []uint32) {
	count := g.Coefficients(len(fields))
	g.check(words, count)
	whole := len(fields) / g.PerCoefficient
	var last [maxPerCoefficient]uint32
	copy(last[:], fields[whole*g.PerCoefficient:])
	for j := range words {
		r := g.run(j)
		g.packRun(words[j][:whole], fields, r)
		g.packRun(words[j][whole:count], last[:], r)
	}
	clear(last[:])
}

// packRun sets one word of each coefficient. Multiplications by powers of two
// are shifts that cost less than those by a variable.
func (g Packing) packRun(words []uint64, fields []uint32, r run) {
	if r.count == 0 {
		clear(words)
		return
	}
	mask, down := ^uint64(0)>>(64-g.WordBits), r.down&63
	width, shift, rest := uint64(1)<<g.Width, uint64(1)<<r.shift, uint64(1)<<(uint(g.Width)+r.shift-r.down)
	at, step := uint(r.first), uint(g.PerCoefficient)
	switch r.count {
	case 2:
		for c := range words {
			f := (*[2]uint32)(fields[at:])
			words[c] = (uint64(f[1])*rest + uint64(f[0])*shift>>down) & mask
			at += step
		}
	case 3:
		for c := range words {
			f := (*[3]uint32)(fields[at:])
			v := uint64(f[2])*width + uint64(f[1])
			words[c] = (v*rest + uint64(f[0])*shift>>down) & mask
			at += step
		}
	case 4:
		for c := range words {
			f := (*[4]uint32)(fields[at:])
			v := (uint64(f[3])*width+uint64(f[2]))*width + uint64(f[1])
			words[c] = (v*rest + uint64(f[0])*shift>>down) & mask
			at += step
		}
	default:
		for c := range words {
			own := fields[at : at+uint(r.count)]
			v := uint64(0)
			for i := len(own) - 1; i > 0; i-- {
				v = v*width + uint64(own[i])
			}
			words[c] = (v*rest + uint64(own[0])*shift>>down) & mask
			at += step
		}
	}
}

// Unpack writes the fields of the coefficients into dst and reports whether
// all of them are at most largest, which is below 2^63.
func (g Packing) Unpack(dst []uint64, words *[3][]uint64, largest uint64) bool {
	count := g.Coefficients(len(dst))
	g.check(words, count)
	whole := len(dst) / g.PerCoefficient
	over := uint64(0)
	var last [maxPerCoefficient]uint64
	for j, low := range words {
		high := words[min(j+1, len(words)-1)] // a field of the last word ends in it
		r := g.run(j)
		if r.down > 0 { // that field is the word's before
			r.first, r.count, r.shift = r.first+1, r.count-1, uint(g.Width)-r.down
		}
		over |= g.unpackRun(dst, low[:whole], high[:whole], r, largest)
		g.unpackRun(last[:], low[whole:count], high[whole:count], r, 0)
	}
	rest := dst[whole*g.PerCoefficient:]
	for i := range rest {
		rest[i] = last[i]
		over |= largest - last[i]
	}
	return over>>63 == 0
}

// unpackRun writes the fields that begin in one word of each coefficient. The
// top bit of its result is set when one is above largest.
func (g Packing) unpackRun(dst, low, high []uint64, r run, largest uint64) (over uint64) {
	if r.count <= 0 {
		return 0
	}
	mask, width, shift := uint64(1)<<g.Width-1, uint(g.Width)&63, r.shift&63
	in := uint(g.WordBits) - r.shift - uint((r.count-1)*g.Width) // bits of the last field in low
	at, step := uint(r.first), uint(g.PerCoefficient)
	high = high[:len(low)]
	inside, more := mask, in&63
	if in >= uint(g.Width) {
		inside = 0
	}
	switch r.count {
	case 2:
		for c, v := range low {
			d := (*[2]uint64)(dst[at:])
			v >>= shift
			x := v & mask
			over |= largest - x
			d[0] = x
			v = (v>>width | high[c]<<more&inside) & mask
			over |= largest - v
			d[1] = v
			at += step
		}
	case 3:
		for c, v := range low {
			d := (*[3]uint64)(dst[at:])
			v >>= shift
			x := v & mask
			over |= largest - x
			d[0] = x
			v >>= width
			x = v & mask
			over |= largest - x
			d[1] = x
			v = (v>>width | high[c]<<more&inside) & mask
			over |= largest - v
			d[2] = v
			at += step
		}
	default:
		for c, v := range low {
			own := dst[at : at+uint(r.count)]
			v >>= shift
			for i := range own[1:] {
				x := v & mask
				over |= largest - x
				own[i] = x
				v >>= width
			}
			v = (v | high[c]<<more&inside) & mask
			over |= largest - v
			own[len(own)-1] = v
			at += step
		}
	}
	return over
}

// check panics on what a caller must have made right.
func (g Packing) check(words *[3][]uint64, count int) {
	if g.PerCoefficient < 1 || g.Width < 1 || g.Width > 63 || g.Offset < 0 || g.WordBits < g.Width || g.WordBits > 64 ||
		g.Offset+g.PerCoefficient*g.Width > 3*g.WordBits {
		panic(fmt.Sprintf("fixedpoint: packing %+v", g))
	}
	for i := range words {
		if len(words[i]) < count {
			panic(fmt.Sprintf("fixedpoint: %d words for %d coefficients", len(words[i]), count))
		}
	}
}
