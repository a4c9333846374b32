package he

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fingerprintOf hashes the wire form of a ciphertext in random cuts.
func fingerprintOf(t testing.TB, p *Parameters, seed [32]byte, wire []byte, rng *rand.Rand) []byte {
	t.Helper()
	f := p.NewFingerprint(seed)
	for first := 0; first < p.Blocks(); {
		last := first + 1 + rng.IntN(p.Blocks()-first)
		size := p.layout.segmentBytes(first, last)
		if err := f.Add(first, last, wire[:size]); err != nil {
			t.Fatal(err)
		}
		first, wire = last, wire[size:]
	}
	b, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != p.FingerprintBytes() {
		t.Fatalf("fingerprint of %d bytes, want %d", len(b), p.FingerprintBytes())
	}
	return b
}

// fingerprintCases are rings of one, two and three primes, of few coefficients
// and of several blocks.
func fingerprintCases(t *testing.T, do func(t *testing.T, p *Parameters, rng *rand.Rand)) {
	for i, tt := range []struct{ count, group, bits int }{
		{1, 2, 8}, {5, 10, 16}, {999, 10, 16}, {30_001, 10, 16}, {400_003, 10, 16}, {200_000, 1170, 32}, {70_000, 3, 24},
	} {
		p := parameters(t, choose(t, tt.count, tt.group, tt.bits))
		do(t, p, rand.New(rand.NewPCG(uint64(i), 7)))
	}
}

// TestFingerprintsAddUp compares the sum of fingerprints with the fingerprint
// of the sum.
func TestFingerprintsAddUp(t *testing.T) {
	fingerprintCases(t, func(t *testing.T, p *Parameters, rng *rand.Rand) {
		source, seed := rand.NewChaCha8([32]byte{byte(p.Blocks())}), [32]byte{5, byte(rng.Uint32())}
		sum := p.NewSum()
		var list [][]byte
		for range p.literal.GroupSize%7 + 2 {
			wire := encryptRandom(t, p, [32]byte{}, source).wire
			if err := sum.Add(wire); err != nil {
				t.Fatal(err)
			}
			list = append(list, fingerprintOf(t, p, seed, wire, rng))
		}
		got, err := p.AddFingerprints(list)
		if err != nil {
			t.Fatal(err)
		}
		if want := fingerprintOf(t, p, seed, sum.Marshal(), rng); !bytes.Equal(got, want) {
			t.Errorf("%+v: fingerprints add up to %x, the sum has %x", p.literal, got, want)
		}
		less, err := p.AddFingerprints(list[1:])
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(less, got) {
			t.Errorf("%+v: one hospital less is the same", p.literal)
		}
	})
}

// TestFingerprintInParallel compares goroutines with none.
func TestFingerprintInParallel(t *testing.T) {
	p := parameters(t, choose(t, 200_000, 5, 16))
	wire, rng := encryptRandom(t, p, [32]byte{}, rand.NewChaCha8([32]byte{3})).wire, rand.New(rand.NewPCG(1, 1))
	want := fingerprintOf(t, p, [32]byte{1}, wire, rng)
	for _, workers := range []int{2, 3, 100} {
		if got := fingerprintOf(t, p.Parallel(workers), [32]byte{1}, wire, rng); !bytes.Equal(got, want) {
			t.Errorf("%d goroutines give another fingerprint", workers)
		}
	}
}

// TestFingerprintTells alters ciphertexts in one way at a time.
func TestFingerprintTells(t *testing.T) {
	p := parameters(t, choose(t, 150_000, 5, 16))
	sum, err := p.UnmarshalSum(encryptRandom(t, p, [32]byte{}, rand.NewChaCha8([32]byte{3})).wire)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	seed := [32]byte{1}
	of := func() []byte { return fingerprintOf(t, p, seed, sum.Marshal(), rng) }
	want := of()
	tell := func(what string) {
		t.Helper()
		if bytes.Equal(of(), want) {
			t.Errorf("%s has the same fingerprint", what)
		}
	}
	for _, block := range []int{0, 1, p.Blocks() - 1} {
		b := sum.blocks[block]
		for j := range b {
			for _, c := range []int{0, 1, chunk - 1, chunk, len(b[j]) - 1, rng.IntN(len(b[j]))} {
				b[j][c] += p.primes[j].q - 1
				tell("a coefficient less 1")
				b[j][c]++
				other := (c + 1) % len(b[j])
				b[j][c], b[j][other] = b[j][other], b[j][c]
				tell("an exchange of neighbours")
				b[j][c], b[j][other] = b[j][other], b[j][c]
			}
		}
	}
	sum.blocks[0], sum.blocks[2] = sum.blocks[2], sum.blocks[0]
	tell("an exchange of blocks")
	sum.blocks[0], sum.blocks[2] = sum.blocks[2], sum.blocks[0]
	if !bytes.Equal(of(), want) {
		t.Error("the same ciphertext has another fingerprint")
	}
	seed[31] = 1
	tell("another seed")
}

