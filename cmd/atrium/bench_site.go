package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
	"atrium/coordinator/setup"
)

// benchSite is a federation of processes on this machine whose hospitals have records to
// count and nothing to learn.
type benchSite struct {
	dir       string
	address   string
	hospitals []string
	plan      federation.Plan
}

const (
	benchFeatures = 4
	benchRows     = 20
)

func (s benchSite) coordinatorDir() string { return filepath.Join(s.dir, "federation", "coordinator") }
func (s benchSite) logs() string           { return filepath.Join(s.dir, "logs") }
func (s benchSite) hospitalDir(name string) string {
	return filepath.Join(s.dir, "federation", "hospitals", name)
}

// benchPlan is a plan whose model has nearly n parameters: an mlp of equal layers but
// the last, which takes up what is left.
func benchPlan(n, bits, rounds int) (federation.Plan, error) {
	p := planfile.Defaults()
	p.Name = "bench"
	p.Label = federation.Label{Name: "label"}
	for i := range benchFeatures {
		p.Features = append(p.Features, federation.Feature{Name: fmt.Sprintf("f%d", i), Min: -10, Max: 10, Missing: federation.MissingMean})
	}
	p.Model = federation.Model{Kind: federation.MLP, Hidden: benchLayers(n)}
	p.Local.LearningRate, p.Local.Steps = 1, 1
	p.Privacy = federation.Privacy{Bits: bits, Clip: 1, WeightCap: 100, MinRecords: 10}
	p.Schedule = federation.Schedule{Rounds: rounds, GatherSeconds: 600, UpdateSeconds: 3600, OpenSeconds: 3600, GraceSeconds: 60}
	return p, p.Validate()
}

// benchLayers returns the fewest hidden layers that reach n parameters.
func benchLayers(n int) []int {
	if h := (n - 1) / (benchFeatures + 2); h <= federation.MaxHiddenUnits {
		return []int{max(h, 1)}
	}
	for layers := 2; ; layers++ {
		h := int(math.Sqrt(float64(n) / float64(layers-1)))
		if h > federation.MaxHiddenUnits && layers < federation.MaxHiddenLayers {
			continue
		}
		h = min(h, federation.MaxHiddenUnits)
		before := benchFeatures*h + h + (layers-2)*(h*h+h) // without the last layer and the output
		last := min(max((n-1-before)/(h+2), 1), federation.MaxHiddenUnits)
		hidden := make([]int, layers)
		for i := range hidden {
			hidden[i] = h
		}
		hidden[layers-1] = last
		return hidden
	}
}

// newBenchSite makes the federation below dir.
func newBenchSite(ctx context.Context, dir string, o benchOptions) (benchSite, error) {
	s := benchSite{dir: dir}
	var err error
	if s.plan, err = benchPlan(o.Params, o.Bits, o.Rounds); err != nil {
		return s, err
	}
	if s.address, err = freeAddress(); err != nil {
		return s, err
	}
	for i := range o.Hospitals {
		s.hospitals = append(s.hospitals, fmt.Sprintf("h%03d", i))
	}
	records := filepath.Join(dir, "records.csv")
	if err := os.WriteFile(records, benchRecords(benchRows), 0o600); err != nil {
		return s, err
	}
	if err := os.MkdirAll(s.logs(), 0o700); err != nil {
		return s, err
	}
	_, err = setup.Init(ctx, setup.Options{Dir: filepath.Join(dir, "federation"), Federation: "bench", Hospitals: s.hospitals, Groups: 1, Numbers: federation.Tolerant(len(s.hospitals), 1),
		Address: s.address, Plan: s.plan, Data: func(string) (string, string) { return records, records }})
	return s, err
}

// benchRecords is a file of records with the columns of benchPlan.
func benchRecords(rows int) []byte {
	var b bytes.Buffer
	for i := range benchFeatures {
		fmt.Fprintf(&b, "f%d,", i)
	}
	b.WriteString("label\n")
	for row := range rows {
		b.WriteString(strings.Repeat(fmt.Sprintf("%d,", row%7), benchFeatures))
		fmt.Fprintf(&b, "%d\n", row%2)
	}
	return b.Bytes()
}
