package he

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/aggregation/fixedpoint"
)

// submission is what one hospital holds.
type submission struct {
	fields []uint32
	key    []int16
	wire   []byte
}

// encryptRandom encrypts random fields, about one in eight of them largest.
func encryptRandom(t testing.TB, p *Parameters, seed [32]byte, source io.Reader) submission {
	t.Helper()
	key, err := p.NewKey(source)
	if err != nil {
		t.Fatal(err)
	}
	s := submission{fields: make([]uint32, p.Literal().Count), key: key.Coefficients()}
	raw := make([]byte, 5*len(s.fields))
	if _, err := io.ReadFull(source, raw); err != nil {
		t.Fatal(err)
	}
	for i := range s.fields {
		for j := range p.Literal().Bits / 8 {
			s.fields[i] |= uint32(raw[5*i+j]) << (8 * j)
		}
		if raw[5*i+4] < 32 {
			s.fields[i] = uint32(fixedpoint.Max(p.Literal().Bits))
		}
	}
	if s.wire, err = p.Encrypt(seed, key, s.fields, source); err != nil {
		t.Fatal(err)
	}
	if len(s.wire) != p.CiphertextBytes() {
		t.Fatalf("ciphertext of %d bytes, want %d", len(s.wire), p.CiphertextBytes())
	}
	return s
}

// collect encrypts n submissions and returns their sums.
func collect(t testing.TB, p *Parameters, seed [32]byte, n int, source io.Reader) (sum *Sum, key []int32, fields []uint64) {
	t.Helper()
	sum, key, fields = p.NewSum(), make([]int32, p.N()), make([]uint64, p.Literal().Count)
	for range n {
		s := encryptRandom(t, p, seed, source)
		if err := sum.Add(s.wire); err != nil {
			t.Fatal(err)
		}
		for i, v := range s.key {
			key[i] += int32(v)
		}
		for i, v := range s.fields {
			fields[i] += uint64(v)
		}
	}
	return sum, key, fields
}

func TestRoundTrip(t *testing.T) {
	type shape struct{ count, group, n, bits int }
	rng := rand.New(rand.NewPCG(1, 1))
	shapes := []shape{{30_000, 10, 10, 16}, {400_000, 3, 2, 8}, {50_000, 40, 40, 32}, {16, 4, 3, 16}, {1, 2, 2, 8}, {1, 1170, 5, 32}}
	for count := 1; count <= 50; count++ {
		group := 2 + rng.IntN(39)
		shapes = append(shapes, shape{count, group, 2 + rng.IntN(group-1), 8 * (1 + rng.IntN(4))})
	}
	for i, s := range shapes {
		p := parameters(t, choose(t, s.count, s.group, s.bits))
		seed := sha256.Sum256([]byte{byte(i)})
		sum, key, want := collect(t, p, seed, s.n, rand.NewChaCha8(seed))
		decoded, err := p.UnmarshalSum(sum.Marshal())
		if err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		got := make([]uint64, s.count)
		if err := p.Open(seed, key, decoded, s.n, got); err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v: (-want +got):\n%s", s, diff)
		}
	}
}

// TestRoundTripRings covers one, two and three primes at N = 8192, where
// Choose takes three.
func TestRoundTripRings(t *testing.T) {
	for _, k := range []int{1, 2, 3, 4, 5, 6} {
		l := choose(t, 60_000, 10, 16)
		l.LogN, l.PerCoefficient = 13, k
		l, ok := l.complete()
		if !ok {
			t.Fatalf("no ring for %d fields", k)
		}
		p := parameters(t, l)
		sum, key, want := collect(t, p, [32]byte{}, 10, rand.NewChaCha8([32]byte{byte(k)}))
		got := make([]uint64, len(want))
		if err := p.Open([32]byte{}, key, sum, 10, got); err != nil {
			t.Fatalf("%d primes: %v", len(l.Primes), err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%d primes: (-want +got):\n%s", len(l.Primes), diff)
		}
	}
}

// TestSegmentsEqualTheWhole opens segment by segment and compares with the
// whole, for ciphertexts and sums.
func TestSegmentsEqualTheWhole(t *testing.T) {
	p := parameters(t, choose(t, 60_000, 5, 16))
	seed, source := [32]byte{3}, rand.NewChaCha8([32]byte{4})
	sum, key, want := collect(t, p, seed, 3, source)
	whole := sum.Marshal()
	var joined []byte
	got := make([]uint64, len(want))
	rest := whole
	for _, s := range p.Segments(100_000) {
		part, err := p.UnmarshalSegmentSum(s.First, s.Last, rest[:s.Bytes])
		if err != nil {
			t.Fatal(err)
		}
		rest, joined = rest[s.Bytes:], append(joined, part.Marshal()...)
		from, to := p.Fields(s.First, s.Last)
		if err := p.Open(seed, key, part, 3, got[from:to]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(whole, joined) || cmp.Diff(want, got) != "" {
		t.Error("segments differ from the whole")
	}
}

func TestEncryptBlocksBySegment(t *testing.T) {
	p := parameters(t, choose(t, 60_000, 5, 16))
	if p.Blocks() < 3 {
		t.Fatalf("%d blocks", p.Blocks())
	}
	sum, keySum, want := p.NewSum(), make([]int32, p.N()), make([]uint64, p.Literal().Count)
	for h := range 2 {
		source := rand.NewChaCha8([32]byte{byte(h)})
		key, err := p.NewKey(source)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range key.Coefficients() {
			keySum[i] += int32(v)
		}
		fields := make([]uint32, p.Literal().Count)
		for i := range fields {
			fields[i] = uint32(i*(h+1)) & 0xffff
			want[i] += uint64(fields[i])
		}
		var wire []byte
		for _, s := range p.Segments(1) {
			from, to := p.Fields(s.First, s.Last)
			before := len(wire)
			if wire, err = p.EncryptBlocks(wire, s.First, s.Last, [32]byte{}, key, fields[from:to], source); err != nil {
				t.Fatal(err)
			}
			if len(wire)-before != s.Bytes {
				t.Fatalf("segment of %d bytes, want %d", len(wire)-before, s.Bytes)
			}
		}
		if err := sum.Add(wire); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]uint64, len(want))
	if err := p.Open([32]byte{}, keySum, sum, 2, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestParametersAreShared encrypts and opens in several goroutines.
func TestParametersAreShared(t *testing.T) {
	p := parameters(t, choose(t, 30_000, 4, 16))
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			seed := [32]byte{byte(g)}
			sum, key, want := collect(t, p, seed, 2, rand.NewChaCha8(seed))
			got := make([]uint64, len(want))
			if err := p.Open(seed, key, sum, 2, got); err != nil {
				t.Error(err)
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	group.Wait()
}
