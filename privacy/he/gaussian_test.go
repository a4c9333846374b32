package he

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"testing"
)

// expMinus returns exp(-x) by its series, x >= 0 up to about 20, in 400 bits.
func expMinus(x *big.Float) *big.Float {
	sum := new(big.Float).SetPrec(400).SetInt64(1)
	term := new(big.Float).SetPrec(400).SetInt64(1)
	for i := int64(1); i < 400; i++ {
		term.Mul(term, x)
		term.Quo(term, big.NewFloat(float64(i)))
		sum.Add(sum, term)
	}
	return new(big.Float).SetPrec(400).Quo(new(big.Float).SetPrec(400).SetInt64(1), sum)
}

// weights returns rho(k) for k = 0..28 and their sum over -28..28.
func weights() (rho []*big.Float, total *big.Float) {
	total = new(big.Float).SetPrec(400)
	for k := int64(0); k <= NoiseBound; k++ {
		x := new(big.Float).SetPrec(400).SetInt64(100 * k * k)
		r := expMinus(x.Quo(x, big.NewFloat(4096))) // k^2/40.96
		rho = append(rho, r)
		total.Add(total, r)
		if k > 0 {
			total.Add(total, r)
		}
	}
	return rho, total
}

func TestCumulativeTable(t *testing.T) {
	rho, total := weights()
	sum := new(big.Float).SetPrec(400)
	for k, have := range cumulative {
		sum.Add(sum, rho[k])
		if k > 0 {
			sum.Add(sum, rho[k])
		}
		share := new(big.Float).SetPrec(400).Quo(sum, total)
		want, _ := share.Mul(share, new(big.Float).SetMantExp(big.NewFloat(1), 63)).Uint64()
		if have != want {
			t.Errorf("cumulative[%d] = %#x, want %#x", k, have, want)
		}
	}
}

// TestGaussianAtThresholds compares with a plain search at and beside every
// threshold, both signs, and both code paths.
func TestGaussianAtThresholds(t *testing.T) {
	var words []uint64
	for _, c := range cumulative {
		for _, u := range []uint64{c - 1, c, c + 1} {
			words = append(words, u, u|1<<63)
		}
	}
	words = append(words, 0, 1<<63, low63, 1<<64-1)
	rng := rand.New(rand.NewPCG(1, 1))
	for len(words)%16 != 0 || len(words) < 1000 {
		words = append(words, rng.Uint64())
	}
	buf := make([]byte, 32)
	var four [4]int16
	sixteen, all := make([]int16, len(words)), make([]byte, 8*len(words))
	if haveVectors {
		for i, w := range words {
			binary.LittleEndian.PutUint64(all[8*i:], w)
		}
		vectorGaussian(&sixteen[0], &all[0], len(words), &before)
	}
	for i := 0; i < len(words); i += 4 {
		for j, w := range words[i : i+4] {
			binary.LittleEndian.PutUint64(buf[8*j:], w)
		}
		gaussian4(&four, (*[32]byte)(buf))
		for j, w := range words[i : i+4] {
			want := int16(0)
			for int(want) < NoiseBound && w&low63 >= cumulative[want] {
				want++
			}
			if w>>63 == 1 {
				want = -want
			}
			if got := gaussian(w); got != want || four[j] != want || haveVectors && sixteen[i+j] != want {
				t.Fatalf("word %#x gives %d, %d and %d, want %d", w, got, four[j], sixteen[i+j], want)
			}
		}
	}
}

// TestGaussianDistribution draws 2^20 values and compares the counts of -18 to
// 18, and of both tails beyond, with their probabilities. Chi-square with 38
// degrees of freedom exceeds 95 with probability below 1e-5 (Wilson and
// Hilferty: 90).
func TestGaussianDistribution(t *testing.T) {
	const draws, edge = 1 << 20, 18
	source, err := newSecretSource(rand.NewChaCha8([32]byte{5}))
	if err != nil {
		t.Fatal(err)
	}
	values := make([]int16, draws)
	sampleGaussian(values, source.from(0), make([]byte, 4096))
	var count [2*edge + 3]float64
	for _, v := range values {
		if v < -NoiseBound || v > NoiseBound {
			t.Fatalf("value %d", v)
		}
		count[min(max(int(v), -edge-1), edge+1)+edge+1]++
	}
	rho, total := weights()
	norm, _ := total.Float64()
	chi := 0.0
	for i, have := range count {
		k := i - edge - 1
		p := 0.0
		if k < -edge || k > edge {
			for j := edge + 1; j <= NoiseBound; j++ {
				r, _ := rho[j].Float64()
				p += r / norm
			}
		} else {
			r, _ := rho[max(k, -k)].Float64()
			p = r / norm
		}
		chi += (have - p*draws) * (have - p*draws) / (p * draws)
	}
	if chi > 95 {
		t.Errorf("chi-square %v", chi)
	}
}
