package he

import (
	"errors"
	"math/bits"
	"slices"
	"strings"
	"testing"
)

// TestChooseKnown pins the choices that the README names.
func TestChooseKnown(t *testing.T) {
	tests := []struct {
		count, group, bits           int
		logN, k, width, logDelta, lq int
	}{
		{10_000_000, 10, 16, 13, 6, 20, 11, 131},
		{10_000_000, 128, 16, 13, 5, 23, 14, 129},
		{10_000_000, 10, 8, 13, 11, 12, 11, 143},
		{10_000_000, 1170, 32, 13, 3, 43, 17, 146},
		{10_000, 10, 16, 12, 3, 20, 11, 71},
		{16, 4, 16, 12, 2, 18, 13, 49},
	}
	for _, tt := range tests {
		l, err := Choose(tt.count, tt.group, tt.bits)
		if err != nil {
			t.Fatal(err)
		}
		lq := l.modulus().BitLen()
		if l.LogN != tt.logN || l.PerCoefficient != tt.k || l.Width != tt.width || l.LogDelta != tt.logDelta || lq != tt.lq {
			t.Errorf("Choose(%d, %d, %d) = %+v with log Q %d, want %+v", tt.count, tt.group, tt.bits, l, lq, tt)
		}
	}
}

// TestChooseAlways tries many tasks: the choice is valid and not beaten by
// fewer fields in a coefficient.
func TestChooseAlways(t *testing.T) {
	for _, bits := range []int{8, 16, 24, 32} {
		for _, group := range []int{2, 3, 4, 8, 10, 16, 100, 128, 129, 512, 1024, 1025, 1170} {
			for _, count := range []int{1, 2, 3, 39, 40, 41, 1000, 300_000, 1_000_003, MaxCount} {
				l, err := Choose(count, group, bits)
				if err != nil {
					t.Fatalf("Choose(%d, %d, %d): %v", count, group, bits, err)
				}
				need := l.PerCoefficient*l.Width + l.LogDelta
				if got := l.modulus().BitLen(); got > need+1 {
					t.Errorf("Choose(%d, %d, %d): Q of %d bits for %d", count, group, bits, got, need)
				}
				if l.PerCoefficient > 1 {
					less := l
					less.PerCoefficient--
					if less, ok := less.complete(); ok && less.cost() < l.cost() {
						t.Errorf("Choose(%d, %d, %d): %d fields cost %d, %d cost %d", count, group, bits,
							l.PerCoefficient, l.cost(), less.PerCoefficient, less.cost())
					}
				}
			}
		}
	}
}

func TestChooseRefuses(t *testing.T) {
	for _, task := range [][3]int{{0, 10, 16}, {MaxCount + 1, 10, 16}, {5, 1, 16}, {5, 0, 16}, {5, 1171, 16}, {5, 10, 12}, {5, 10, -8}, {-1, 10, 16}} {
		if l, err := Choose(task[0], task[1], task[2]); !errors.Is(err, ErrParameters) {
			t.Errorf("Choose%v = %+v, error %v; want ErrParameters", task, l, err)
		}
	}
}

