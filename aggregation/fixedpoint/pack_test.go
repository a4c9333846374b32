package fixedpoint

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func contains(err error, s string) bool { return err != nil && strings.Contains(err.Error(), s) }

// naivePack is Pack's twin: sum of field<<(i*width).
func naivePack(fields []uint32, width int) [3]uint64 {
	sum := new(big.Int)
	for i, f := range fields {
		v := new(big.Int).SetUint64(uint64(f))
		sum.Or(sum, v.Lsh(v, uint(i*width)))
	}
	var buf [24]byte
	sum.FillBytes(buf[:])
	var limbs [3]uint64
	for i := range limbs {
		limbs[i] = new(big.Int).SetBytes(buf[24-8*(i+1) : 24-8*i]).Uint64()
	}
	return limbs
}

func TestPackAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 11))
	for width := 1; width <= 64; width++ {
		for range 200 {
			k := 1 + rng.IntN(PackedBits/width)
			fields, want := make([]uint32, k), make([]uint64, k)
			for i := range fields {
				fields[i] = uint32(rng.Uint64() & (1<<min(width, 32) - 1))
				want[i] = uint64(fields[i])
			}
			limbs := [3]uint64{1, 2, 3}
			Pack(&limbs, fields, width)
			if diff := cmp.Diff(naivePack(fields, width), limbs); diff != "" {
				t.Fatalf("width %d: (-want +got):\n%s", width, diff)
			}
			got := make([]uint64, k)
			Unpack(got, &limbs, width)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("width %d: (-want +got):\n%s", width, diff)
			}
		}
	}
}

// TestPackedSumsStayApart adds the packed strings of a full group of the
// largest fields: no field reaches its neighbour.
func TestPackedSumsStayApart(t *testing.T) {
	for _, bits := range []int{8, 16, 24, 32} {
		for _, group := range []int{2, 3, 10, 128, 129, 1170} {
			width := Width(bits, group)
			k := PackedBits / width
			fields := make([]uint32, k)
			for i := range fields {
				fields[i] = uint32(Max(bits))
			}
			packed := naivePack(fields, width)
			total := new(big.Int).Mul(limbsToBig(packed), big.NewInt(int64(group)))
			if total.BitLen() > k*width {
				t.Fatalf("%d bits, group %d: sum has %d bits", bits, group, total.BitLen())
			}
			sum := bigToLimbs(total)
			got := make([]uint64, k)
			Unpack(got, &sum, width)
			for i, u := range got {
				if u != uint64(group)*Max(bits) {
					t.Fatalf("%d bits, group %d: field %d sums to %d", bits, group, i, u)
				}
			}
		}
	}
}

func limbsToBig(l [3]uint64) *big.Int {
	v := new(big.Int)
	for i := 2; i >= 0; i-- {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(l[i]))
	}
	return v
}

func bigToLimbs(v *big.Int) (l [3]uint64) {
	mask := new(big.Int).SetUint64(1<<64 - 1)
	for i := range l {
		l[i] = new(big.Int).And(new(big.Int).Rsh(v, uint(64*i)), mask).Uint64()
	}
	return l
}

func TestPackDoesNotAllocate(t *testing.T) {
	fields, out := []uint32{1, 2, 3, 4, 5, 6}, make([]uint64, 6)
	var limbs [3]uint64
	if n := testing.AllocsPerRun(100, func() { Pack(&limbs, fields, 20); Unpack(out, &limbs, 20) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPackRefusesTooMuch(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("packing 200 bits did not panic")
		}
	}()
	var limbs [3]uint64
	Pack(&limbs, make([]uint32, 10), 20)
}
