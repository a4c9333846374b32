package he

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// BenchmarkFingerprint encrypts each segment and fingerprints it, for one of
// ten hospitals and fields of 16 bits. It reports the processor time of one
// thread for both, apart, and the one as a share of the other.
func BenchmarkFingerprint(b *testing.B) {
	for _, bm := range []struct {
		name  string
		count int
	}{{"1M", million}, {"25M", 25 * million}} {
		b.Run(bm.name, func(b *testing.B) {
			p := parameters(b, choose(b, bm.count, 10, 16))
			source := rand.NewChaCha8([32]byte{1})
			fields := make([]uint32, bm.count)
			for i := range fields {
				fields[i] = uint32(i) & 0xffff
			}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var encrypting, hashing time.Duration
			var wire []byte
			for b.Loop() {
				began := threadTime(b)
				key, err := p.NewKey(source)
				if err != nil {
					b.Fatal(err)
				}
				encrypting += threadTime(b) - began
				began = threadTime(b)
				hash := p.NewFingerprint([32]byte{1})
				hashing += threadTime(b) - began
				for _, s := range p.Segments(0) {
					from, to := p.Fields(s.First, s.Last)
					began = threadTime(b)
					if wire, err = p.EncryptBlocks(wire[:0], s.First, s.Last, [32]byte{}, key, fields[from:to], source); err != nil {
						b.Fatal(err)
					}
					encrypted := threadTime(b)
					if err := hash.Add(s.First, s.Last, wire); err != nil {
						b.Fatal(err)
					}
					hashing += threadTime(b) - encrypted
					encrypting += encrypted - began
				}
				if _, err := hash.Bytes(); err != nil {
					b.Fatal(err)
				}
			}
			params := float64(b.N) * float64(bm.count)
			coefficients := float64(b.N) * float64(p.layout.coefficients)
			b.ReportMetric(float64(encrypting.Nanoseconds())/params, "encrypt-ns/param")
			b.ReportMetric(float64(hashing.Nanoseconds())/params, "ns/param")
			b.ReportMetric(float64(hashing)/float64(encrypting), "of-encrypt")
			b.ReportMetric(coefficients/hashing.Seconds(), "coefficients/s")
			b.ReportMetric(float64(p.points), "points")
			b.ReportMetric(0, "ns/op")
		})
	}
}
