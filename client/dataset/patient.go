package dataset

import (
	"math"
	"math/rand/v2"
)

// patient is the truth behind a record: what an ideal device would measure.
type patient struct {
	age, men, pressure, chol, sugar, heartRate, angina, depression float64
	pain, ecg                                                      int // 1 to 4, 0 to 2
}

// truth are the coefficients of the ground truth per deviation or indicator, in the
// order of effects.
var truth = [12]float64{0.2, 1.6, 0.25, 0.45, 0.45, -0.95, 1.25, 1.2, -0.6, 0.1, 1.9, 0.4}

const intercept = -2.8

// site draws the records of one hospital.
type site struct {
	profile
	coefficients [len(truth)]float64
}

func newSite(p profile, rng *rand.Rand) *site {
	s := &site{profile: p, coefficients: truth}
	for i := range s.coefficients {
		s.coefficients[i] += p.siteEffect * normal(rng)
	}
	return s
}

// draw returns records of each class in the order in which they came.
func (s *site) draw(rng *rand.Rand, positive, negative int, row *int) []Record {
	out := make([]Record, 0, positive+negative)
	for positive > 0 || negative > 0 {
		who := s.patient(rng)
		disease := rng.Float64() < 1/(1+math.Exp(-s.risk(who)))
		left := &negative
		if disease {
			left = &positive
		}
		if *left == 0 {
			continue
		}
		*left--
		out = append(out, Record{SourceRow: *row, Values: s.record(rng, who), Disease: disease})
		*row++
	}
	return out
}

func (s *site) patient(rng *rand.Rand) patient {
	var w patient
	w.age = clamp(s.age+9*normal(rng), 28, 77)
	years := (w.age - 54) / 9
	w.men = chance(rng, s.men)
	w.pressure = clamp(132+4*years+17*normal(rng), 90, 200)
	w.chol = clamp(245+8*years+48*normal(rng), 110, 560)
	w.sugar = chance(rng, 0.15)
	w.heartRate = clamp(150-8*years-4*s.sickness+20*normal(rng), 75, 202)
	w.angina = chance(rng, clamp(0.32+0.12*s.sickness, 0.05, 0.9))
	w.depression = clamp(0.9+0.4*s.sickness+1.05*normal(rng), 0, 6.2)
	w.pain = 1 + choose(rng, 0.07, 0.21, 0.25)
	w.ecg = choose(rng, 0.6, 0.16)
	return w
}

// risk is the log-odds of disease.
func (s *site) risk(w patient) float64 {
	effects := [len(truth)]float64{
		(w.age - 54) / 9, w.men, (w.pressure - 132) / 18, (w.chol - 245) / 50, w.sugar, (w.heartRate - 150) / 22,
		w.angina, (w.depression - 0.9) / 1.05, indicator(w.pain == 2), indicator(w.pain == 3), indicator(w.pain == 4),
		indicator(w.ecg > 0),
	}
	risk := intercept
	for i, e := range effects {
		risk += s.coefficients[i] * e
	}
	return risk
}

// record is what the hospital writes down: its devices' offsets, its gaps.
func (s *site) record(rng *rand.Rand, w patient) []float64 {
	chol := math.Round(w.chol)
	if rng.Float64() < s.noChol {
		chol = 0
	}
	gap := func(value float64) float64 {
		if rng.Float64() < s.missing {
			return math.NaN()
		}
		return value
	}
	return []float64{
		math.Round(w.age), w.men, gap(math.Round(w.pressure + s.pressure)), gap(chol), gap(w.sugar),
		gap(clamp(math.Round(w.heartRate+s.heartRate), 60, 202)), w.angina, gap(math.Round(w.depression*10) / 10),
		indicator(w.pain == 2), indicator(w.pain == 3), indicator(w.pain == 4),
		indicator(w.ecg == 1), indicator(w.ecg == 2),
	}
}

// normal is a standard normal deviate near enough (the sum of twelve uniform ones),
// with exact arithmetic on every CPU.
func normal(rng *rand.Rand) float64 {
	sum := -6.0
	for range 12 {
		sum += rng.Float64()
	}
	return sum
}

func chance(rng *rand.Rand, p float64) float64 { return indicator(rng.Float64() < p) }

// choose returns i with the i-th probability, and len(p) with what is left.
func choose(rng *rand.Rand, p ...float64) int {
	u := rng.Float64()
	for i := range p {
		if u < p[i] {
			return i
		}
		u -= p[i]
	}
	return len(p)
}

func clamp(v, low, high float64) float64 { return math.Min(math.Max(v, low), high) }

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
