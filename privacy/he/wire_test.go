package he

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBitsAgainstNaive packs numbers of changing lengths and compares with one
// big number.
func TestBitsAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		naive, at := new(big.Int), 0
		var runs [][]uint64
		var sizes []uint
		for range 1 + rng.IntN(3) {
			size := uint(MinPrimeBits + rng.IntN(MaxPrimeBits-MinPrimeBits+1))
			run := make([]uint64, 1+rng.IntN(60))
			for i := range run {
				run[i] = rng.Uint64() >> (64 - size)
				v := new(big.Int).SetUint64(run[i])
				naive.Or(naive, v.Lsh(v, uint(at)))
				at += int(size)
			}
			runs, sizes = append(runs, run), append(sizes, size)
		}
		want := naive.FillBytes(make([]byte, (at+7)/8))
		slices.Reverse(want)
		w := bitWriter{out: bytes.Repeat([]byte{0xaa}, len(want)+3)}
		for i, run := range runs {
			w.write(run, sizes[i])
		}
		if n := w.flush(); n != len(want) || !bytes.Equal(w.out[:n], want) {
			t.Fatalf("wrote %x, want %x", w.out, want)
		}
		bit := uint(0)
		for i, run := range runs {
			got, want := make([]uint64, len(run)), make([]uint64, len(run))
			for j := range got {
				got[j] = uint64(j)
				want[j] = run[j] + uint64(j)
			}
			if q := slices.Max(run) + 1; !addResidues(got, w.out[:w.n], bit, sizes[i], q) {
				t.Fatalf("width %d: %v not below %d", sizes[i], run, q)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			if q := slices.Max(run); q>>(sizes[i]-1) == 1 && addResidues(got, w.out[:w.n], bit, sizes[i], q) {
				t.Fatalf("width %d: %v all below %d", sizes[i], run, q)
			}
			bit += sizes[i] * uint(len(run))
		}
	}
}

func TestWireRefuses(t *testing.T) {
	p := parameters(t, choose(t, 16, 4, 16)) // 8 coefficients of 49 bits
	wire := p.NewSum().Marshal()
	if len(wire) != p.CiphertextBytes() || len(wire) != 1+8*49/8 {
		t.Fatalf("%d bytes", len(wire))
	}
	odd := parameters(t, choose(t, 5, 10, 16))
	oddWire := odd.NewSum().Marshal()
	if odd.layout.coefficients*odd.layout.residueBits%8 == 0 {
		t.Fatal("no padding bits to test")
	}
	spoil := func(b []byte, at int, with byte) []byte {
		b = bytes.Clone(b)
		b[at] |= with
		return b
	}
	equal := bytes.Clone(wire)
	p.encodeBlock(equal[1:], [][]uint64{{0, 0, p.primes[0].q, 0, 0, 0, 0, 0}}, 8)
	tests := map[string]struct {
		p    *Parameters
		wire []byte
	}{
		"empty":    {p, nil},
		"short":    {p, wire[:len(wire)-1]},
		"long":     {p, append(bytes.Clone(wire), 0)},
		"version":  {p, spoil(wire, 0, 2)},
		"residue":  {p, append(append([]byte{}, wire[:1]...), bytes.Repeat([]byte{255}, len(wire)-1)...)},
		"equals q": {p, equal},
		"padding":  {odd, spoil(oddWire, len(oddWire)-1, 0x80)},
	}
	for name, tt := range tests {
		if err := tt.p.NewSum().Add(tt.wire); !errors.Is(err, ErrWire) {
			t.Errorf("%s: Add error %v, want ErrWire", name, err)
		}
		if err := tt.p.CheckSegment(0, tt.p.Blocks(), tt.wire); !errors.Is(err, ErrWire) {
			t.Errorf("%s: CheckSegment error %v, want ErrWire", name, err)
		}
		if _, err := tt.p.UnmarshalSum(tt.wire); !errors.Is(err, ErrWire) {
			t.Errorf("%s: UnmarshalSum error %v, want ErrWire", name, err)
		}
	}
	for _, blocks := range [][2]int{{-1, 1}, {0, 0}, {1, 1}, {0, 2}} {
		if _, err := p.NewSegmentSum(blocks[0], blocks[1]); !errors.Is(err, ErrWire) {
			t.Errorf("blocks %v: error %v", blocks, err)
		}
		if _, err := p.UnmarshalSegmentSum(blocks[0], blocks[1], wire); !errors.Is(err, ErrWire) {
			t.Errorf("blocks %v: error %v", blocks, err)
		}
		if err := p.CheckSegment(blocks[0], blocks[1], wire); !errors.Is(err, ErrWire) {
			t.Errorf("blocks %v: error %v", blocks, err)
		}
	}
}

