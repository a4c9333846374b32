package aggregation

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// near compares within what float32 resolves.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(a), math.Abs(b)) }

func requireNear(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	for i, w := range want {
		if !near(float64(got[i]), w) {
			t.Fatalf("%s %d: %v, want %v", what, i, got[i], w)
		}
	}
}

// vectors are rounds of changes of n coordinates, some of them large, small or 0.
func vectors(seed uint64, rounds, n int) [][]float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([][]float64, rounds)
	for r := range out {
		out[r] = make([]float64, n)
		for i := range out[r] {
			if rng.IntN(5) > 0 {
				out[r][i] = rng.NormFloat64() * math.Pow(10, float64(rng.IntN(5)-3))
			}
		}
	}
	return out
}

func widened(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// TestFedAvgMAgreesWithItsFormula: the twin unrolls v = Σ β^(t−s)·Δ_s.
func TestFedAvgMAgreesWithItsFormula(t *testing.T) {
	const n = 40
	r := FedAvgM{LearningRate: 0.7, Momentum: 0.8}
	rounds := vectors(1, 12, n)
	params, momentum := make([]float32, n), make([]float32, n)
	want := make([]float64, n)
	for at, delta := range rounds {
		if err := r.Step(params, momentum, delta); err != nil {
			t.Fatal(err)
		}
		velocity := make([]float64, n)
		for i := range velocity {
			for s := 0; s <= at; s++ {
				velocity[i] += math.Pow(0.8, float64(at-s)) * rounds[s][i]
			}
			want[i] += 0.7 * velocity[i]
		}
		requireNear(t, "momentum", momentum, velocity)
	}
	for i, w := range want { // float32 parameters, twelve roundings
		if math.Abs(float64(params[i])-w) > 1e-5*max(1, math.Abs(w)) {
			t.Errorf("parameter %d: %v, want %v", i, params[i], w)
		}
	}
}

func TestFedAvgMWithoutMomentumIsFedAvg(t *testing.T) {
	params, momentum := []float32{1, 2, 3}, make([]float32, 3)
	delta := []float64{0.5, -0.25, 0}
	want, err := FedAvg(params, delta, 1, 0.3)
	if err != nil {
		t.Fatal(err)
	}
	if err := (FedAvgM{LearningRate: 0.3}).Step(params, momentum, delta); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, params); diff != "" {
		t.Error(diff)
	}
}

// adaptiveTwin is algorithm 2 as it is printed, with a sign function.
func adaptiveTwin(r Adaptive, x, m, v, delta []float64) {
	sign := func(x float64) float64 {
		if x == 0 {
			return 0
		}
		return math.Copysign(1, x)
	}
	for i, d := range delta {
		m[i] = r.Beta1*m[i] + (1-r.Beta1)*d
		switch r.Moment {
		case Adagrad:
			v[i] = v[i] + d*d
		case Yogi:
			v[i] = v[i] - (1-r.Beta2)*d*d*sign(v[i]-d*d)
		case Adam:
			v[i] = r.Beta2*v[i] + (1-r.Beta2)*d*d
		}
		x[i] += r.LearningRate * m[i] / (math.Sqrt(v[i]) + r.Tau)
	}
}

func TestAdaptiveAgreesWithItsFormula(t *testing.T) {
	const n = 60
	for _, moment := range []Moment{Adagrad, Yogi, Adam} {
		r := Adaptive{Moment: moment, LearningRate: 0.05, Beta1: 0.9, Beta2: 0.99, Tau: 1e-3}
		params, first, second := make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range second {
			second[i] = r.FirstSecond()
		}
		x, m, v := make([]float64, n), make([]float64, n), make([]float64, n)
		for _, delta := range vectors(2, 15, n) {
			x, m, v = widened(params), widened(first), widened(second) // only one round's rounding apart
			adaptiveTwin(r, x, m, v, delta)
			if err := r.Step(params, first, second, delta); err != nil {
				t.Fatal(err)
			}
			requireNear(t, "parameter", params, x)
			requireNear(t, "first moment", first, m)
			requireNear(t, "second moment", second, v)
		}
		for i, s := range second {
			if s < 0 {
				t.Errorf("rule %d: second moment %d is %v", moment, i, s)
			}
		}
	}
}

