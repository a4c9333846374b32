package shamir

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answers shares the secrets of n dealers among m and returns the points, the
// share sums and the sum of the secrets, each of |value| <= 28 n.
func answers(t testing.TB, rng *rand.Rand, n, th, m, length int) (points []int, sums [][]uint16, want []int32) {
	t.Helper()
	want, sums = make([]int32, length), make([][]uint16, m)
	for j := range sums {
		sums[j], points = make([]uint16, length), append(points, j+1)
	}
	for d := range n {
		secret := make([]int16, length)
		for i := range secret {
			secret[i] = int16(rng.IntN(57) - 28)
			want[i] += int32(secret[i])
		}
		shares, err := Share(secret, th, m, source(byte(d)))
		if err != nil {
			t.Fatal(err)
		}
		for j, share := range shares {
			if err := AddTo(sums[j], share); err != nil {
				t.Fatal(err)
			}
		}
	}
	return points, sums, want
}

func pick[T any](from []T, which []int) (out []T) {
	for _, i := range which {
		out = append(out, from[i])
	}
	return out
}

// TestInterpolateEverySubset is exhaustive for m up to 7.
func TestInterpolateEverySubset(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for m := 1; m <= 7; m++ {
		for th := 1; th <= m; th++ {
			points, sums, want := answers(t, rng, 4, th, m, 3)
			subset := make([]int, th)
			for i := range subset {
				subset[i] = i
			}
			for more := true; more; more = nextSubset(subset, m) {
				got, err := Interpolate(pick(points, subset), pick(sums, subset))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%d of %d, subset %v: (-want +got):\n%s", th, m, subset, diff)
				}
			}
		}
	}
}

func TestInterpolateExtremes(t *testing.T) {
	for _, s := range []int16{MaxSecret, -MaxSecret, 0, -1} {
		shares, err := Share([]int16{s}, 2, 2, source(3))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Interpolate([]int{2, 1}, [][]uint16{shares[1], shares[0]})
		if err != nil || got[0] != int32(s) {
			t.Errorf("secret %d: got %v, error %v", s, got, err)
		}
	}
}

func TestNextSubsetCountsBinomials(t *testing.T) {
	subset, n := []int{0, 1, 2}, 1
	for nextSubset(subset, 7) {
		n++
	}
	if n != 35 {
		t.Errorf("%d subsets of 3 of 7, want 35", n)
	}
}

// TestRecoverLocatesWrongAnswers spoils up to answers-t answers wholly at
// random: the bound tells the right subset.
func TestRecoverLocatesWrongAnswers(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	shapes := []struct{ m, t int }{{3, 3}, {4, 3}, {5, 4}, {7, 5}, {10, 7}}
	for _, shape := range shapes {
		for spoiled := 0; spoiled <= shape.m-shape.t; spoiled++ {
			points, sums, want := answers(t, rng, 5, shape.t, shape.m, 40)
			bad := rng.Perm(shape.m)[:spoiled]
			var wantWrong []int
			for j := range points {
				for _, b := range bad {
					if b == j {
						wantWrong = append(wantWrong, j+1)
						for i := range sums[j] {
							sums[j][i] = uint16(rng.IntN(P))
						}
					}
				}
			}
			got, wrong, err := Recover(points, sums, shape.t, 28*5)
			if err != nil {
				t.Fatalf("%d of %d, %d spoiled: %v", shape.t, shape.m, spoiled, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%d of %d, %d spoiled: secret (-want +got):\n%s", shape.t, shape.m, spoiled, diff)
			}
			if diff := cmp.Diff(wantWrong, wrong); diff != "" {
				t.Fatalf("%d of %d: wrong (-want +got):\n%s", shape.t, shape.m, diff)
			}
		}
	}
}

// TestRecoverUniqueWithoutBound spoils half of the surplus under a bound that
// excludes nothing.
func TestRecoverUniqueWithoutBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	points, sums, want := answers(t, rng, 3, 3, 7, 2)
	sums[1][1], sums[0][0] = (sums[1][1]+1)%P, (sums[0][0]+9)%P
	got, wrong, err := Recover(points, sums, 3, MaxSecret)
	if err != nil {
		t.Fatal(err)
	}
	if cmp.Diff(want, got) != "" || cmp.Diff([]int{1, 2}, wrong) != "" {
		t.Errorf("secret %v, wrong %v; want %v, [1 2]", got, wrong, want)
	}
}