func choose(t testing.TB, count, group, bits int) Literal {
	t.Helper()
	l, err := Choose(count, group, bits)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func parameters(t testing.TB, l Literal) *Parameters {
	t.Helper()
	p, err := l.Parameters()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestParametersRefuse spoils a valid literal in one way at a time.
func TestParametersRefuse(t *testing.T) {
	large, small := choose(t, 10_000_000, 10, 16), choose(t, 5000, 10, 16)
	if large.LogN != 13 || small.LogN != 12 {
		t.Fatalf("log N %d and %d, want 13 and 12", large.LogN, small.LogN)
	}
	tests := map[string]func(l *Literal){
		"log N 11":         func(l *Literal) { l.LogN = 11 },
		"log N 14":         func(l *Literal) { l.LogN = 14 },
		"log N -1":         func(l *Literal) { l.LogN = -1 },
		"group 1":          func(l *Literal) { l.GroupSize = 1 },
		"group 1171":       func(l *Literal) { l.GroupSize = 1171 },
		"group 17":         func(l *Literal) { l.GroupSize = 17 }, // width too small
		"bits 0":           func(l *Literal) { l.Bits = 0 },
		"bits 64":          func(l *Literal) { l.Bits = 64 },
		"count 0":          func(l *Literal) { l.Count = 0 },
		"width 19":         func(l *Literal) { l.Width-- },
		"width 21":         func(l *Literal) { l.Width++ }, // Q too small
		"width 64":         func(l *Literal) { l.Width = 64 },
		"k 0":              func(l *Literal) { l.PerCoefficient = 0 },
		"k one more":       func(l *Literal) { l.PerCoefficient++ },
		"k huge":           func(l *Literal) { l.PerCoefficient = 1 << 62 },
		"delta less":       func(l *Literal) { l.LogDelta-- },
		"delta more":       func(l *Literal) { l.LogDelta++ },
		"delta 63":         func(l *Literal) { l.LogDelta = 63 },
		"no primes":        func(l *Literal) { l.Primes = nil },
		"prime missing":    func(l *Literal) { l.Primes = l.Primes[1:] },
		"prime twice":      func(l *Literal) { l.Primes[1] = l.Primes[0] },
		"four primes":      func(l *Literal) { l.Primes = append(l.Primes, 1, 2, 3) },
		"not NTT-friendly": func(l *Literal) { l.Primes[0] = 1<<61 - 1 },
		"composite":        func(l *Literal) { l.Primes[0] = compositeAbove(l.Primes[0], l.LogN) },
		"prime over 2^50":  func(l *Literal) { l.Primes[0] = primeBelow(l.LogN, 51, 1<<51+1) },
		"tiny prime":       func(l *Literal) { l.Primes[0] = 114689 }, // 7*2^14+1
		"zero prime":       func(l *Literal) { l.Primes[0] = 0 },
		"even prime":       func(l *Literal) { l.Primes[0]-- },
		"beyond 192 bits": func(l *Literal) {
			l.Primes[0] = primeBelow(l.LogN, 50, 1<<50+1)
			l.Primes[1] = primeBelow(l.LogN, 50, l.Primes[0])
			if len(l.Primes) == 3 {
				l.Primes[2] = primeBelow(l.LogN, 50, l.Primes[1])
			}
		},
	}
	for _, good := range []Literal{large, small} {
		if _, err := good.Parameters(); err != nil {
			t.Fatal(err)
		}
		for name, spoil := range tests {
			l := good
			l.Primes = slices.Clone(l.Primes)
			spoil(&l)
			if _, err := l.Parameters(); !errors.Is(err, ErrParameters) {
				t.Errorf("log N %d, %s: error %v, want ErrParameters", good.LogN, name, err)
			}
		}
	}
	l := large
	l.LogN = 12
	if _, err := l.Parameters(); !errors.Is(err, ErrParameters) {
		t.Errorf("131 bits at N = 4096: error %v", err)
	}
	few := small
	few.Count = 3 // one coefficient has too little spare room
	if _, err := few.Parameters(); !errors.Is(err, ErrParameters) {
		t.Errorf("3 fields with log delta %d: error %v", few.LogDelta, err)
	}
}

// TestParametersRefuseRejection takes a prime so far below a power of two that
// expanding the public polynomial would run out of spare words; everything else
// about the literal fits.
func TestParametersRefuseRejection(t *testing.T) {
	for _, count := range []int{10_000_000, 5000} {
		l := choose(t, count, 10, 16)
		size := bits.Len64(l.Primes[0])
		l.Primes[1] = primeBelow(l.LogN, size+1, 1<<(size+1)+1)
		for _, tt := range []struct {
			below uint64
			fits  bool
		}{{1<<size - 1<<(size-8), false}, {1<<size - 1<<(size-10), true}} {
			l.Primes[0] = primeBelow(l.LogN, size, tt.below&^(2<<l.LogN-1)+1)
			_, err := l.Parameters()
			if tt.fits != (err == nil) || !tt.fits && !strings.Contains(err.Error(), "too far below") {
				t.Errorf("log N %d, prime %#x: error %v", l.LogN, l.Primes[0], err)
			}
		}
	}
}

func compositeAbove(q uint64, logN int) uint64 {
	for isPrime(q) {
		q -= 2 << logN
	}
	return q
}

func TestParametersCopyTheLiteral(t *testing.T) {
	l := choose(t, 100, 4, 16)
	p := parameters(t, l)
	l.Primes[0] = 1
	p.Literal().Primes[0] = 2
	if got := p.Literal().Primes[0]; got < 1<<MinPrimeBits/2 {
		t.Errorf("prime changed to %d", got)
	}
}

func TestSegmentsCoverTheCiphertext(t *testing.T) {
	for _, count := range []int{1, 5000, 300_000, 20_000_000} {
		p := parameters(t, choose(t, count, 10, 16))
		for _, target := range []int{0, 1, 100_000, 8 << 20, 1 << 40} {
			next, bytes, fields := 0, 0, 0
			for _, s := range p.Segments(target) {
				if s.First != next || s.Last <= s.First {
					t.Fatalf("segment %+v after block %d", s, next)
				}
				if target > 0 && s.Last-s.First > 1 && s.Bytes > target {
					t.Errorf("segment %+v above the target of %d", s, target)
				}
				from, to := p.Fields(s.First, s.Last)
				next, bytes, fields = s.Last, bytes+s.Bytes, fields+to-from
			}
			total := 0
			for _, n := range p.SegmentPlan(target) {
				total += n
			}
			if next != p.Blocks() || bytes != p.CiphertextBytes() || total != bytes || fields != count {
				t.Errorf("count %d, target %d: %d blocks, %d and %d bytes, %d fields; want %d, %d, %d", count, target,
					next, bytes, total, fields, p.Blocks(), p.CiphertextBytes(), count)
			}
		}
	}
}
