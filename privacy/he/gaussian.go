package he

import (
	"crypto/cipher"
	"encoding/binary"
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
// buf holds bytes of the stream and is left as it is.
func sampleGaussian(dst []int16, stream cipher.Stream, buf []byte) {
	for len(dst) > 0 {
		n := min(len(dst), len(buf)/8)
		words := buf[:8*n]
		clear(words)
		stream.XORKeyStream(words, words)
		i := 0
		for ; i+4 <= n; i += 4 {
			gaussian4(dst[i:i+4], words[8*i:8*i+32])
		}
		for ; i < n; i++ {
			dst[i] = gaussian(binary.LittleEndian.Uint64(words[8*i:]))
		}
		dst = dst[n:]
	}
}

const low63 = 1<<63 - 1

// gaussian maps one uniform word to a value. For u and t below 2^63 the top
// bit of t-1-u says whether u >= t.
func gaussian(word uint64) int16 {
	u, x := word&low63, uint64(0)
	for _, t := range cumulative {
		x += (t - 1 - u) >> 63
	}
	return signed(x, word)
}

// gaussian4 is gaussian on four words at a time.
func gaussian4(dst []int16, words []byte) {
	w0 := binary.LittleEndian.Uint64(words[0:8])
	w1 := binary.LittleEndian.Uint64(words[8:16])
	w2 := binary.LittleEndian.Uint64(words[16:24])
	w3 := binary.LittleEndian.Uint64(words[24:32])
	u0, u1, u2, u3 := w0&low63+1, w1&low63+1, w2&low63+1, w3&low63+1
	var x0, x1, x2, x3 uint64
	for _, t := range cumulative {
		x0 += (t - u0) >> 63
		x1 += (t - u1) >> 63
		x2 += (t - u2) >> 63
		x3 += (t - u3) >> 63
	}
	_ = dst[3]
	dst[0], dst[1], dst[2], dst[3] = signed(x0, w0), signed(x1, w1), signed(x2, w2), signed(x3, w3)
}

// signed negates x when the top bit of word is set.
func signed(x, word uint64) int16 {
	sign := -(word >> 63)
	return int16((x ^ sign) - sign)
}
