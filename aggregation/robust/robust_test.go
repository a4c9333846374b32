package robust

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// honest draws groups around a common change.
func honest(rng *rand.Rand, groups, n int) [][]float64 {
	points := make([][]float64, groups)
	for g := range points {
		points[g] = make([]float64, n)
		for i := range points[g] {
			points[g][i] = math.Sin(float64(i)) + 0.3*rng.NormFloat64()
		}
	}
	return points
}

// combined is a rule over whole vectors.
type combined func(points [][]float64) ([]float64, error)

func coordinateRule(f func(dst []float64, points [][]float64) error) combined {
	return func(points [][]float64) ([]float64, error) {
		dst := make([]float64, len(points[0]))
		return dst, f(dst, points)
	}
}

// byDistance hands vectors in by pieces of 7.
func byDistance(weigh func(*Distances) ([]float64, error)) combined {
	return func(points [][]float64) ([]float64, error) {
		d, dst := NewDistances(len(points)), make([]float64, len(points[0]))
		for from := 0; from < len(dst); from += 7 {
			piece := make([][]float64, len(points))
			for g, p := range points {
				piece[g] = p[from:min(from+7, len(p))]
			}
			if err := d.Add(piece); err != nil {
				return nil, err
			}
		}
		weights, err := weigh(d)
		if err != nil {
			return nil, err
		}
		return dst, Combine(dst, points, weights)
	}
}

func trimmed(trim int) combined {
	return coordinateRule(func(dst []float64, p [][]float64) error { return TrimmedMean(dst, p, trim) })
}

func krum(hostile, keep int) combined {
	return byDistance(func(d *Distances) ([]float64, error) { return d.Krum(hostile, keep) })
}

func geometric(iterations int) combined {
	return byDistance(func(d *Distances) ([]float64, error) { return d.GeometricMedian(iterations) })
}

var rules = map[string]combined{
	"trimmed mean": trimmed(2), "median": coordinateRule(Median), "krum": krum(2, 1), "multi-krum": krum(2, 3), "geometric median": geometric(60),
}

// twins compute the same from whole vectors, as the papers write it.
var twins = map[string]combined{
	"trimmed mean": func(points [][]float64) ([]float64, error) { return naiveTrimmed(points, 2), nil },
	"median":       func(points [][]float64) ([]float64, error) { return naiveMedian(points), nil },
	"krum":         func(points [][]float64) ([]float64, error) { return naiveKrum(points, 2, 1), nil },
	"multi-krum":   func(points [][]float64) ([]float64, error) { return naiveKrum(points, 2, 3), nil },
	"geometric median": func(points [][]float64) ([]float64, error) {
		return naiveGeometric(points, 60), nil
	},
}

func column(points [][]float64, i int) []float64 {
	var v []float64
	for _, p := range points {
		v = append(v, p[i])
	}
	slices.Sort(v)
	return v
}

func naiveTrimmed(points [][]float64, trim int) []float64 {
	var out []float64
	for i := range points[0] {
		v := column(points, i)
		sum := 0.0
		for _, x := range v[trim : len(v)-trim] {
			sum += x
		}
		out = append(out, sum/float64(len(v)-2*trim))
	}
	return out
}

func naiveMedian(points [][]float64) []float64 {
	var out []float64
	for i := range points[0] {
		v := column(points, i)
		if n := len(v); n%2 == 1 {
			out = append(out, v[n/2])
		} else {
			out = append(out, (v[n/2-1]+v[n/2])/2)
		}
	}
	return out
}

func distance(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum)
}

func naiveKrum(points [][]float64, hostile, keep int) []float64 {
	n := len(points)
	type scored struct {
		score float64
		point []float64
	}
	var list []scored
	for i, p := range points {
		var near []float64
		for j, q := range points {
			if i != j {
				near = append(near, distance(p, q)*distance(p, q))
			}
		}
		slices.Sort(near)
		s := scored{point: p}
		for _, d := range near[:n-hostile-2] {
			s.score += d
		}
		list = append(list, s)
	}
	out := make([]float64, len(points[0]))
	for range keep {
		best := 0
		for i := range list {
			if list[i].score < list[best].score {
				best = i
			}
		}
		for i, v := range list[best].point {
			out[i] += v / float64(keep)
		}
		list = slices.Delete(list, best, best+1)
	}
	return out
}

