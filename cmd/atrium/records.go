package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"atrium/client/dataset"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
	"atrium/coordinator/setup"
)

// recordFolder is a directory of the records of several hospitals for one plan:
// NAME_train.csv and NAME_test.csv, or .npy of a plan over arrays; NAME_columns.yaml where
// the hospital's files have the plan's columns otherwise.
type recordFolder struct {
	dir  string
	plan federation.Plan
}

// files names the records of a hospital.
func (f recordFolder) files(name string) (train, test string) {
	return filepath.Join(f.dir, name+"_train"+f.extension()), filepath.Join(f.dir, name+"_test"+f.extension())
}

// columns names the file of a hospital's columns; empty if there is none.
func (f recordFolder) columns(name string) string {
	file := filepath.Join(f.dir, name+"_columns.yaml")
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

func (f recordFolder) extension() string {
	if f.plan.Arrays() {
		return ".npy"
	}
	return ".csv"
}

// hospitals lists whose records there are; n is how many are wanted, 0 all.
func (f recordFolder) hospitals(n int) ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), "_train"+f.extension()); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	switch {
	case len(names) < 3:
		return nil, fmt.Errorf("%s: holds the records of %d hospitals (<hospital>_train%s with <hospital>_test%s): a federation needs 3", f.dir, len(names), f.extension(), f.extension())
	case n > len(names):
		return nil, fmt.Errorf("%s: holds the records of %d hospitals, --hospitals asks for %d", f.dir, len(names), n)
	case n > 0:
		names = names[:n]
	}
	return names, nil
}

// read reads the records of a hospital.
func (f recordFolder) read(name string) (train, test *dataset.Table, err error) {
	options := dataset.Options{}
	if file := f.columns(name); file != "" {
		if options.Columns, err = readColumns(file, f.plan); err != nil {
			return nil, nil, err
		}
	}
	trainFile, testFile := f.files(name)
	if train, err = dataset.Read(trainFile, f.plan, options); err != nil {
		return nil, nil, err
	}
	test, err = dataset.Read(testFile, f.plan, options)
	return train, test, err
}

// readColumns reads a file of columns.
func readColumns(file string, plan federation.Plan) ([]dataset.Column, error) {
	b, err := setup.ReadFile(file, planfile.MaxFileBytes)
	if err != nil {
		return nil, err
	}
	return dataset.ParseColumns(file, b, plan)
}

// generate writes the records of n made-up hospitals into the folder, and returns their
// names.
func (f recordFolder) generate(seed uint64, n int) ([]string, error) {
	var names []string
	for i := range n {
		name, write, err := generator(f.plan, seed, i)
		if err != nil {
			return nil, err
		}
		if err := write(f.dir); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// generator returns the name of a made-up hospital of a plan, and what writes its records.
func generator(plan federation.Plan, seed uint64, index int) (name string, write func(dir string) error, err error) {
	if plan.Arrays() {
		c := dataset.GenerateArrays(plan, seed, index)
		return c.Name, func(dir string) error { return c.WriteNPY(dir, c.Name) }, nil
	}
	c, err := dataset.GenerateFor(plan, seed, index)
	return c.Name, func(dir string) error { return c.WriteCSV(dir, c.Name) }, err
}
