package he

import (
	"math/rand/v2"
	"testing"
)

// report adds milliseconds of one core per million parameters and bytes per
// parameter.
func report(b *testing.B, p *Parameters) {
	millions := float64(p.Literal().Count) / 1e6
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1e3/float64(b.N)/millions, "ms/Mparam")
	b.ReportMetric(float64(p.CiphertextBytes())/float64(p.Literal().Count), "bytes/param")
	b.ReportMetric(0, "ns/op")
}

var benchmarks = []struct {
	name        string
	group, bits int
}{{"10x16", 10, 16}, {"128x16", 128, 16}, {"10x8", 10, 8}}

func BenchmarkEncrypt(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			p := parameters(b, choose(b, 1_000_000, bm.group, bm.bits))
			source := rand.NewChaCha8([32]byte{1})
			fields, out := make([]uint32, 1_000_000), make([]byte, 0, p.CiphertextBytes())
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
			p := parameters(b, choose(b, 1_000_000, bm.group, bm.bits))
			wire := encryptRandom(b, p, [32]byte{}, rand.NewChaCha8([32]byte{1})).wire
			sum := p.NewSum()
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
			p := parameters(b, choose(b, 1_000_000, bm.group, bm.bits))
			sum, key, fields := collect(b, p, [32]byte{}, 2, rand.NewChaCha8([32]byte{1}))
			for b.Loop() {
				if err := p.Open([32]byte{}, key, sum, 2, fields); err != nil {
					b.Fatal(err)
				}
			}
			report(b, p)
		})
	}
}

func BenchmarkParameters(b *testing.B) {
	for b.Loop() {
		parameters(b, choose(b, 1_000_000, 10, 16))
	}
}
