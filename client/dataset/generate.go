package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"atrium/coordinator/federation"
)

// Cohort is one generated hospital.
type Cohort struct {
	Name        string
	Columns     []string // of its files; nil: Columns
	Train, Test []Record
}

// Record is one generated patient, in the schema that Columns names.
type Record struct {
	SourceRow int
	Values    []float64 // Columns[1:len-1]; NaN is missing
	Disease   bool
}

// Columns is the header of a generated file: a row number, 13 features, the label.
var Columns = []string{"source_row", "age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak",
	"cp_2", "cp_3", "cp_4", "restecg_1", "restecg_2", "disease"}

// profile is what makes a hospital differ from the others.
type profile struct {
	train, test int     // records
	prevalence  float64 // share with disease
	oneClass    bool    // no negatives in the training part, two in the test part
	age         float64 // mean, years
	men         float64 // share
	pressure    float64 // offset of the blood-pressure device, mmHg
	heartRate   float64 // offset of the exercise protocol, beats a minute
	sickness    float64 // referral: shift of exercise findings, in their deviations
	noChol      float64 // share whose cholesterol is recorded as 0, "not measured"
	missing     float64 // share of empty cells in the columns that can be empty
	siteEffect  float64 // deviation of the hospital's own change of each coefficient
}

// The four shapes of a hospital: a large balanced one, a screening clinic, a small
// referral centre that sees hardly anyone healthy and measures no cholesterol, and
// a smaller hospital of older men.
var profiles = [4]profile{
	{train: 200, test: 100, prevalence: 0.46, age: 54, men: 0.68, missing: 0, siteEffect: 0.1},
	{train: 170, test: 86, prevalence: 0.36, age: 48, men: 0.72, pressure: 3, heartRate: -6, sickness: -0.2, missing: 0.04, siteEffect: 0.1},
	{train: 30, test: 16, prevalence: 0.95, oneClass: true, age: 55, men: 0.92, pressure: -3, heartRate: -20, sickness: 0.1, noChol: 1, missing: 0.06, siteEffect: 0.1},
	{train: 84, test: 44, prevalence: 0.75, age: 60, men: 0.96, pressure: 4, heartRate: -24, sickness: 0.3, noChol: 0.25, missing: 0.08, siteEffect: 0.1},
}

var cohortNames = []string{"northgate", "riverside", "hillcrest", "lakeview", "eastbrook", "fairmount", "stonebridge", "westfield",
	"ashgrove", "millbank", "oakhurst", "seaside"}

// cohortStream separates the generator's random numbers from other uses of a seed.
const cohortStream = 0x61747269756d2f63 // "atrium/c"

// Generate returns hospital number index (from 0) of a generated federation. The same
// seed and index give the same records. The first four are the shapes above; further
// ones repeat them with other sizes, shares and offsets.
//
// Disease follows one logistic model of the true values, the same everywhere but for
// small site effects; what is recorded differs from the true values by the site's
// equipment. Records are drawn until each part has its number of each class, which
// shifts the model's intercept by site and leaves its coefficients alone. A negative
// index is a programmer's error.
func Generate(seed uint64, index int) Cohort {
	if index < 0 {
		panic(fmt.Sprintf("generate cohort %d", index))
	}
	rng := rand.New(rand.NewPCG(seed, cohortStream+uint64(index)))
	p := profiles[index%len(profiles)]
	c := Cohort{Name: cohortName(index)}
	if index >= len(profiles) {
		p = p.jitter(rng)
	}
	s := newSite(p, rng)
	trainPositive := int(math.Round(p.prevalence * float64(p.train)))
	testPositive := int(math.Round(p.prevalence * float64(p.test)))
	if p.oneClass {
		trainPositive, testPositive = p.train, p.test-2
	}
	row := 0
	c.Train = s.draw(rng, trainPositive, p.train-trainPositive, &row)
	c.Test = s.draw(rng, testPositive, p.test-testPositive, &row)
	return c
}

func cohortName(index int) string {
	if index < len(cohortNames) {
		return cohortNames[index]
	}
	return fmt.Sprintf("hospital-%d", index+1)
}

// GenerateFor returns hospital number index (from 0) of a generated federation for a plan
// with the columns of one that ships; there is none for other columns.
func GenerateFor(plan federation.Plan, seed uint64, index int) (Cohort, error) {
	names := append(featureNames(plan), plan.Label.Names()...)
	if without(names, LiverColumns) == "" {
		return GenerateLiver(seed, index), nil
	}
	if missing := without(names, Columns); missing != "" {
		return Cohort{}, fmt.Errorf("plan %s: no records are made up that have column %s: name a directory of records", plan.Name, missing)
	}
	return Generate(seed, index), nil
}

// without is the first of names that is not in a header.
func without(names, header []string) string {
	for _, n := range names {
		if !slices.Contains(header, n) {
			return n
		}
	}
	return ""
}

// jitter varies a profile within the bounds of real hospitals: 30 to 300 records,
// prevalence 0.35 to 0.95.
func (p profile) jitter(rng *rand.Rand) profile {
	within := func(low, high float64) float64 { return low + (high-low)*rng.Float64() }
	all := math.Min(300, math.Max(30, float64(p.train+p.test)*within(0.7, 1.2)))
	p.test = int(all / 3)
	p.train = int(all) - p.test
	p.prevalence = math.Min(0.95, math.Max(0.35, p.prevalence+within(-0.08, 0.08)))
	p.age += within(-3, 3)
	p.men = math.Min(0.97, p.men+within(-0.1, 0.05))
	p.pressure += within(-4, 4)
	p.heartRate += within(-6, 6)
	p.sickness += within(-0.2, 0.2)
	p.missing = math.Min(0.08, p.missing*within(0.5, 1.5))
	return p
}