// TestFingerprintRefuses spoils the last block of a segment, and calls out of
// order; what was added before goes on as if nothing had been.
func TestFingerprintRefuses(t *testing.T) {
	p := parameters(t, choose(t, 30_001, 10, 16))
	wire := encryptRandom(t, p, [32]byte{}, rand.NewChaCha8([32]byte{3})).wire
	last := p.Blocks()
	if last < 3 || p.layout.coefficients*p.layout.residueBits%8 == 0 {
		t.Fatalf("%d blocks of %+v", last, p.layout)
	}
	begin := p.layout.segmentBytes(0, 1)
	head, tail := wire[:begin], wire[begin:]
	spoil := func(b []byte, at int, with byte) []byte {
		b = bytes.Clone(b)
		b[at] |= with
		return b
	}
	high := bytes.Clone(tail)
	copy(high[len(high)-40:], bytes.Repeat([]byte{255}, 39))
	f := p.NewFingerprint([32]byte{1})
	refuse := func(what string, first, last int, wire []byte) {
		t.Helper()
		if err := f.Add(first, last, wire); !errors.Is(err, ErrWire) {
			t.Errorf("%s: error %v, want ErrWire", what, err)
		}
		if _, err := f.Bytes(); f.next < p.Blocks() && !errors.Is(err, ErrWire) {
			t.Errorf("%s: error %v of Bytes, want ErrWire", what, err)
		}
	}
	refuse("second block first", 1, last, tail)
	refuse("version", 0, 1, spoil(head, 0, 2))
	refuse("short", 0, 1, head[:begin-1])
	refuse("long", 0, 1, wire[:begin+1])
	refuse("empty", 0, 1, nil)
	refuse("negative", -1, 1, head)
	refuse("no block", 0, 0, nil)
	if err := f.Add(0, 1, head); err != nil {
		t.Fatal(err)
	}
	refuse("first block twice", 0, 1, head)
	refuse("residue", 1, last, high)
	refuse("padding", 1, last, spoil(tail, len(tail)-1, 0x80))
	refuse("beyond the end", 1, last+1, tail)
	if err := f.Add(1, last, tail); err != nil {
		t.Fatal(err)
	}
	refuse("after the end", last, last+1, nil)
	got, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if want := fingerprintOf(t, p, [32]byte{1}, wire, rand.New(rand.NewPCG(1, 1))); !bytes.Equal(got, want) {
		t.Error("refusals changed the fingerprint")
	}
}

func TestAddFingerprintsRefuses(t *testing.T) {
	p := parameters(t, choose(t, 999, 10, 16))
	good := p.encodeValues(p.newValues())
	spoil := func(j, i int, v uint64) []byte {
		values := p.newValues()
		values[j][i] = v
		return p.encodeValues(values)
	}
	for j, f := range p.primes {
		for i := range p.points {
			if b, err := p.AddFingerprints([][]byte{spoil(j, i, f.q-1), spoil(j, i, 1)}); err != nil || !bytes.Equal(b, good) {
				t.Errorf("q-1 and 1 of prime %d, point %d: %x, error %v", j, i, b, err)
			}
		}
	}
	tests := map[string][][]byte{
		"none":     nil,
		"empty":    {good, nil},
		"short":    {good, good[:len(good)-1]},
		"long":     {append(bytes.Clone(good), 0)},
		"version":  {good, append([]byte{2}, good[1:]...)},
		"equals q": {good, spoil(1, p.points-1, p.primes[1].q)},
		"largest":  {spoil(0, 0, 1<<64-1), good},
	}
	for name, list := range tests {
		if b, err := p.AddFingerprints(list); !errors.Is(err, ErrWire) || b != nil {
			t.Errorf("%s: %x, error %v, want ErrWire", name, b, err)
		}
	}
}

