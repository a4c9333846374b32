package aggregation

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClipNext(t *testing.T) {
	quiet := ClipRound{Largest: 0.1, Size: 1000, Hospitals: 4, MaxCount: 65535}
	met := func(n float64) ClipRound { r := quiet; r.Saturated = n; return r }
	for name, c := range map[string]struct {
		clip Clip
		r    ClipRound
		want Clip
	}{
		"follows the mean":              {Clip{0.5, 0}, quiet, Clip{0.4, 0}},
		"follows it up":                 {Clip{0.2, 0}, quiet, Clip{0.4, 0}},
		"by half at most":               {Clip{1, 0}, ClipRound{Largest: 0.001, Size: 1000, Hospitals: 4}, Clip{0.5, 0}},
		"nothing moved":                 {Clip{1, 0}, ClipRound{Size: 1000, Hospitals: 4}, Clip{0.5, 0}},
		"within the tolerance":          {Clip{0.5, 0}, met(4), Clip{0.4, 0}},
		"beyond it":                     {Clip{0.5, 0}, met(5), Clip{1, 1}},
		"one of few":                    {Clip{0.5, 0}, ClipRound{Largest: 0.1, Saturated: 1, Size: 1, Hospitals: 4, MaxCount: 255}, Clip{1, 1}},
		"all that can be reported":      {Clip{0.5, 0}, ClipRound{Largest: 0.1, Saturated: 4 * 255, Size: 1 << 20, Hospitals: 4, MaxCount: 255}, Clip{1, 1}},
		"less than half of it":          {Clip{0.5, 0}, ClipRound{Largest: 0.1, Saturated: 4 * 127, Size: 1 << 20, Hospitals: 4, MaxCount: 255}, Clip{0.4, 0}},
		"held up":                       {Clip{1, 1}, quiet, Clip{0.95, 0.95}},
		"no further than the plan":      {Clip{1.5, 0}, met(999), Clip{2, 2}},
		"no narrower than the plan":     {Clip{0.015, 0}, ClipRound{Size: 10, Hospitals: 4}, Clip{0.01, 0}},
		"a mean beyond the plan's most": {Clip{1, 0}, ClipRound{Largest: 5, Size: 10, Hospitals: 4}, Clip{2, 0}},
	} {
		got, err := c.clip.Next(c.r, 0.01, 2)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		if _, err := (Clip{1, 0}).Next(ClipRound{Largest: bad}, 0.01, 2); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// TestClipStaysWithin: whatever rounds say, a clip is one that the plan allows.
func TestClipStaysWithin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := Clip{Clip: 3}
	for range 10000 {
		r := ClipRound{Largest: math.Exp(40 * rng.NormFloat64()), Saturated: math.Exp(9 * rng.NormFloat64()), Size: 1 + rng.IntN(1000),
			Hospitals: rng.IntN(20), MaxCount: 255}
		var err error
		if c, err = c.Next(r, 0.25, 3); err != nil {
			t.Fatal(err)
		}
		if !(c.Clip >= 0.25 && c.Clip <= 3) || !(c.Floor >= 0 && c.Floor <= 3) {
			t.Fatalf("%+v after %+v", c, r)
		}
	}
}

// TestClipSettles: hospitals whose changes lie far beyond their mean, because they point in
// different directions, meet the clip in few rounds, and it stays near what they need.
func TestClipSettles(t *testing.T) {
	const spread, rounds = 0.01, 300
	c, met, widest := Clip{Clip: 1}, 0, 0.0
	for round := range rounds {
		r := ClipRound{Largest: spread / 100, Size: 1, Hospitals: 2, MaxCount: 65535}
		if spread > c.Clip { // both of them
			r.Saturated = 2
			met++
		}
		if round > 20 {
			widest = max(widest, c.Clip)
		}
		var err error
		if c, err = c.Next(r, 1e-6, 1); err != nil {
			t.Fatal(err)
		}
	}
	if met > rounds/10 || met == 0 || widest > 2*spread {
		t.Errorf("the clip was met in %d of %d rounds, and as wide as %v for changes of %v", met, rounds, widest, spread)
	}
}
