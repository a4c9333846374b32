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

// place is where a field of a coefficient lies.
type place struct {
	word        int
	shift, rest uint // bits below it in the word, and from it to the word's end
	split       bool // it goes on in the next word
}

func (g Packing) place(i int) place {
	at := g.Offset + i*g.Width
	p := place{word: at / g.WordBits, shift: uint(at % g.WordBits)}
	p.rest = uint(g.WordBits) - p.shift
	p.split = p.rest < uint(g.Width)
	return p
}

// Pack sets the coefficients of the fields, each below 2^Width; what has no
// field is 0.
func (g Packing) Pack(words *[3][]uint64, fields []uint32) {
	count := g.Coefficients(len(fields))
	g.check(words, count)
	for i := range words {
		clear(words[i][:count])
	}
	for i := range g.PerCoefficient {
		p := g.place(i)
		if low := words[p.word][:count]; p.split {
			packSplit(low, words[p.word+1][:count], fields, uint(i), uint(g.PerCoefficient), p)
		} else {
			packWhole(low, fields, uint(i), uint(g.PerCoefficient), p.shift)
		}
	}
}

// packWhole adds every step-th field from at on to a word each.
func packWhole(low []uint64, fields []uint32, at, step, shift uint) {
	shift &= 63
	for c, v := range low {
		if at >= uint(len(fields)) {
			return
		}
		low[c] = v | uint64(fields[at])<<shift
		at += step
	}
}

// packSplit adds every step-th field from at on to two words each.
func packSplit(low, high []uint64, fields []uint32, at, step uint, p place) {
	shift, rest := p.shift&63, p.rest&63
	mask := uint64(1)<<rest - 1
	high = high[:len(low)]
	for c, v := range low {
		if at >= uint(len(fields)) {
			return
		}
		field := uint64(fields[at])
		low[c] = v | field&mask<<shift
		high[c] |= field >> rest
		at += step
	}
}

// Unpack writes the fields of the coefficients into dst and reports whether
// all of them are at most largest, which is below 2^63.
func (g Packing) Unpack(dst []uint64, words *[3][]uint64, largest uint64) bool {
	count := g.Coefficients(len(dst))
	g.check(words, count)
	over := uint64(0)
	for i := range g.PerCoefficient {
		p := g.place(i)
		if low := words[p.word][:count]; p.split {
			over |= g.unpackSplit(dst, low, words[p.word+1][:count], uint(i), p, largest)
		} else {
			over |= g.unpackWhole(dst, low, uint(i), p.shift, largest)
		}
	}
	return over>>63 == 0
}

// unpackWhole takes every PerCoefficient-th field from at on out of a word
// each. The top bit of its result is set when one is above largest.
func (g Packing) unpackWhole(dst, low []uint64, at, shift uint, largest uint64) (over uint64) {
	step, mask := uint(g.PerCoefficient), uint64(1)<<g.Width-1
	shift &= 63
	for _, v := range low {
		if at >= uint(len(dst)) {
			break
		}
		v = v >> shift & mask
		over |= largest - v
		dst[at] = v
		at += step
	}
	return over
}

// unpackSplit is unpackWhole for two words each.
func (g Packing) unpackSplit(dst, low, high []uint64, at uint, p place, largest uint64) (over uint64) {
	step, mask := uint(g.PerCoefficient), uint64(1)<<g.Width-1
	shift, rest := p.shift&63, p.rest&63
	high = high[:len(low)]
	for c, v := range low {
		if at >= uint(len(dst)) {
			break
		}
		v = (v>>shift | high[c]<<rest) & mask
		over |= largest - v
		dst[at] = v
		at += step
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
