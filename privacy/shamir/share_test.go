package shamir

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func source(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

// naiveShare is Share's twin: one coefficient, Horner's rule, the random
// coefficients of each chunk drawn degree by degree.
func naiveShare(secret []int16, t, m int, rng io.Reader) [][]uint16 {
	words := elements{source: rng}
	random := make([][]uint16, len(secret))
	for first := 0; first < len(secret); first += chunk {
		for k := 1; k < t; k++ {
			for i := first; i < min(first+chunk, len(secret)); i++ {
				one := make([]uint16, 1)
				if err := words.fill(one); err != nil {
					panic(err)
				}
				random[i] = append(random[i], one[0])
			}
		}
	}
	shares := make([][]uint16, m)
	for j := range shares {
		shares[j] = make([]uint16, len(secret))
		for i, s := range secret {
			v := 0
			for k := t - 2; k >= 0; k-- {
				v = (v + int(random[i][k])) * (j + 1) % P
			}
			shares[j][i] = uint16(((v+int(s))%P + P) % P)
		}
	}
	return shares
}

func TestShareAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, length := range []int{0, 1, 5, chunk, chunk + 3, 2*chunk + 1} {
		for m := 1; m <= 6; m++ {
			for th := 1; th <= m; th++ {
				secret := make([]int16, length)
				for i := range secret {
					secret[i] = int16(rng.IntN(P) - MaxSecret)
				}
				got, err := Share(secret, th, m, source(byte(m)))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(naiveShare(secret, th, m, source(byte(m))), got); diff != "" {
					t.Fatalf("length %d, %d of %d: (-want +got):\n%s", length, th, m, diff)
				}
			}
		}
	}
}

func TestShareRefuses(t *testing.T) {
	tests := []struct {
		name   string
		secret []int16
		t, m   int
		want   error
	}{
		{"t 0", []int16{1}, 0, 3, ErrThreshold},
		{"t above m", []int16{1}, 4, 3, ErrThreshold},
		{"m above limit", []int16{1}, 4, MaxShares + 1, ErrThreshold},
		{"too large", []int16{0, MaxSecret + 1}, 2, 3, ErrSecret},
		{"too small", []int16{0, -MaxSecret - 1}, 2, 3, ErrSecret},
		{"smallest", []int16{-32768}, 2, 3, ErrSecret},
		{"too long", make([]int16, MaxLength+1), 2, 3, ErrLength},
	}
	for _, tt := range tests {
		if _, err := Share(tt.secret, tt.t, tt.m, source(1)); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := Share([]int16{1}, 2, 3, bytes.NewReader(make([]byte, 10))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short randomness: error %v", err)
	}
}

// TestElementsRejectsLargeWords feeds words around P.
func TestElementsRejectsLargeWords(t *testing.T) {
	stream := bytes.Repeat([]byte{0xf1, 0xff, 0xff, 0xff, 0xf0, 0xff, 0x07, 0x00}, 1024)
	words := elements{source: bytes.NewReader(stream)}
	got := make([]uint16, 4)
	if err := words.fill(got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint16{P - 1, 7, P - 1, 7}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFewSharesLookUniform bins pairs of shares of a fixed secret with t = 3
// into 16 x 16 cells, and takes the correlation of each coefficient of the one
// share with the one before it in the other. A chi-square statistic with 255 degrees of freedom exceeds 380 with
// probability below 1e-6 (Wilson and Hilferty), a standard normal 4.9; there
// are three of each, so a false alarm has probability below 1e-5.
func TestFewSharesLookUniform(t *testing.T) {
	const cells, draws = 16, MaxLength
	secret := make([]int16, draws)
	for i := range secret {
		secret[i] = -28
	}
	shares, err := Share(secret, 3, 3, source(9))
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]int{{0, 1}, {0, 2}, {1, 2}} {
		var count [cells * cells]float64
		for i := range draws {
			a, b := int(shares[pair[0]][i]), int(shares[pair[1]][i])
			count[a*cells/P*cells+b*cells/P]++
		}
		chi := 0.0
		for _, c := range count {
			d := c - draws/float64(cells*cells)
			chi += d * d / (draws / float64(cells*cells))
		}
		if chi > 380 {
			t.Errorf("shares %v of one secret: chi-square %v", pair, chi)
		}
		serial := 0.0
		for i, v := range shares[pair[0]][1:] {
			serial += (float64(v)/P - 0.5) * (float64(shares[pair[1]][i])/P - 0.5)
		}
		if z := 12 * serial / math.Sqrt(draws-1); math.Abs(z) > 4.9 {
			t.Errorf("shares %v of one secret: serial correlation of %v standard deviations", pair, z)
		}
	}
}

// TestFewSharesFitEverySecret is exact: with t = 2 over all 65521 random
// coefficients, one share of a secret takes every value once.
func TestFewSharesFitEverySecret(t *testing.T) {
	for _, secret := range []int16{0, 5, -28} {
		for x := uint64(1); x <= 3; x++ {
			var seen [P]bool
			for r := range uint64(P) {
				v := (lift(secret) + r*x) % P
				if seen[v] {
					t.Fatalf("secret %d, point %d: share %d twice", secret, x, v)
				}
				seen[v] = true
			}
		}
	}
}

func TestAddTo(t *testing.T) {
	sum := []uint16{0, P - 1, 60000}
	if err := AddTo(sum, []uint16{5, P - 1, 5521}); err != nil {
		t.Fatal(err)
	}
	want := []uint16{5, P - 2, 0}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if err := AddTo(sum, []uint16{1, 2, P}); !errors.Is(err, ErrElement) {
		t.Errorf("element 65521: error %v", err)
	}
	if err := AddTo(sum, []uint16{1, 2}); !errors.Is(err, ErrLength) {
		t.Errorf("short share: error %v", err)
	}
	if err := AddTo([]uint16{P}, []uint16{1}); !errors.Is(err, ErrElement) {
		t.Errorf("sum above P: error %v", err)
	}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Errorf("refused share was added: %s", diff)
	}
}

func BenchmarkShare(b *testing.B) {
	secret, rng := make([]int16, 8192), source(1)
	for b.Loop() {
		if _, err := Share(secret, 7, 10, rng); err != nil {
			b.Fatal(err)
		}
	}
}
