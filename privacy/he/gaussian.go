package he

import (
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
)

// cumulative[k] is floor(2^63 * P(|x| <= k)) for k = 0 to 27, where P(x) is
// proportional to exp(-x^2/(2*20.48)) on the integers from -28 to 28: the
// discrete Gaussian of sigma = 3.2*sqrt(2), cut off at 6.2 sigma. The test
// computes it anew from the series of exp.
var cumulative = [NoiseBound]uint64{
	0x0b48a692371f9bce, // |x| <= 0
	0x214e9cc9b933bee9, // |x| <= 1
	0x35c665b1c0211e02, // |x| <= 2
	0x47e40edff999ea78, // |x| <= 3
	0x57292cfc97ebfeb4, // |x| <= 4
	0x636b2c8d92b8fef6, // |x| <= 5
	0x6cca1f506a99b17c, // |x| <= 6
	0x739cae70868f62dd, // |x| <= 7
	0x7857ab67beb41faa, // |x| <= 8
	0x7b774d7522a8e1da, // |x| <= 9
	0x7d6e26421f26756e, // |x| <= 10
	0x7e9b4b4393654977, // |x| <= 11
	0x7f470c73c42ec4c9, // |x| <= 12
	0x7fa456c0529cadba, // |x| <= 13
	0x7fd4987aa9ff7efe, // |x| <= 14
	0x7fec5e3acc6067a9, // |x| <= 15
	0x7ff78559b30b3865, // |x| <= 16
	0x7ffc80fe3516723d, // |x| <= 17
	0x7ffe9fc725c5d881, // |x| <= 18
	0x7fff7bb9ee29a200, // |x| <= 19
	0x7fffd09b56b25994, // |x| <= 20
	0x7fffefcd56af9e9d, // |x| <= 21
	0x7ffffab87cc26542, // |x| <= 22
	0x7ffffe5c2f38cbac, // |x| <= 23
	0x7fffff83f1abab08, // |x| <= 24
	0x7fffffdd5b3561d8, // |x| <= 25
	0x7ffffff7194542b1, // |x| <= 26
	0x7ffffffe282ddee8, // |x| <= 27
}

// sampleGaussian fills dst from the stream with constant-time steps: a word's
// low 63 bits count the thresholds that they reach, its top bit is the sign.
// Each value takes one word. buf holds bytes of the stream and is left as it
// is.
func sampleGaussian(dst []int16, stream cipher.Stream, buf []byte) {
	for len(dst) > 0 {
		n := min(len(dst), len(buf)/8)
		words := buf[:8*n]
		keyStream(stream, words)
		i := 0
		if whole := n &^ 15; haveVectors && whole > 0 {
			vectorGaussian(&dst[0], &words[0], whole, &before)
			i = whole
		}
		for ; i+4 <= n; i += 4 {
			gaussian4((*[4]int16)(dst[i:]), (*[32]byte)(words[8*i:]))
		}
		for ; i < n; i++ {
			dst[i] = gaussian(binary.LittleEndian.Uint64(words[8*i:]))
		}
		dst = dst[n:]
	}
}

const low63 = 1<<63 - 1

// complements[k] is 2^64 - cumulative[k].
var complements = func() (t [NoiseBound]uint64) {
	for k, c := range cumulative {
		t[k] = -c
	}
	return t
}()

// before[k] is cumulative[k]-1.
var before = func() (t [NoiseBound]uint64) {
	for k, c := range cumulative {
		t[k] = c - 1
	}
	return t
}()

// gaussian maps one uniform word to a value.
func gaussian(word uint64) int16 {
	x := uint64(0)
	for _, t := range complements {
		x = reached(x, word&low63, t)
	}
	return signed(x, word)
}

// gaussian4 is gaussian on four words at a time.
func gaussian4(dst *[4]int16, words *[32]byte) {
	w0 := binary.LittleEndian.Uint64(words[0:])
	w1 := binary.LittleEndian.Uint64(words[8:])
	w2 := binary.LittleEndian.Uint64(words[16:])
	w3 := binary.LittleEndian.Uint64(words[24:])
	u0, u1, u2, u3 := w0&low63, w1&low63, w2&low63, w3&low63
	var x0, x1, x2, x3 uint64
	for i := 0; i < len(complements); i += 4 {
		t := (*[4]uint64)(complements[i : i+4])
		x0, x1, x2, x3 = reached(x0, u0, t[0]), reached(x1, u1, t[0]), reached(x2, u2, t[0]), reached(x3, u3, t[0])
		x0, x1, x2, x3 = reached(x0, u0, t[1]), reached(x1, u1, t[1]), reached(x2, u2, t[1]), reached(x3, u3, t[1])
		x0, x1, x2, x3 = reached(x0, u0, t[2]), reached(x1, u1, t[2]), reached(x2, u2, t[2]), reached(x3, u3, t[2])
		x0, x1, x2, x3 = reached(x0, u0, t[3]), reached(x1, u1, t[3]), reached(x2, u2, t[3]), reached(x3, u3, t[3])
	}
	dst[0], dst[1], dst[2], dst[3] = signed(x0, w0), signed(x1, w1), signed(x2, w2), signed(x3, w3)
}

// reached returns x, and one more when u reaches the threshold whose complement
// is t: u + (2^64-threshold) carries.
func reached(x, u, t uint64) uint64 {
	_, carry := bits.Add64(u, t, 0)
	x, _ = bits.Add64(x, 0, carry)
	return x
}

// signed negates x when the top bit of word is set.
func signed(x, word uint64) int16 {
	sign := -(word >> 63)
	return int16((x ^ sign) - sign)
}
