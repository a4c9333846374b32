package he

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"atrium/privacy/shamir"
)

// report adds milliseconds of one core per million parameters and bytes per
// parameter.
func report(b *testing.B, p *Parameters) {
	perMillion(b, float64(p.CiphertextBytes())/float64(p.Literal().Count))
}

func perMillion(b *testing.B, bytes float64) {
	const millions = million / 1e6
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e6/float64(b.N)/millions, "ms/Mparam")
	b.ReportMetric(bytes, "bytes/param")
	b.ReportMetric(0, "ns/op")
}

const million = 1_000_000

var benchmarks = []struct {
	name        string
	group, bits int
}{{"10x16", 10, 16}, {"128x16", 128, 16}, {"10x8", 10, 8}}

// BenchmarkPlainFloat32 is what a round without encryption would do with the
// same vector: encode it and copy it once.
func BenchmarkPlainFloat32(b *testing.B) {
	values, wire, stored := make([]float64, million), make([]byte, 4*million), make([]byte, 4*million)
	for i := range values {
		values[i] = float64(i) / million
	}
	for b.Loop() {
		for i, v := range values {
			binary.LittleEndian.PutUint32(wire[4*i:], math.Float32bits(float32(v)))
		}
		copy(stored, wire)
	}
	perMillion(b, 4)
}

// BenchmarkEncrypt draws the key too.
func BenchmarkEncrypt(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			p := parameters(b, choose(b, million, bm.group, bm.bits))
			source := rand.NewChaCha8([32]byte{1})
			fields, out := make([]uint32, million), make([]byte, 0, p.CiphertextBytes())
			b.ReportAllocs()
			for b.Loop() {
				key, err := p.NewKey(source)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := p.EncryptBlocks(out, 0, p.Blocks(), [32]byte{}, key, fields, source); err != nil {
					b.Fatal(err)
				}
			}
			report(b, p)
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			p := parameters(b, choose(b, million, bm.group, bm.bits))
			wire := encryptRandom(b, p, [32]byte{}, rand.NewChaCha8([32]byte{1})).wire
			sum := p.NewSum()
			b.ReportAllocs()
			for b.Loop() {
				if err := sum.Add(wire); err != nil {
					b.Fatal(err)
				}
			}
			report(b, p)
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			p := parameters(b, choose(b, million, bm.group, bm.bits))
			sum, keySum, fields := collect(b, p, [32]byte{}, 2, rand.NewChaCha8([32]byte{1}))
			key, err := p.PrepareKeySum(keySum, 2)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := key.Open([32]byte{}, sum, fields); err != nil {
					b.Fatal(err)
				}
			}
			report(b, p)
		})
	}
}

// BenchmarkShare shares the key of a vector of a million among ten custodians.
func BenchmarkShare(b *testing.B) {
	p := parameters(b, choose(b, million, 10, 16))
	source := rand.NewChaCha8([32]byte{1})
	key, err := p.NewKey(source)
	if err != nil {
		b.Fatal(err)
	}
	secret := key.Coefficients()
	for b.Loop() {
		if _, err := shamir.Share(secret, 7, 10, source); err != nil {
			b.Fatal(err)
		}
	}
	perMillion(b, float64(10*shamir.EncodedSize(p.N()))/million)
}

func BenchmarkParameters(b *testing.B) {
	for b.Loop() {
		parameters(b, choose(b, million, 10, 16))
	}
}