func naiveGeometric(points [][]float64, iterations int) []float64 {
	v := make([]float64, len(points[0]))
	for _, p := range points {
		for i, x := range p {
			v[i] += x / float64(len(points))
		}
	}
	for range iterations {
		next, total := make([]float64, len(v)), 0.0
		for _, p := range points {
			w := 1 / max(distance(v, p), 1e-9)
			total += w
			for i, x := range p {
				next[i] += w * x
			}
		}
		for i := range next {
			v[i] = next[i] / total
		}
	}
	return v
}

func TestRulesAgreeWithTheirTwins(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 40 {
		points := honest(rng, 7+rng.IntN(4), 1+rng.IntN(40))
		if rng.IntN(2) == 0 { // one far away
			for i := range points[0] {
				points[0][i] *= 50
			}
		}
		for name, rule := range rules {
			got, err := rule(points)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := twins[name](points)
			if d := distance(got, want); d > 1e-7*(1+distance(want, make([]float64, len(want)))) {
				t.Errorf("%s of %d groups: %v apart", name, len(points), d)
			}
		}
	}
}

// TestOrderOfGroupsDoesNotMatter: bit for bit where coordinates are sorted, but for the
// order of additions elsewhere.
func TestOrderOfGroupsDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for name, rule := range rules {
		points := honest(rng, 9, 30)
		points[3][5], points[4][5] = 0, math.Copysign(0, -1)
		want, err := rule(points)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			rng.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
			got, err := rule(points)
			if err != nil {
				t.Fatal(err)
			}
			exact := name == "trimmed mean" || name == "median"
			if exact && !cmp.Equal(got, want) || distance(got, want) > 1e-9 {
				t.Errorf("%s: %v apart", name, distance(got, want))
			}
		}
	}
}

func TestShiftMovesTheResult(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for name, rule := range rules {
		points := honest(rng, 9, 20)
		before, err := rule(points)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range points {
			for i := range p {
				p[i] += 4
			}
		}
		after, err := rule(points)
		if err != nil {
			t.Fatal(err)
		}
		for i := range before {
			if math.Abs(after[i]-before[i]-4) > 1e-6 {
				t.Errorf("%s: coordinate %d moved by %v, want 4", name, i, after[i]-before[i])
			}
		}
	}
}

// TestBreakdown: with as many hostile groups as promised, all at one far point, the
// result stays where the honest ones are; the mean does not, and neither does a rule with
// one hostile group more than it stands.
func TestBreakdown(t *testing.T) {
	const groups, n, far = 9, 25, 1e6
	rng := rand.New(rand.NewPCG(4, 4))
	attack := func(hostile int) (points [][]float64, centre []float64, radius float64) {
		points = honest(rng, groups, n)
		centre = make([]float64, n)
		for _, p := range points[hostile:] {
			for i, v := range p {
				centre[i] += v / float64(groups-hostile)
			}
		}
		for _, p := range points[hostile:] {
			radius = max(radius, distance(p, centre))
		}
		for _, p := range points[:hostile] {
			for i := range p {
				p[i] = far
			}
		}
		return points, centre, radius
	}
	away := func(rule combined, hostile int) float64 {
		points, centre, radius := attack(hostile)
		got, err := rule(points)
		if err != nil {
			t.Fatal(err)
		}
		return distance(got, centre) / radius
	}
	for _, c := range []struct {
		name  string
		rule  combined
		stand int
		most  float64 // in radii of the honest groups
	}{
		{"mean", trimmed(0), 0, 1},
		{"trimmed mean, 2 off", trimmed(2), 2, 2},
		{"trimmed mean, 4 off", trimmed(4), 4, 2},
		{"median", coordinateRule(Median), 4, 2},
		{"krum", krum(3, 1), 3, 2},
		{"multi-krum", krum(3, 4), 3, 2},
		{"geometric median", geometric(200), 4, 6},
	} {
		if got := away(c.rule, c.stand); got > c.most {
			t.Errorf("%s: with %d hostile groups of %d it is %v radii away, want at most %v", c.name, c.stand, groups, got, c.most)
		}
		over := c.stand + 1
		if c.name == "krum" || c.name == "multi-krum" {
			over = c.stand + 2 // they agree with one another, and so are nearest to one another
		}
		if got := away(c.rule, over); got < 1000 {
			t.Errorf("%s: with %d hostile groups of %d it is only %v radii away: the promise is too small", c.name, over, groups, got)
		}
	}
}