// TestRecoverAmbiguous spoils one coefficient of one of t+1 answers so little
// that other subsets stay within the bound: the truth is among the candidates.
func TestRecoverAmbiguous(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	points, sums, want := answers(t, rng, 3, 2, 3, 4)
	sums[2][0] = (sums[2][0] + 2) % P
	if _, _, err := Recover(points, sums, 2, MaxSecret); !errors.Is(err, ErrAmbiguous) {
		t.Fatalf("error %v, want ErrAmbiguous", err)
	}
	found, err := Candidates(points, sums, 2, MaxSecret)
	if err != nil {
		t.Fatal(err)
	}
	hits := 0
	for _, c := range found {
		if cmp.Diff(want, c.Secret) == "" && cmp.Diff([]int{3}, c.Wrong) == "" {
			hits++
		}
	}
	if hits != 1 || len(found) != 3 {
		t.Errorf("%d candidates, %d of them the truth; want 3, 1", len(found), hits)
	}
}

// TestCandidatesPreferAgreement keeps the best of more than MaxCandidates.
func TestCandidatesPreferAgreement(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 12))
	points, sums, want := answers(t, rng, 2, 2, 10, 3)
	for j := range 6 {
		for i := range sums[j] {
			sums[j][i] = uint16(rng.IntN(P))
		}
	}
	found, err := Candidates(points, sums, 2, MaxSecret)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != MaxCandidates || cmp.Diff(want, found[0].Secret) != "" {
		t.Errorf("%d candidates, first %v; want %d, %v", len(found), found[0].Secret, MaxCandidates, want)
	}
	if len(found[0].Wrong) != 6 || len(found[1].Wrong) <= 6 {
		t.Errorf("wrong points of the first two: %v, %v", found[0].Wrong, found[1].Wrong)
	}
}

func TestRecoverRefuses(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	points, sums, _ := answers(t, rng, 3, 3, 4, 30)
	ruined := make([][]uint16, 4)
	for j := range ruined {
		ruined[j] = make([]uint16, 30)
		for i := range ruined[j] {
			ruined[j][i] = uint16(rng.IntN(P))
		}
	}
	tests := []struct {
		name   string
		points []int
		sums   [][]uint16
		t      int
		bound  int32
		want   error
	}{
		{"garbage", points, ruined, 3, 84, ErrNoConsistentSubset},
		{"too few", points[:2], sums[:2], 3, 84, ErrThreshold},
		{"t 0", points, sums, 0, 84, ErrThreshold},
		{"unequal counts", points[:3], sums, 3, 84, ErrThreshold},
		{"point twice", []int{1, 2, 2, 4}, sums, 3, 84, ErrPoints},
		{"point 0", []int{0, 2, 3, 4}, sums, 3, 84, ErrPoints},
		{"point 65", []int{1, 2, 3, 65}, sums, 3, 84, ErrPoints},
		{"lengths", points, [][]uint16{sums[0], sums[1], sums[2], sums[3][:29]}, 3, 84, ErrLength},
		{"element", points, [][]uint16{sums[0], sums[1], sums[2], append(make([]uint16, 29), P)}, 3, 84, ErrElement},
		{"bound", points, sums, 3, MaxSecret + 1, ErrSecret},
	}
	for _, tt := range tests {
		if _, _, err := Recover(tt.points, tt.sums, tt.t, tt.bound); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}

func BenchmarkRecoverOneWrong(b *testing.B) {
	rng := rand.New(rand.NewPCG(8, 8))
	points, sums, _ := answers(b, rng, 10, 15, 21, 8192)
	for i := range sums[0] {
		sums[0][i] = uint16(rng.IntN(P))
	}
	for b.Loop() {
		if _, _, err := Recover(points, sums, 15, 280); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRecoverable: one wrong answer, the first, hides the secret from the subsets that are tried
// where not all are; else it is found, as with m−t wrong ones.
func TestRecoverable(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, c := range []struct {
		m, th, wrong int
		want         bool
	}{{21, 15, 1, true}, {21, 15, 6, true}, {21, 14, 1, false}, {22, 15, 1, false}, {64, 33, 1, false}, {64, 62, 2, true}, {3, 3, 0, true}} {
		points, sums, want := answers(t, rng, 2, c.th, c.m, 64)
		for i := range c.wrong {
			for j := range sums[i] {
				sums[i][j] = uint16(rng.IntN(P))
			}
		}
		got, _, err := Recover(points, sums, c.th, 56)
		if c.want != Recoverable(c.m, c.th) || c.want != (err == nil) || c.want && cmp.Diff(want, got) != "" {
			t.Errorf("%d of %d, %d wrong: recoverable %v, %v", c.th, c.m, c.wrong, Recoverable(c.m, c.th), err)
		}
	}
	for m := 1; m <= 14; m++ {
		for th := 1; th <= m; th++ {
			subset, n := make([]int, th), 1
			for i := range subset {
				subset[i] = i
			}
			for nextSubset(subset, m) {
				n++
			}
			if Recoverable(m, th) != (n <= MaxSubsets) {
				t.Errorf("%d of %d: %d subsets", th, m, n)
			}
		}
	}
}