// TestGoldenFingerprint pins points, order and encoding: a whole fingerprint
// of two coefficients, and the digest of one of several blocks.
func TestGoldenFingerprint(t *testing.T) {
	of := func(count int) []byte {
		p := parameters(t, choose(t, count, 10, 16))
		sum := p.NewSum()
		for i, block := range sum.blocks {
			for j := range block {
				for c := range block[j] {
					block[j][c] = uint64(1000*i + 100*j + c + 1)
				}
			}
		}
		return fingerprintOf(t, p, [32]byte{1, 2, 3}, sum.Marshal(), rand.New(rand.NewPCG(1, 1)))
	}
	digest := sha256.Sum256(of(30_001))
	got := []string{hex.EncodeToString(of(5)), hex.EncodeToString(digest[:])}
	want := []string{
		"011a772553180000007a7decaf1f000000c608c467050000000cdca7a126000000",
		"992d981e1488a5df82c910b7b61c3d49280343c5580016ef68ec39f2f66ca80f",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzFingerprint(f *testing.F) {
	l, err := Choose(12_301, 10, 16)
	if err != nil {
		f.Fatal(err)
	}
	p := parameters(f, l)
	good := encryptRandom(f, p, [32]byte{}, rand.NewChaCha8([32]byte{2})).wire
	rng := rand.New(rand.NewPCG(1, 1))
	f.Add(uint32(0), []byte{1}, uint8(0), uint8(1))
	f.Add(uint32(9), bytes.Repeat([]byte{255}, 40), uint8(0), uint8(2))
	f.Add(uint32(len(good)-1), []byte{0x80}, uint8(1), uint8(2))
	f.Add(uint32(5), []byte{1, 2, 3}, uint8(255), uint8(1))
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, first, last uint8) {
		wire := bytes.Clone(good)
		copy(wire[int(at)%len(wire):], patch)
		a, b := int(int8(first)), int(int8(last))
		if a >= 0 && b > a && b <= p.Blocks() {
			from := 0
			if a > 0 {
				from = p.layout.segmentBytes(0, a)
			}
			wire = wire[from:][:p.layout.segmentBytes(a, b)]
		}
		h := p.NewFingerprint([32]byte{1})
		err := h.Add(a, b, wire)
		if refused := p.CheckSegment(a, b, wire) != nil || a != 0; refused != (err != nil) {
			t.Fatalf("Add: %v, refused: %v", err, refused)
		}
		if err != nil {
			if h.next != 0 || !cmp.Equal(h.sum, p.newValues()) {
				t.Fatal("refused blocks changed the fingerprint")
			}
			return
		}
		if b != p.Blocks() {
			return
		}
		got, err := h.Bytes()
		if err != nil || !bytes.Equal(got, fingerprintOf(t, p, [32]byte{1}, wire, rng)) {
			t.Fatalf("%x, error %v", got, err)
		}
	})
}

func FuzzAddFingerprints(f *testing.F) {
	l, err := Choose(999, 10, 16)
	if err != nil {
		f.Fatal(err)
	}
	p := parameters(f, l)
	good := fingerprintOf(f, p, [32]byte{}, encryptRandom(f, p, [32]byte{}, rand.NewChaCha8([32]byte{2})).wire, rand.New(rand.NewPCG(1, 1)))
	f.Add(good, good)
	f.Add(good, p.encodeValues(p.newValues()))
	f.Add(good, good[1:])
	f.Add(append([]byte{1}, bytes.Repeat([]byte{255}, len(good)-1)...), good)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		alone, errA := p.AddFingerprints([][]byte{a})
		if _, errB := p.AddFingerprints([][]byte{b}); errA != nil || errB != nil {
			if _, err := p.AddFingerprints([][]byte{a, b}); err == nil {
				t.Fatal("a sum takes what alone is refused")
			}
			return
		}
		if !bytes.Equal(alone, a) {
			t.Fatalf("%x re-encodes to %x", a, alone)
		}
		ab, err := p.AddFingerprints([][]byte{a, b})
		if err != nil {
			t.Fatal(err)
		}
		if ba, err := p.AddFingerprints([][]byte{b, a}); err != nil || !bytes.Equal(ab, ba) {
			t.Fatalf("%x and %x, error %v", ab, ba, err)
		}
	})
}