func TestRulesRefuse(t *testing.T) {
	two, dst := [][]float64{{1}, {2}}, make([]float64, 1)
	weigh := func(_ []float64, err error) error { return err }
	for name, c := range map[string]struct{ got, want error }{
		"trim everything":      {TrimmedMean(dst, two, 1), ErrGroups},
		"trim a negative":      {TrimmedMean(dst, two, -1), ErrGroups},
		"median of nobody":     {Median(nil, nil), ErrGroups},
		"krum of few":          {weigh(NewDistances(4).Krum(1, 1)), ErrGroups},
		"krum keeps many":      {weigh(NewDistances(7).Krum(1, 5)), ErrGroups},
		"krum keeps none":      {weigh(NewDistances(7).Krum(1, 0)), ErrGroups},
		"krum of negatives":    {weigh(NewDistances(7).Krum(-1, 1)), ErrGroups},
		"geometric of nobody":  {weigh(NewDistances(0).GeometricMedian(3)), ErrGroups},
		"shape":                {TrimmedMean(dst, [][]float64{{1}, {1, 2}}, 0), ErrShape},
		"shape of distances":   {NewDistances(2).Add([][]float64{{1}, {1, 2}}), ErrShape},
		"groups of distances":  {NewDistances(3).Add(two), ErrShape},
		"weights":              {Combine(dst, two, []float64{1}), ErrShape},
		"no number":            {Median(dst, [][]float64{{math.NaN()}}), ErrNotFinite},
		"infinite":             {Combine(dst, [][]float64{{math.Inf(1)}}, []float64{1}), ErrNotFinite},
		"distance without end": {NewDistances(2).Add([][]float64{{-1e200}, {1e200}}), ErrNotFinite},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

func TestGroupsThatAgree(t *testing.T) {
	d := NewDistances(3)
	same := [][]float64{{1, 2}, {1, 2}, {1, 2}}
	if err := d.Add(same); err != nil {
		t.Fatal(err)
	}
	weights, err := d.GeometricMedian(10)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float64, 2)
	if err := Combine(dst, same, weights); err != nil {
		t.Fatal(err)
	}
	if distance(dst, []float64{1, 2}) > 1e-12 {
		t.Errorf("%v", dst)
	}
}

// The bits are part of every snapshot: a change here changes every model's digest.
func TestRobustBitsAreFixed(t *testing.T) {
	points := [][]float64{{0.1, -2.5}, {0.3, 1.7}, {0.25, 1.6}, {9, -40}, {0.2, 1.65}, {0.15, 1.1}, {-0.05, 0.9}}
	var got []uint64
	for _, rule := range []combined{trimmed(1), trimmed(2), coordinateRule(Median), krum(1, 1), krum(1, 3), geometric(8)} {
		v, err := rule(points)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, math.Float64bits(v[0]), math.Float64bits(v[1]))
	}
	want := []uint64{0x3fc999999999999a, 0x3fe199999999999a, 0x3fc9999999999999, 0x3ff3333333333333, 0x3fc999999999999a, 0x3ff199999999999a,
		0x3fd0000000000000, 0x3ff999999999999a, 0x3fc9999999999999, 0x3ff7333333333333, 0x3fc3338fb7bd3985, 0x3ff19a3199c0c64a}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%#x\n%s", got, diff)
	}
}
