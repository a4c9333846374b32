package dataset

import (
	"math"
	"math/rand/v2"
)

// LiverColumns is the header of the files of a generated hospital of liver tests, in the
// units of the plan that ships: g/l, U/l and µmol/l.
var LiverColumns = []string{"source_row", "age", "sex", "albumin", "alp", "alt", "ast", "bilirubin", "protein", "liver_disease"}

// liverStream separates the generator's random numbers from other uses of a seed.
const liverStream = 0x61747269756d2f6c // "atrium/l"

// spread is mean and deviation; of enzymes and bilirubin those of the logarithm.
type spread struct{ mean, deviation float64 }

// liverClass is what records of one outcome look like at one kind of hospital.
type liverClass struct {
	men                                             float64
	age, albumin, alp, alt, ast, bilirubin, protein spread
}

// liverKind is a kind of hospital.
type liverKind struct {
	train, test int
	prevalence  float64
	classes     [2]liverClass // by outcome
}

// The two kinds: a laboratory that tests blood donors, of whom few are ill, and a clinic
// whose patients mostly are. Its method for alkaline phosphatase gives three times as much,
// and who is not ill of the liver there is not healthy either.
var liverKinds = [2]liverKind{
	{train: 206, test: 102, prevalence: 0.12, classes: [2]liverClass{
		{0.6, spread{47, 10}, spread{42, 5.5}, spread{4.19, 0.28}, spread{3.18, 0.5}, spread{3.24, 0.31}, spread{1.96, 0.57}, spread{72, 5.1}},
		{0.7, spread{48, 12}, spread{39, 6.8}, spread{3.91, 0.6}, spread{2.9, 1.1}, spread{4.28, 0.64}, spread{2.93, 0.9}, spread{73, 7}}}},
	{train: 195, test: 97, prevalence: 0.71, classes: [2]liverClass{
		{0.7, spread{41, 17}, spread{33.4, 7.8}, spread{5.3, 0.38}, spread{3.34, 0.55}, spread{3.48, 0.61}, spread{2.8, 0.49}, spread{65, 10.6}},
		{0.78, spread{46, 15.6}, spread{30.6, 7.9}, spread{5.5, 0.56}, spread{3.8, 0.96}, spread{4.0, 1.06}, spread{3.3, 1.1}, spread{64.6, 10.9}}}},
}

// GenerateLiver returns hospital number index (from 0) of a generated federation of the two
// kinds in turns. The same seed and index give the same records. A model that is shared by
// both kinds is wrong for each: what is normal at one is ill at the other.
func GenerateLiver(seed uint64, index int) Cohort {
	rng := rand.New(rand.NewPCG(seed, liverStream+uint64(index)))
	k := liverKinds[index%2]
	c := Cohort{Name: cohortName(index), Columns: LiverColumns}
	row := 0
	draw := func(n int) []Record {
		ill := int(math.Round(k.prevalence * float64(n)))
		out := make([]Record, 0, n)
		for i := range n {
			disease := (i+1)*ill/n > i*ill/n // spread evenly
			out = append(out, Record{SourceRow: row, Disease: disease, Values: k.classes[int(indicator(disease))].draw(rng)})
			row++
		}
		return out
	}
	c.Train = draw(k.train)
	c.Test = draw(k.test)
	return c
}

// draw returns the values of a record. Enzymes go up together, and bilirubin somewhat with
// them; so do the proteins.
func (c liverClass) draw(rng *rand.Rand) []float64 {
	injury, nutrition := normal(rng), normal(rng)
	with := func(s spread, common, share float64) float64 {
		return s.mean + s.deviation*(share*common+math.Sqrt(1-share*share)*normal(rng))
	}
	linear := func(v, low, high float64) float64 { return clamp(math.Round(v*10)/10, low, high) }
	log := func(v, low, high float64) float64 { return linear(math.Exp(v), low, high) }
	return []float64{
		math.Round(clamp(with(c.age, 0, 0), 4, 90)), chance(rng, c.men),
		linear(with(c.albumin, nutrition, 0.85), 9, 82), log(with(c.alp, injury, 0.3), 11, 2110),
		log(with(c.alt, injury, 0.8), 1, 2000), log(with(c.ast, injury, 0.8), 10, 4900),
		log(with(c.bilirubin, injury, 0.5), 2, 1280), linear(with(c.protein, nutrition, 0.85), 27, 96),
	}
}
