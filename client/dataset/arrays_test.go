package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/aggregation"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

// waves is a plan over arrays of 2 × 3.
func waves() federation.Plan {
	p := plans.Chest()
	p.Model = federation.Model{Kind: federation.Layers, Input: federation.Input{Shape: []int{2, 3}, Scaling: federation.ScaleTogether}}
	return p
}

// npy is a file as NumPy writes it.
func npy(t testing.TB, kind string, shape []int, values ...any) string {
	t.Helper()
	var b bytes.Buffer
	if err := writeNPYHeader(&b, kind, shape); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "a.npy")
}

// The header is byte for byte what numpy.save writes (NumPy 1.26).
func TestNPYHeaderIsNumPys(t *testing.T) {
	want := "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 3), }" + strings.Repeat(" ", 55) + "\n"
	if got := npy(t, "<f4", []int{2, 2, 3}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := npy(t, "|u1", []int{5}); !strings.Contains(got, "'shape': (5,), }") || len(got)%64 != 0 {
		t.Errorf("%q", got)
	}
}

// Every type of value and both kinds of label file give the same table.
func TestReadArrays(t *testing.T) {
	shape := []int{2, 2, 3}
	for name, file := range map[string]string{
		"<f4": npy(t, "<f4", shape, []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 300}), "<f8": npy(t, "<f8", shape, []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 300}),
		"<i2": npy(t, "<i2", shape, []int16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 300}), "<i4": npy(t, "<i4", shape, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 300}),
		"<i8": npy(t, "<i8", shape, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 300}),
	} {
		for label, text := range map[string]string{"a.labels.npy": npy(t, "|u1", []int{2}, []uint8{1, 0}), "a.labels.csv": "who,pneumonia\nx,1\ny,0\n"} {
			got, err := Read(writeFiles(t, map[string]string{"a.npy": file, label: text}), waves(), Options{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := &Table{Features: []string{"pixel"}, X: []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 300}, Y: []float64{1, 0}, Rows: 2, Cols: 6, Labels: 1,
				Quality: Quality{Rows: 2, Eligible: 2, Positives: 1, Features: []FeatureQuality{{Name: "pixel", OutOfRange: 1, Max: 300}}}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

func TestReadArraysRefuses(t *testing.T) {
	good, labels := npy(t, "|u1", []int{1, 2, 3}, make([]uint8, 6)), npy(t, "|u1", []int{1}, []uint8{1})
	nan := npy(t, "<f4", []int{1, 2, 3}, []float32{1, 2, 3, 4, 5, float32(math.NaN())})
	classes := waves()
	classes.Model.Classes, classes.Model.Positive = 3, 2
	three := severalWaves()
	for name, c := range map[string]struct {
		records, labels, want string
		plan                  federation.Plan
		options               Options
	}{
		"magic":      {"PK\x03\x04....", labels, "no NPY file", waves(), Options{}},
		"empty":      {"", labels, "no NPY file", waves(), Options{}},
		"version":    {"\x93NUMPY\x03\x00" + good[8:], labels, "version 3.0", waves(), Options{}},
		"header":     {good[:9] + "\xff" + good[10:], labels, "header of", waves(), Options{}},
		"pickle":     {strings.Replace(good, "'|u1'", "'|O'  ", 1), labels, "is not as numpy.save writes it", waves(), Options{}},
		"type":       {strings.Replace(good, "|u1", ">f4", 1), labels, "values of type >f4: want <f4", waves(), Options{}},
		"order":      {strings.Replace(good, "False", "True ", 1), labels, "", waves(), Options{}},
		"shape":      {npy(t, "|u1", []int{1, 3, 2}, make([]uint8, 6)), labels, "shape [3 2], plan chest wants [2 3]", waves(), Options{}},
		"more":       {good + "x", labels, "bytes behind the last value", waves(), Options{}},
		"less":       {good[:len(good)-1], labels, "ends early", waves(), Options{}},
		"nan":        {nan, labels, "value 6 of record 1 is not finite", waves(), Options{}},
		"count":      {good, npy(t, "|u1", []int{2}, []uint8{1, 0}), "1 records and 2 labels", waves(), Options{}},
		"none":       {npy(t, "|u1", []int{0, 2, 3}), npy(t, "|u1", []int{0}), "no records", waves(), Options{}},
		"label":      {good, npy(t, "<i2", []int{1}, []int16{2}), "label 1 is 2, not 0 or 1", waves(), Options{}},
		"class":      {good, npy(t, "<i2", []int{1}, []int16{3}), "label 1 is 3, not a whole number from 0 to 2", classes, Options{}},
		"label text": {good, npy(t, "|u1", []int{1, 1}, []uint8{1}), "labels of shape [1 1]", waves(), Options{}},
		"one of 3":   {good, labels, "labels of shape [1]: want at most", three, Options{}},
		"2 of 3":     {good, npy(t, "|u1", []int{1, 2}, []uint8{1, 0}), "labels of shape [1 2]", three, Options{}},
		"not 0 or 1": {good, npy(t, "|u1", []int{1, 3}, []uint8{1, 0, 2}), "label 1 is 2, not 0 or 1", three, Options{}},
		"count of 3": {good, npy(t, "|u1", []int{2, 3}, []uint8{1, 0, 1, 0, 0, 0}), "1 records and 2 labels", three, Options{}},
		"bytes":      {good, labels, "larger than 100 bytes", waves(), Options{MaxBytes: 100}},
		"rows":       {npy(t, "|u1", []int{2, 2, 3}, make([]uint8, 12)), npy(t, "|u1", []int{2}, []uint8{1, 0}), "at most 1", waves(), Options{MaxRows: 1}},
	} {
		_, err := Read(writeFiles(t, map[string]string{"a.npy": c.records, "a.labels.npy": c.labels}), c.plan, c.options)
		if e := (*Error)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	for want, files := range map[string]map[string]string{
		"no labels: want":   {"a.npy": good},
		"want one of them":  {"a.npy": good, "a.labels.npy": labels, "a.labels.csv": "pneumonia\n1\n"},
		"missing in the he": {"a.npy": good, "a.labels.csv": "label\n1\n"},
	} {
		if _, err := Read(writeFiles(t, files), waves(), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := Read("a.csv", waves(), Options{}); err == nil || !strings.Contains(err.Error(), "want an NPY file") {
		t.Errorf("CSV: %v", err)
	}
	if _, err := Read("a.npy", plans.Cardiology(), Options{}); err == nil || !strings.Contains(err.Error(), "want a CSV file") {
		t.Errorf("NPY: %v", err)
	}
}

// severalWaves is waves with three labels.
func severalWaves() federation.Plan {
	p := waves()
	p.Model.Several, p.Label.Columns = 3, []string{"u", "v", "w"}
	return p
}

// Several labels are a row each in NPY, or columns in CSV.
func TestReadArraysOfSeveralLabels(t *testing.T) {
	records := npy(t, "|u1", []int{2, 2, 3}, make([]uint8, 12))
	for name, text := range map[string]string{"a.labels.npy": npy(t, "<i4", []int{2, 3}, []int32{1, 0, 1, 0, 0, 1}), "a.labels.csv": "w,who,u,v\n1,x,1,0\n1,y,0,0\n"} {
		got, err := Read(writeFiles(t, map[string]string{"a.npy": records, name: text}), severalWaves(), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !cmp.Equal(got.Y, []float64{1, 0, 1, 0, 0, 1}) || got.Labels != 3 || got.Quality.Positives != 2 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// FuzzLabels: what is read as labels is of whole rows of 0 and 1, and reads back.
func FuzzLabels(f *testing.F) {
	f.Add(npy(f, "|u1", []int{2, 3}, make([]uint8, 6)))
	f.Add(npy(f, "<f8", []int{1, 3}, []float64{1, 0, 1}))
	f.Add(npy(f, "<i2", []int{6}, make([]int16, 6)))
	f.Fuzz(func(t *testing.T, text string) {
		labels, err := parseNPYLabels("f", strings.NewReader(text), severalWaves(), Options{})
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Errorf("error %v is not typed", err)
			}
			return
		}
		for _, v := range labels {
			if v != 0 && v != 1 {
				t.Errorf("label %v", v)
			}
		}
		again, err := parseNPYLabels("f", strings.NewReader(npy(t, "<f8", []int{len(labels) / 3, 3}, labels)), severalWaves(), Options{})
		if diff := cmp.Diff(labels, again); err != nil || diff != "" {
			t.Errorf("%v: %s", err, diff)
		}
	})
}

// Several classes are trained on as they are and evaluated as one against the others.
func TestClasses(t *testing.T) {
	p := waves()
	p.Model.Classes, p.Model.Positive = 3, 2
	got, err := Read(writeFiles(t, map[string]string{"a.npy": npy(t, "|u1", []int{3, 2, 3}, make([]uint8, 18)), "a.labels.csv": "pneumonia\n2\n0\n1\n"}), p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, y, err := got.Inputs(aggregation.Normalisation{Mean: []float64{0}, SD: []float64{1}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{2, 0, 1}, y); diff != "" || !cmp.Equal(got.Y, []float64{1, 0, 0}) || got.Quality.Positives != 1 {
		t.Errorf("%s%v", diff, got.Y)
	}
}

// Sums over arrays give mean and deviation over all values, and each scaling what it says.
func TestArrayScaling(t *testing.T) {
	p := waves()
	table := &Table{Features: []string{"pixel"}, X: []float64{0, 10, 20, 30, 40, 50, 5, 5, 5, 5, 5, 5}, Y: []float64{0, 1}, Rows: 2, Cols: 6}
	sums := Sums(table, p, 100)
	norm, err := aggregation.FromSums(sums, Ranges(p))
	if err != nil {
		t.Fatal(err)
	}
	var mean, square float64
	for _, v := range table.X {
		mean += v / 12
	}
	for _, v := range table.X {
		square += (v - mean) * (v - mean) / 12
	}
	if sums[0] != 2 || math.Abs(norm.Mean[0]-mean) > 1e-9 || norm.SD[0] < math.Sqrt(square)*0.999 || norm.SD[0] > math.Sqrt(2*square)*1.001 {
		t.Errorf("n %v, mean %v, deviation %v, want 2, %v, about %v", sums[0], norm.Mean[0], norm.SD[0], mean, math.Sqrt(square))
	}
	table.ByRecord = true
	x, _, err := table.Inputs(norm)
	if err != nil {
		t.Fatal(err)
	}
	var sum, squares float64
	for _, v := range x[:6] {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	if math.Abs(sum) > 1e-5 || math.Abs(squares-6) > 1e-5 || math.Abs(float64(x[6])) > 1e-3 {
		t.Errorf("by record: %v", x)
	}
}

// What is generated is read back, is the same every time and differs between hospitals.
func TestGenerateArrays(t *testing.T) {
	for _, p := range []federation.Plan{plans.ECG(), plans.Chest()} {
		dir := t.TempDir()
		c := GenerateArrays(p, 1, 3)
		if diff := cmp.Diff(c, GenerateArrays(p, 1, 3)); diff != "" {
			t.Error(diff)
		}
		if err := c.WriteNPY(dir, "x"); err != nil {
			t.Fatal(err)
		}
		table, err := Read(filepath.Join(dir, "x_train.npy"), p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		q := table.Quality
		if q.Rows != arrayTrain || q.Features[0].OutOfRange != 0 || q.Positives < 100 {
			t.Errorf("%s: %+v", p.Name, q)
		}
		if other := GenerateArrays(p, 1, 0); cmp.Equal(other.Train.Values, c.Train.Values) {
			t.Errorf("%s: two hospitals are the same", p.Name)
		}
	}
}

// Whatever is read has finite values of the plan's shape, and reads back from <f8.
func FuzzArrays(f *testing.F) {
	f.Add(npy(f, "|u1", []int{2, 2, 3}, make([]uint8, 12)))
	f.Add(npy(f, "<f4", []int{2, 2, 3}, make([]float32, 12)))
	f.Add(npy(f, "<i8", []int{2, 2, 3}, make([]int64, 12)))
	f.Add("\x93NUMPY\x02\x00\x46\x00\x00\x00{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2, 3), }         \n")
	f.Fuzz(func(t *testing.T, text string) {
		labels := []float64{0, 1}
		table, err := parseArrays("f", strings.NewReader(text), arrayLabels{values: labels}, waves(), Options{})
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Errorf("error %v is not typed", err)
			}
			return
		}
		for _, v := range table.X {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("value %v", v)
			}
		}
		again, err := parseArrays("f", strings.NewReader(npy(t, "<f8", []int{2, 2, 3}, table.X)), arrayLabels{values: labels}, waves(), Options{})
		if diff := cmp.Diff(table, again); err != nil || diff != "" {
			t.Errorf("%v: %s", err, diff)
		}
	})
}
