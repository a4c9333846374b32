package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"atrium/coordinator/federation"
)

// readArrays reads the records of a plan over arrays: NAME.npy holds one record after
// another, of the plan's shape; the labels are in NAME.labels.npy, one whole number a
// record, or a row of several, or in NAME.labels.csv, one line a record with a column of
// each label's name.
func readArrays(path string, plan federation.Plan, options Options) (*Table, error) {
	stem, ok := strings.CutSuffix(path, ".npy")
	if !ok {
		return nil, &Error{File: path, Reason: fmt.Sprintf("plan %s is over arrays: want an NPY file, NAME.npy", plan.Name)}
	}
	labels, err := readLabels(path, stem, plan, options)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	defer f.Close()
	return parseArrays(path, f, labels, plan, options)
}

// arrayLabels are the labels of arrays, one record after another, with their months where the
// records have dates.
type arrayLabels struct {
	values  []float64
	months  []federation.Month
	undated int
}

// readLabels reads the one file of labels that there is.
func readLabels(path, stem string, plan federation.Plan, options Options) (arrayLabels, error) {
	npy, errNPY := os.Open(stem + ".labels.npy")
	if errNPY == nil {
		defer npy.Close()
	}
	csv, errCSV := os.Open(stem + ".labels.csv")
	if errCSV == nil {
		defer csv.Close()
	}
	switch {
	case errNPY == nil && errCSV == nil:
		return arrayLabels{}, &Error{File: path, Reason: fmt.Sprintf("labels are in %s and in %s: want one of them", npy.Name(), csv.Name())}
	case errNPY == nil && options.Dates && plan.Schedule.Months.On():
		return arrayLabels{}, &Error{File: npy.Name(), Reason: fmt.Sprintf("plan %s evaluates by month: want %s.labels.csv with a column %s of dates",
			plan.Name, stem, LocalName(options.Columns, plan.Schedule.Months.Date))}
	case errNPY == nil:
		values, err := parseNPYLabels(npy.Name(), npy, plan, options)
		return arrayLabels{values: values}, err
	case errCSV == nil:
		return parseCSVLabels(csv.Name(), csv, plan, options)
	case errors.Is(errNPY, fs.ErrNotExist) && errors.Is(errCSV, fs.ErrNotExist):
		return arrayLabels{}, &Error{File: path, Reason: fmt.Sprintf("no labels: want %s.labels.npy or %s.labels.csv beside it", stem, stem)}
	}
	return arrayLabels{}, fmt.Errorf("read labels: %w", errors.Join(errNPY, errCSV))
}

// parseCSVLabels reads the columns of labels and dates of a CSV file.
func parseCSVLabels(name string, r io.Reader, plan federation.Plan, options Options) (arrayLabels, error) {
	plan.Features, plan.Model.Input = nil, federation.Input{}
	t, err := Parse(name, r, plan, options)
	if err != nil {
		return arrayLabels{}, err
	}
	return arrayLabels{t.labels(), t.Months, t.Quality.Undated}, nil
}

// openNPY reads a header within the bounds.
func openNPY(name string, r io.Reader, options Options) (npyHeader, *npyValues, func(error) error) {
	options = options.bounds()
	wrap := func(err error) error {
		if errors.Is(err, errTooLarge) {
			return &Error{File: name, Reason: fmt.Sprintf("larger than %d bytes", options.MaxBytes)}
		}
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			return fmt.Errorf("read records: %w", err)
		}
		return &Error{File: name, Reason: err.Error()}
	}
	buffered := bufio.NewReader(&boundedReader{r: r, left: options.MaxBytes})
	h, err := readNPYHeader(buffered)
	if err != nil {
		return h, nil, func(error) error { return wrap(err) }
	}
	return h, &npyValues{r: buffered, kind: h.kind}, wrap
}

func parseNPYLabels(name string, r io.Reader, plan federation.Plan, options Options) ([]float64, error) {
	h, values, wrap := openNPY(name, r, options)
	if values == nil {
		return nil, wrap(nil)
	}
	k, most := plan.Model.Several, options.bounds().MaxRows
	switch {
	case k == 0 && (len(h.shape) != 1 || h.shape[0] > most):
		return nil, wrap(fmt.Errorf("labels of shape %v: want one dimension of at most %d", h.shape, most))
	case k > 0 && (len(h.shape) != 2 || h.shape[0] > most || h.shape[1] != k):
		return nil, wrap(fmt.Errorf("labels of shape %v: want at most %d rows of %d labels", h.shape, most, k))
	}
	var labels []float64
	row := make([]float64, plan.Model.Width())
	for i := range h.shape[0] {
		if err := values.next(row); err != nil {
			return nil, wrap(err)
		}
		for _, v := range row {
			if !isLabel(v, plan) {
				return nil, wrap(fmt.Errorf("label %d is %v, not %s", i+1, v, labelWords(plan)))
			}
			labels = append(labels, math.Abs(v))
		}
	}
	if err := values.end(); err != nil {
		return nil, wrap(err)
	}
	return labels, nil
}

