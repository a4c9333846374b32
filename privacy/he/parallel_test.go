package he

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParallelIsTheSame encrypts, adds and opens with one to five goroutines;
// ciphertexts, sums and fields do not depend on their number.
func TestParallelIsTheSame(t *testing.T) {
	base := parameters(t, choose(t, 150_000, 5, 16))
	seed := [32]byte{1}
	var wantWire, wantSum []byte
	var want []uint64
	for _, workers := range []int{1, 2, 3, 5, 100} {
		p := base.Parallel(workers)
		sum, key, fields := collect(t, p, seed, 3, rand.NewChaCha8([32]byte{2}))
		wire := encryptRandom(t, p, seed, rand.NewChaCha8([32]byte{3})).wire
		got := make([]uint64, len(fields))
		if err := p.Open(seed, key, sum, 3, got); err != nil {
			t.Fatal(err)
		}
		if workers == 1 {
			wantWire, wantSum, want = wire, sum.Marshal(), fields
		}
		if !bytes.Equal(wire, wantWire) || !bytes.Equal(sum.Marshal(), wantSum) || cmp.Diff(want, got) != "" {
			t.Errorf("%d goroutines give another result", workers)
		}
	}
}

// TestParallelRefuses spoils two blocks: the sum stays as it was, and Open
// names the first.
func TestParallelRefuses(t *testing.T) {
	p := parameters(t, choose(t, 150_000, 5, 16)).Parallel(3)
	sum, key, fields := collect(t, p, [32]byte{}, 2, rand.NewChaCha8([32]byte{2}))
	before := sum.Marshal()
	bad := bytes.Clone(before)
	for _, block := range []int{1, 6} {
		at, _ := p.layout.within(0, block, block+1)
		copy(bad[at:], bytes.Repeat([]byte{255}, 40))
	}
	if err := sum.Add(bad); !errors.Is(err, ErrWire) || err.Error() != "add ciphertext: block 1: residue is not below its prime, or padding is not zero: invalid ciphertext encoding" {
		t.Errorf("error %v", err)
	}
	if !bytes.Equal(sum.Marshal(), before) {
		t.Error("refused ciphertext changed the sum")
	}
	for _, block := range []int{6, 1} {
		sum.blocks[block][0][9] ^= 1 << 30
	}
	var at int
	err := p.Open([32]byte{}, key, sum, 2, fields)
	for at = 0; at < len(fields) && fields[at] == 0; at++ {
	}
	if !wrongSum(err) || at != len(fields) {
		t.Errorf("error %v, field %d not zero", err, at)
	}
	alone := parameters(t, p.Literal())
	same, errSame := alone.UnmarshalSum(sum.Marshal())
	if errSame != nil {
		t.Fatal(errSame)
	}
	if got := alone.Open([32]byte{}, key, same, 2, fields); got == nil || err == nil || got.Error() != err.Error() {
		t.Errorf("three goroutines say %v, one %v", err, got)
	}
}

// TestNoAllocationPerBlock works on one block and on seven, and reuses a Sum
// and a buffer from segment to segment.
func TestNoAllocationPerBlock(t *testing.T) {
	p := parameters(t, choose(t, 7*6*8192, 10, 16))
	source := rand.NewChaCha8([32]byte{1})
	whole, keySum, fields := collect(t, p, [32]byte{}, 2, source)
	wire := whole.Marshal()
	key, err := p.PrepareKeySum(keySum, 2)
	if err != nil {
		t.Fatal(err)
	}
	one, err := p.NewKey(source)
	if err != nil {
		t.Fatal(err)
	}
	input, buffer := make([]uint32, len(fields)), make([]byte, 0, len(wire))
	sum, rest := p.NewSum(), make([]byte, 0, len(wire))
	for name, run := range map[string]func(last int){
		"encrypt": func(last int) {
			one.next = 0 // test only: a key encrypts a block once
			_, to := p.Fields(0, last)
			if _, err := p.EncryptBlocks(buffer, 0, last, [32]byte{}, one, input[:to], source); err != nil {
				t.Fatal(err)
			}
		},
		"add and open": func(last int) {
			if err := sum.Reset(0, last); err != nil {
				t.Fatal(err)
			}
			if err := sum.Add(wire[:p.layout.segmentBytes(0, last)]); err != nil {
				t.Fatal(err)
			}
			rest = sum.AppendTo(rest[:0])
			_, to := p.Fields(0, last)
			if err := key.Open([32]byte{}, sum, fields[:to]); err != nil {
				t.Fatal(err)
			}
		},
		"check": func(last int) {
			if err := p.CheckSegment(0, last, wire[:p.layout.segmentBytes(0, last)]); err != nil {
				t.Fatal(err)
			}
		},
	} {
		run(p.Blocks())
		few, many := testing.AllocsPerRun(20, func() { run(1) }), testing.AllocsPerRun(20, func() { run(p.Blocks()) })
		if many > few+2 {
			t.Errorf("%s: %v allocations for a block, %v for %d", name, few, many, p.Blocks())
		}
		if few > 30 {
			t.Errorf("%s: %v allocations for a block", name, few)
		}
	}
}

// TestManySummands adds more ciphertexts than a sum holds without reducing.
func TestManySummands(t *testing.T) {
	p := parameters(t, choose(t, 3, 10, 16))
	wire := encryptRandom(t, p, [32]byte{}, rand.NewChaCha8([32]byte{1})).wire
	one, err := p.UnmarshalSum(wire)
	if err != nil {
		t.Fatal(err)
	}
	sum, times := p.NewSum(), 3*p.most+5
	for range times {
		if err := sum.Add(wire); err != nil {
			t.Fatal(err)
		}
	}
	sum.reduce()
	for j, f := range p.primes {
		for c, v := range one.blocks[0][j] {
			if want := f.reduce(f.factor(f.reduce(uint64(times))).times(v, f.q)); sum.blocks[0][j][c] != want {
				t.Fatalf("prime %d, coefficient %d: %d, want %d", j, c, sum.blocks[0][j][c], want)
			}
		}
	}
}