// TestCheckSegment checks the segments of a ciphertext and spoils each block of each.
func TestCheckSegment(t *testing.T) {
	p := parameters(t, choose(t, 150_000, 5, 16))
	wire := encryptRandom(t, p, [32]byte{}, rand.NewChaCha8([32]byte{3})).wire
	for _, s := range p.Segments(200_000) {
		part := wire[:s.Bytes]
		wire = wire[s.Bytes:]
		if err := p.CheckSegment(s.First, s.Last, part); err != nil {
			t.Fatal(err)
		}
		for block := s.First; block < s.Last; block++ {
			bad := bytes.Clone(part)
			_, end := p.layout.within(s.First, block, block+1)
			for i := end - 40; i < end; i++ {
				bad[i] = 255
			}
			if err := p.CheckSegment(s.First, s.Last, bad); !errors.Is(err, ErrWire) || !strings.Contains(err.Error(), fmt.Sprintf("block %d:", block)) {
				t.Errorf("block %d spoilt: error %v", block, err)
			}
		}
	}
}

// TestWireSize counts everything that a hospital sends for a vector of 25
// million, the ciphertext and a sealed share for each of as many custodians as
// a charter may have, against its float32 bytes.
func TestWireSize(t *testing.T) {
	const count, seal = 25_000_000, 1137 // seal: what an envelope adds to 2N bytes
	for _, tt := range []struct {
		group, bits, custodians int
		most                    float64
	}{
		{10, 16, 10, 0.70}, {128, 16, 64, 0.83}, {10, 8, 10, 0.42}, {40, 16, 40, 0.83}, {3, 16, 3, 0.70}, {1170, 16, 64, 1},
	} {
		p := parameters(t, choose(t, count, tt.group, tt.bits))
		sent := p.CiphertextBytes() + tt.custodians*(2*p.N()+seal)
		if share := float64(sent) / (4 * count); share > tt.most {
			t.Errorf("%+v: %d bytes are %.4f of float32", tt, sent, share)
		} else {
			t.Logf("group of %d, %d bits, %d custodians: %.4f of float32", tt.group, tt.bits, tt.custodians, share)
		}
	}
}

// TestRefusedCiphertextLeavesTheSum spoils the last of several blocks.
func TestRefusedCiphertextLeavesTheSum(t *testing.T) {
	p := parameters(t, choose(t, 30_000, 4, 16))
	if p.Blocks() < 2 {
		t.Fatal("one block")
	}
	rng := rand.NewChaCha8([32]byte{1})
	first, second := encryptRandom(t, p, [32]byte{}, rng), encryptRandom(t, p, [32]byte{}, rng)
	s := p.NewSum()
	if err := s.Add(first.wire); err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(second.wire)
	for i := len(bad) - 40; i < len(bad); i++ {
		bad[i] = 255
	}
	if err := s.Add(bad); !errors.Is(err, ErrWire) {
		t.Fatalf("error %v, want ErrWire", err)
	}
	if !bytes.Equal(s.Marshal(), first.wire) {
		t.Error("refused ciphertext changed the sum")
	}
}

func FuzzUnmarshalSum(f *testing.F) {
	small, err := Choose(5, 10, 16)
	if err != nil {
		f.Fatal(err)
	}
	p := parameters(f, small)
	f.Add(p.NewSum().Marshal())
	f.Add(encryptRandom(f, p, [32]byte{}, rand.NewChaCha8([32]byte{2})).wire)
	f.Add(bytes.Repeat([]byte{255}, p.CiphertextBytes()))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, wire []byte) {
		s, err := p.UnmarshalSum(wire)
		added := p.NewSum()
		if addErr := added.Add(wire); (addErr == nil) != (err == nil) {
			t.Fatalf("UnmarshalSum: %v, Add: %v", err, addErr)
		}
		if checkErr := p.CheckSegment(0, p.Blocks(), wire); (checkErr == nil) != (err == nil) {
			t.Fatalf("UnmarshalSum: %v, CheckSegment: %v", err, checkErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(s.Marshal(), wire) || !bytes.Equal(added.Marshal(), wire) {
			t.Errorf("%x re-encodes to %x", wire, s.Marshal())
		}
	})
}
