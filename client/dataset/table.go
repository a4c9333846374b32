package dataset

import (
	"fmt"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// Table is the eligible records of one file, in file order.
type Table struct {
	Features []string           // in plan order
	X        []float64          // Rows × Cols, row-major; NaN where a value is missing; never infinite
	Y        []float64          // Rows × Labels of 0 or 1: the label, each of several, or whether it is the plan's positive class
	Class    []float64          // the label, of a plan with several classes; else nil
	Months   []federation.Month // of each record's date, "" where it has none; nil unless Options.Dates
	Rows     int
	Cols     int // len(Features), or the values of an array
	Labels   int // of a record; 1 unless the plan has several
	Quality  Quality

	ByRecord bool // each record is normalised by its own mean and deviation

	Masked []bool // by column, what counts as measured by nobody; nil: none
}

// Quality is what a data team wants to know about a file before it takes part.
type Quality struct {
	Rows      int              `json:"rows"`              // records read
	Eligible  int              `json:"eligible"`          // records that the missing policies keep
	Positives int              `json:"positives"`         // eligible records with label 1, or one of several
	Undated   int              `json:"undated,omitempty"` // eligible records without a readable date: in no month
	Features  []FeatureQuality `json:"features"`          // in plan order, over all records read
}

// FeatureQuality counts one column over all records read, eligible or not.
type FeatureQuality struct {
	Name       string  `json:"name"`
	Missing    int     `json:"missing"`
	OutOfRange int     `json:"out_of_range"` // outside the plan's plausible range; used as they are
	Min        float64 `json:"min"`          // of the measured values; 0 when there are none
	Max        float64 `json:"max"`
}

// see counts a measured value.
func (q *FeatureQuality) see(value float64, f federation.Feature, first bool) {
	if value < f.Min || value > f.Max {
		q.OutOfRange++
	}
	if first || value < q.Min {
		q.Min = value
	}
	if first || value > q.Max {
		q.Max = value
	}
}

// columns is how many statistics are of each value's own: one for an array's quantity.
func (t *Table) columns() int {
	if len(t.Features) == 1 {
		return 1
	}
	return t.Cols
}

// Append adds the records of another table of the same plan; Quality is not looked at.
func (t *Table) Append(o *Table) {
	t.Features, t.Cols, t.Labels, t.ByRecord = o.Features, o.Cols, o.Labels, o.ByRecord
	t.X, t.Y, t.Class, t.Months = append(t.X, o.X...), append(t.Y, o.Y...), append(t.Class, o.Class...), append(t.Months, o.Months...)
	t.Rows += o.Rows
}

// Inputs returns the records as a Trainer wants them: x normalised, missing values 0,
// row-major Rows × Cols, and y, labels or classes. The error names a normalisation of another width.
func (t *Table) Inputs(n aggregation.Normalisation) (x, y []float32, err error) {
	if err := n.Validate(t.columns()); err != nil {
		return nil, nil, fmt.Errorf("normalise records: %w", err)
	}
	wide, err := n.Apply(t.X)
	if err != nil {
		return nil, nil, fmt.Errorf("normalise records: %w", err)
	}
	if t.ByRecord {
		standardise(wide, t.Cols)
	}
	for i := range wide {
		if t.isMasked(i % t.Cols) {
			wide[i] = 0
		}
	}
	return narrow(wide), narrow(t.labels()), nil
}

func narrow(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}
