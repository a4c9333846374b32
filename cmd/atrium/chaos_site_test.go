package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
	"atrium/coordinator/setup"
)

// newChaosSite makes the federation below dir, in the shape of a benchmark's.
func newChaosSite(ctx context.Context, dir string, o chaosOptions, store chaosStore) (benchSite, setup.Result, error) {
	s := benchSite{dir: dir}
	for i := range o.Hospitals {
		s.hospitals = append(s.hospitals, fmt.Sprintf("hospital-%d", i))
	}
	var err error
	if s.plan, err = chaosPlan(o); err != nil {
		return s, setup.Result{}, err
	}
	if s.address, err = freeAddress(); err != nil {
		return s, setup.Result{}, err
	}
	if err := os.MkdirAll(s.logs(), 0o700); err != nil {
		return s, setup.Result{}, err
	}
	records := func(name string) (string, string) {
		file := filepath.Join(dir, name+".csv")
		return file, file
	}
	for i, name := range s.hospitals {
		file, _ := records(name)
		if err := os.WriteFile(file, benchRecords(chaosRows(i)), 0o600); err != nil {
			return s, setup.Result{}, err
		}
	}
	result, err := setup.Init(ctx, setup.Options{Dir: filepath.Join(dir, "federation"), Federation: "chaos", Hospitals: s.hospitals,
		Address: s.address, Plan: s.plan, Groups: o.Groups, Numbers: federation.Tolerant(len(s.hospitals), o.Groups), Data: records, Storage: store.where, S3: store.s3})
	return s, result, err
}

// chaosRows is how many records a hospital has, for training and for evaluation: a sum
// of records is a number in base 4 that says how often each was counted.
func chaosRows(hospital int) int { return 10 << (2 * hospital) }

// chaosPlan has a parameter for each hospital and slot, and deadlines that faults meet.
func chaosPlan(o chaosOptions) (federation.Plan, error) {
	p := planfile.Defaults()
	p.Name = "chaos"
	p.Label = federation.Label{Name: "label"}
	for i := range benchFeatures {
		p.Features = append(p.Features, federation.Feature{Name: fmt.Sprintf("f%d", i), Min: -10, Max: 10, Missing: federation.MissingMean})
	}
	units := (o.Hospitals*oneHotSlots + benchFeatures) / (benchFeatures + 1)
	p.Model = federation.Model{Kind: federation.MLP, Hidden: []int{units}}
	p.Local.LearningRate, p.Local.Steps = 1, 1
	p.Privacy = federation.Privacy{Bits: 24, Clip: 1, WeightCap: chaosRows(o.Hospitals - 1), MinRecords: chaosRows(0)}
	p.Schedule = federation.Schedule{Rounds: o.Rounds, EvaluateEvery: 8, GatherSeconds: 3, UpdateSeconds: 4, OpenSeconds: 4, GraceSeconds: 1}
	return p, p.Validate()
}
