package he

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"atrium/privacy/shamir"
)

// each measures do, which works on a million parameters, and reports the
// milliseconds of one core that it takes, whatever else the machine does, and
// its allocations.
func each(b *testing.B, bytes float64, do func() error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	var used time.Duration
	for b.Loop() {
		began := threadTime(b)
		if err := do(); err != nil {
			b.Fatal(err)
		}
		used += threadTime(b) - began
	}
	b.ReportMetric(float64(used.Nanoseconds())/1e6/float64(b.N), "ms/Mparam")
	b.ReportMetric(bytes, "bytes/param")
	b.ReportMetric(0, "ns/op")
}

// threadTime returns the processor time of the calling thread.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// size returns the bytes of a ciphertext per parameter.
func size(p *Parameters) float64 { return float64(p.CiphertextBytes()) / million }

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
	each(b, 4, func() error {
		for i, v := range values {
			binary.LittleEndian.PutUint32(wire[4*i:], math.Float32bits(float32(v)))
		}
		copy(stored, wire)
		return nil
	})
}

// BenchmarkEncrypt draws the key too.
func BenchmarkEncrypt(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			p := parameters(b, choose(b, million, bm.group, bm.bits))
			source := rand.NewChaCha8([32]byte{1})
			fields, out := make([]uint32, million), make([]byte, 0, p.CiphertextBytes())
			each(b, size(p), func() error {
				key, err := p.NewKey(source)
				if err == nil {
					_, err = p.EncryptBlocks(out, 0, p.Blocks(), [32]byte{}, key, fields, source)
				}
				return err
			})
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			p := parameters(b, choose(b, million, bm.group, bm.bits))
			wire := encryptRandom(b, p, [32]byte{}, rand.NewChaCha8([32]byte{1})).wire
			sum := p.NewSum()
			each(b, size(p), func() error { return sum.Add(wire) })
		})
	}
}

// BenchmarkCheckSegment checks what the coordinator takes in.
func BenchmarkCheckSegment(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			p := parameters(b, choose(b, million, bm.group, bm.bits))
			wire := encryptRandom(b, p, [32]byte{}, rand.NewChaCha8([32]byte{1})).wire
			each(b, size(p), func() error { return p.CheckSegment(0, p.Blocks(), wire) })
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
			each(b, size(p), func() error { return key.Open([32]byte{}, sum, fields) })
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
	each(b, float64(10*shamir.EncodedSize(p.N()))/million, func() error {
		_, err := shamir.Share(secret, 7, 10, source)
		return err
	})
}

func BenchmarkParameters(b *testing.B) {
	for b.Loop() {
		parameters(b, choose(b, million, 10, 16))
	}
}
