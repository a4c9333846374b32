package he

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// FuzzSumAdd: a ciphertext with bytes changed, or cut, is added or refused whatever it
// holds. Refused it leaves the sum as it was; added it gives the sum of both, in either
// order, as the same bytes.
func FuzzSumAdd(f *testing.F) {
	p := parameters(f, choose(f, 30_000, 10, 16)) // several blocks
	rng := rand.NewChaCha8([32]byte{3})
	good, other := encryptRandom(f, p, [32]byte{}, rng).wire, encryptRandom(f, p, [32]byte{}, rng).wire
	f.Add(uint32(0), []byte{0xff}, uint8(0))
	f.Add(uint32(1000), bytes.Repeat([]byte{0xff}, 64), uint8(0))
	f.Add(uint32(len(good)-1), []byte{0x80}, uint8(0))
	f.Add(uint32(5), []byte{1, 2, 3}, uint8(1))
	f.Add(uint32(9), []byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, cut uint8) {
		wire := bytes.Clone(good)
		copy(wire[int(at)%len(wire):], patch)
		wire = wire[:len(wire)-int(cut)%3]
		s := p.NewSum()
		if err := s.Add(other); err != nil {
			t.Fatal(err)
		}
		if err := s.Add(wire); err != nil {
			if !bytes.Equal(s.Marshal(), other) {
				t.Fatal("a refused ciphertext changed the sum")
			}
			return
		}
		turned := p.NewSum()
		if err := turned.Add(wire); err != nil {
			t.Fatalf("refused first, taken second: %v", err)
		}
		if err := turned.Add(other); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(turned.Marshal(), s.Marshal()) {
			t.Fatal("the order changes the sum")
		}
	})
}