// parseArrays reads the records themselves.
func parseArrays(name string, r io.Reader, labels arrayLabels, plan federation.Plan, options Options) (*Table, error) {
	h, values, wrap := openNPY(name, r, options)
	if values == nil {
		return nil, wrap(nil)
	}
	rows, k := h.shape[0], plan.Model.Width()
	switch {
	case !slices.Equal(h.shape[1:], plan.Model.Input.Shape):
		return nil, wrap(fmt.Errorf("records of shape %v, plan %s wants %v", h.shape[1:], plan.Name, plan.Model.Input.Shape))
	case rows != len(labels.values)/k:
		return nil, wrap(fmt.Errorf("%d records and %d labels", rows, len(labels.values)/k))
	case labels.months != nil && rows != len(labels.months):
		return nil, wrap(fmt.Errorf("%d records and %d dates", rows, len(labels.months)))
	case rows == 0:
		return nil, wrap(errors.New("no records"))
	case rows > options.bounds().MaxRows || rows > MaxValues/plan.Inputs():
		return nil, wrap(fmt.Errorf("%d records, at most %d", rows, min(options.bounds().MaxRows, MaxValues/plan.Inputs())))
	}
	quantity := plan.Features[0]
	as := columnOf(options.Columns, quantity.Name)
	t := &Table{Features: []string{quantity.Name}, Cols: plan.Inputs(), Labels: k, ByRecord: plan.Model.Input.Scaling == federation.ScaleRecord}
	quality := FeatureQuality{Name: quantity.Name}
	record := make([]float64, t.Cols)
	for i := range rows {
		if err := values.next(record); err != nil {
			return nil, wrap(err)
		}
		for j, v := range record {
			v = as.convert(v)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, wrap(fmt.Errorf("value %d of record %d is not finite", j+1, i+1))
			}
			record[j] = v
			quality.see(v, quantity, i == 0 && j == 0)
		}
		t.X = append(t.X, record...)
		t.addLabels(labels.values[i*k:(i+1)*k], plan)
		t.Rows++
		t.Quality.Rows++
	}
	if err := values.end(); err != nil {
		return nil, wrap(err)
	}
	t.Quality.Features = []FeatureQuality{quality}
	t.Months, t.Quality.Undated = labels.months, labels.undated
	return t, nil
}

// isLabel reports whether a number is a label of the plan.
func isLabel(v float64, plan federation.Plan) bool {
	return v >= 0 && v < float64(plan.Model.Labels()) && v == math.Trunc(v)
}

func labelWords(plan federation.Plan) string {
	if plan.Model.Classes == 0 {
		return "0 or 1"
	}
	return fmt.Sprintf("a whole number from 0 to %d", plan.Model.Labels()-1)
}

// addLabels counts an eligible record.
func (t *Table) addLabels(labels []float64, plan federation.Plan) {
	outcome := labels
	if plan.Model.Classes > 0 {
		t.Class = append(t.Class, labels...)
		outcome = []float64{indicator(labels[0] == float64(plan.Model.Positive))}
	}
	t.Y = append(t.Y, outcome...)
	t.Quality.Eligible++
	t.Quality.Positives += int(slices.Max(outcome))
}

// labels are what a model is trained on.
func (t *Table) labels() []float64 {
	if t.Class != nil {
		return t.Class
	}
	return t.Y
}

// standardise gives each record of cols values mean 0 and deviation 1; a record of equal
// values becomes 0.
func standardise(x []float64, cols int) {
	for from := 0; from < len(x); from += cols {
		record := x[from : from+cols]
		var sum, square float64
		for _, v := range record {
			sum += v
		}
		mean := sum / float64(cols)
		for _, v := range record {
			square += (v - mean) * (v - mean)
		}
		sd := math.Sqrt(square/float64(cols)) + 1e-9
		for i, v := range record {
			record[i] = (v - mean) / sd
		}
	}
}

// arraySums are a hospital's sums over arrays: the mean of z and of z² over a record's
// values count as those of one record.
func arraySums(t *Table, f federation.Feature) []float64 {
	sums := make([]float64, 3)
	for i := range t.Rows {
		var z1, z2 float64
		for _, x := range t.X[i*t.Cols : (i+1)*t.Cols] {
			z := (min(max(x, f.Min), f.Max) - f.Min) / (f.Max - f.Min)
			z1 += z
			z2 += z * z
		}
		sums[0]++
		sums[1] += min(1, z1/float64(t.Cols))
		sums[2] += min(1, z2/float64(t.Cols))
	}
	return sums
}