func TestStepInPieces(t *testing.T) {
	const n, cut = 1000, 333
	delta := vectors(3, 1, n)[0]
	adam := Adaptive{Moment: Adam, LearningRate: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 1e-3}
	momentum := FedAvgM{LearningRate: 1, Momentum: 0.9}
	for name, step := range map[string]func(from, to int, params, a, b []float32) error{
		"adam":    func(i, j int, p, a, b []float32) error { return adam.Step(p[i:j], a[i:j], b[i:j], delta[i:j]) },
		"fedavgm": func(i, j int, p, a, _ []float32) error { return momentum.Step(p[i:j], a[i:j], delta[i:j]) },
		"control": func(i, j int, p, _, _ []float32) error { return Control(p[i:j], delta[i:j], 17, 0.5) },
	} {
		whole, pieces := [3][]float32{}, [3][]float32{}
		for i := range whole {
			whole[i], pieces[i] = make([]float32, n), make([]float32, n)
		}
		if err := errors.Join(step(0, n, whole[0], whole[1], whole[2]),
			step(0, cut, pieces[0], pieces[1], pieces[2]), step(cut, n, pieces[0], pieces[1], pieces[2])); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, pieces); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestStepsRefuse(t *testing.T) {
	one, two := []float32{1}, []float32{1, 2}
	adam := Adaptive{Moment: Adam, LearningRate: 0.1, Tau: 1e-3}
	for name, c := range map[string]struct{ got, want error }{
		"momentum of another length": {FedAvgM{}.Step(one, two, []float64{1}), ErrLength},
		"changes of another length":  {FedAvgM{}.Step(one, one, nil), ErrLength},
		"change without end":         {FedAvgM{LearningRate: 1}.Step([]float32{1}, []float32{0}, []float64{math.Inf(1)}), ErrNotFinite},
		"moments of another length":  {adam.Step(one, one, two, []float64{1}), ErrLength},
		"square beyond float32":      {adam.Step([]float32{1}, []float32{0}, []float32{0}, []float64{1e30}), ErrNotFinite},
		"change that is no number":   {adam.Step([]float32{1}, []float32{0}, []float32{0}, []float64{math.NaN()}), ErrNotFinite},
		"control of nobody":          {Control([]float32{1}, []float64{1}, 0, 1), ErrNoWeight},
		"control of another length":  {ControlChange(two, one, 1, 1), ErrLength},
		"control of no steps":        {ControlChange([]float32{1}, []float32{1}, 0, 1), ErrNotFinite},
		"mean of nobody":             {Mean([]float64{1}, 0), ErrNoWeight},
		"mean of no number":          {Mean([]float64{math.NaN()}, 1), ErrNotFinite},
		"mean of no number's weight": {Mean([]float64{1}, math.NaN()), ErrNotFinite},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

// The bits are part of every snapshot: a change here changes every model's digest.
func TestRuleBitsAreFixed(t *testing.T) {
	delta := []float64{0.1, -3.7e-4, 12.5, 0}
	fresh := func() []float32 { return []float32{0.3, -1.7, 2.1, 1e-3} }
	var got [][]uint32
	keep := func(vectors ...[]float32) {
		for _, v := range vectors {
			bits := make([]uint32, len(v))
			for i, x := range v {
				bits[i] = math.Float32bits(x)
			}
			got = append(got, bits)
		}
	}
	p, m := fresh(), []float32{0.01, 0.02, -0.03, 0.04}
	if err := (FedAvgM{LearningRate: 0.9, Momentum: 0.85}).Step(p, m, delta); err != nil {
		t.Fatal(err)
	}
	keep(p, m)
	for _, moment := range []Moment{Adagrad, Yogi, Adam} {
		p, m, v := fresh(), []float32{0.01, 0.02, -0.03, 0.04}, []float32{1e-6, 1e-6, 200, 3}
		r := Adaptive{Moment: moment, LearningRate: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 1e-3}
		if err := r.Step(p, m, v, delta); err != nil {
			t.Fatal(err)
		}
		keep(p, m, v)
	}
	c := fresh()
	if err := Control(c, delta, 7, 0.75); err != nil {
		t.Fatal(err)
	}
	d := fresh()
	if err := ControlChange(d, c, 7, 0.1); err != nil {
		t.Fatal(err)
	}
	keep(c, d)
	if diff := cmp.Diff(goldenBits, got); diff != "" {
		t.Errorf("%#v\n%s", got, diff)
	}
}

// TestNovaAgreesWithItsFormula: three hospitals, unequal steps, everything in the plain.
func TestNovaAgreesWithItsFormula(t *testing.T) {
	weights, steps := []int{12, 300, 77}, []int{3, 40, 7}
	changes := vectors(4, 3, 25)
	const alpha = 0.02
	norm := func(n int) float64 { return (1 - math.Pow(1-alpha, float64(n))) / alpha }
	for _, bits := range []int{8, 16, 24, 32} {
		var total float64
		digits := make([]float64, EffortDigits(bits))
		normalised := make([]float64, 25)
		for i, w := range weights {
			total += float64(w)
			own := make([]float64, len(digits))
			if err := Effort(own, w, EffectiveSteps(steps[i], alpha, 0), bits); err != nil {
				t.Fatal(err)
			}
			for j, d := range own {
				if d < 0 || d >= math.Pow(2, float64(bits)) || d != math.Trunc(d) {
					t.Fatalf("digit %v of %d bits", d, bits)
				}
				digits[j] += d
			}
			for j, x := range changes[i] {
				normalised[j] += float64(w) * x / norm(steps[i])
			}
		}
		tau, err := MeanEffort(digits, total, bits)
		if err != nil {
			t.Fatal(err)
		}
		if err := Mean(normalised, total); err != nil {
			t.Fatal(err)
		}
		var want float64
		for i, w := range weights {
			want += float64(w) / total * norm(steps[i])
		}
		if math.Abs(tau-want) > 1.0/EffortUnit {
			t.Errorf("%d bits: τ = %v, want %v", bits, tau, want)
		}
		params := make([]float32, 25)
		if err := FedAvgInPlace(params, normalised, 1, tau); err != nil {
			t.Fatal(err)
		}
		for j, p := range params {
			var sum float64
			for i, w := range weights {
				sum += float64(w) / total * changes[i][j] / norm(steps[i])
			}
			if math.Abs(float64(p)-want*sum) > 1e-3*max(1e-3, math.Abs(want*sum)) {
				t.Errorf("parameter %d: %v, want %v", j, p, want*sum)
			}
		}
	}
}

func TestEffectiveSteps(t *testing.T) {
	for _, c := range []struct {
		steps       int
		alpha, want float64
	}{{10, 0, 10}, {0, 0.1, 0}, {1, 0.5, 1}, {3, 0.5, 1.75}, {5, 1, 1}, {5, 7, 1}, {1_000_000, 0.001, 1000}} {
		if got := EffectiveSteps(c.steps, c.alpha, 0); math.Abs(got-c.want) > 1e-9*c.want {
			t.Errorf("%d steps, α %v: %v, want %v", c.steps, c.alpha, got, c.want)
		}
	}
}

// TestEffectiveStepsWithMomentum: against the formula of the paper, and against how far
// descent with momentum goes along a gradient of 1, step by step.
func TestEffectiveStepsWithMomentum(t *testing.T) {
	for _, rho := range []float64{0.1, 0.5, 0.9, 0.99} {
		for _, steps := range []int{0, 1, 2, 7, 100, 5000} {
			n := float64(steps)
			formula := (n - rho*(1-math.Pow(rho, n))/(1-rho)) / (1 - rho)
			var x, v float64
			for range steps {
				v = rho*v + 1
				x -= v
			}
			got := EffectiveSteps(steps, 0, rho)
			if math.Abs(got-formula) > 1e-9*max(1, formula) || math.Abs(got+x) > 1e-9*max(1, formula) {
				t.Errorf("%d steps, ρ %v: %v, the formula gives %v, descent %v", steps, rho, got, formula, -x)
			}
		}
	}
}

func TestEffortRefuses(t *testing.T) {
	digits := make([]float64, EffortDigits(16))
	for _, c := range []struct {
		weight int
		norm   float64
	}{{1 << 20, 1 << 21}, {1, math.NaN()}, {1, math.Inf(1)}, {-1, 5}} {
		if err := Effort(digits, c.weight, c.norm, 16); !errors.Is(err, ErrEffort) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := Effort(digits[:1], 1000, 1000, 16); !errors.Is(err, ErrEffort) {
		t.Errorf("too few digits: %v", err)
	}
	if _, err := MeanEffort(digits, 0, 16); !errors.Is(err, ErrNoWeight) {
		t.Errorf("no weight: %v", err)
	}
	if _, err := MeanEffort([]float64{math.NaN()}, 1, 16); !errors.Is(err, ErrNotFinite) {
		t.Errorf("no number: %v", err)
	}
}

// TestScaffoldStopsDrift runs algorithm 1 on f(x) = Σ pᵢ·aᵢ(x−bᵢ)²/2: many local steps
// pull FedAvg away from the weighted optimum, and control variates bring it there. c must
// remain the weighted mean of the hospitals' cᵢ.
func TestScaffoldStopsDrift(t *testing.T) {
	a, b, w := []float64{1, 4, 0.5}, []float64{-3, 2, 10}, []float64{10, 40, 25}
	const rate, steps = 0.05, 30
	var top, bottom float64
	for i := range a {
		top, bottom = top+w[i]*a[i]*b[i], bottom+w[i]*a[i]
	}
	optimum := top / bottom
	run := func(corrected bool, momentum float64) (float64, float64) {
		x, c, own := []float32{0}, []float32{0}, make([]float64, 3)
		for range 200 {
			var sum, controls, weight float64
			for i := range a {
				y, v := float64(x[0]), 0.0
				for range steps {
					g := a[i] * (y - b[i])
					if corrected {
						g += float64(c[0]) - own[i]
					}
					v = momentum*v + g
					y -= rate * v
				}
				change := []float32{float32(y - float64(x[0]))}
				sum += w[i] * float64(change[0])
				weight += w[i]
				if err := ControlChange(change, c, EffectiveSteps(steps, 0, momentum), rate); err != nil {
					t.Fatal(err)
				}
				own[i] += float64(change[0])
				controls += w[i] * float64(change[0])
			}
			if err := errors.Join(FedAvgInPlace(x, []float64{sum}, weight, 1), Control(c, []float64{controls}, weight, 1)); err != nil {
				t.Fatal(err)
			}
		}
		mean := (w[0]*own[0] + w[1]*own[1] + w[2]*own[2]) / (w[0] + w[1] + w[2])
		return float64(x[0]), mean - float64(c[0])
	}
	for _, momentum := range []float64{0, 0.5, 0.9} {
		plain, _ := run(false, momentum)
		got, apart := run(true, momentum)
		if math.Abs(plain-optimum) < 0.1 || math.Abs(got-optimum) > 1e-4 || math.Abs(apart) > 1e-3 {
			t.Errorf("momentum %v, optimum %v: FedAvg %v, SCAFFOLD %v, c differs from the mean of cᵢ by %v", momentum, optimum, plain, got, apart)
		}
	}
}
