package dataset

import (
	"fmt"
	"math"
	"strings"

	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// Column says how a hospital's own files name, measure and code a column of the plan. It
// never leaves the hospital.
type Column struct {
	Name   string  `json:"name"`   // in the plan
	From   string  `json:"from"`   // in the hospital's files; empty: the same
	Scale  float64 `json:"scale"`  // the plan's value is scale · own value + offset; 0: 1
	Offset float64 `json:"offset"` // in the plan's unit
	Codes  []Code  `json:"codes"`  // if any, every cell is one of these or missing
}

// Code is what one text in a cell means.
type Code struct {
	Text  string  `json:"text"`
	Value float64 `json:"value"` // before scale and offset
}

// columnsFile is a file of columns.
type columnsFile struct {
	Columns []Column `json:"columns"`
}

// ParseColumns reads a YAML file of columns; file names it in errors, which have line and
// column.
func ParseColumns(file string, b []byte, plan federation.Plan) ([]Column, error) {
	var f columnsFile
	at, err := planfile.Decode(file, b, &f)
	if err != nil {
		return nil, err
	}
	for i, c := range f.Columns {
		if key, reason := c.check(plan, f.Columns[:i]); reason != "" {
			return nil, at(fmt.Sprintf("columns[%d].%s", i, key), reason)
		}
	}
	return f.Columns, nil
}

// check returns the key that is wrong and why, or nothing.
func (c Column) check(plan federation.Plan, before []Column) (key, reason string) {
	names := append(featureNames(plan), plan.Label.Names()...)
	date := plan.Schedule.Months.Date
	if date != "" {
		names = append(names, date)
	}
	known, twice := false, false
	for _, n := range names {
		known = known || n == c.Name
	}
	for _, b := range before {
		twice = twice || b.Name == c.Name
	}
	switch {
	case c.Name == "":
		return "name", "missing"
	case !known:
		return "name", fmt.Sprintf("%s is no column of plan %s: it has %s", quote(c.Name), plan.Name, strings.Join(names, ", "))
	case twice:
		return "name", fmt.Sprintf("%s appears twice", quote(c.Name))
	case c.Name == date && (c.Scale != 0 || c.Offset != 0 || len(c.Codes) > 0):
		return "name", fmt.Sprintf("%s is a date: it has no scale, offset or codes", quote(c.Name))
	case math.IsNaN(c.Scale) || math.IsInf(c.Scale, 0) || math.IsNaN(c.Offset) || math.IsInf(c.Offset, 0):
		return "scale", "scale and offset must be finite"
	case len(c.Codes) > MaxCodes:
		return "codes", fmt.Sprintf("%d codes, at most %d", len(c.Codes), MaxCodes)
	}
	for i, code := range c.Codes {
		for _, other := range c.Codes[:i] {
			if other.Text == code.Text {
				return fmt.Sprintf("codes[%d].text", i), fmt.Sprintf("%s appears twice", quote(code.Text))
			}
		}
	}
	return "", ""
}

func featureNames(plan federation.Plan) []string {
	var names []string
	for _, f := range plan.Features {
		names = append(names, f.Name)
	}
	return names
}

// columnOf returns how the files have a column of the plan.
func columnOf(columns []Column, name string) Column {
	out := Column{Name: name}
	for _, c := range columns {
		if c.Name == name {
			out = c
		}
	}
	if out.From == "" {
		out.From = name
	}
	if out.Scale == 0 {
		out.Scale = 1
	}
	return out
}

// LocalName is what a hospital's own files call a column of the plan.
func LocalName(columns []Column, name string) string { return columnOf(columns, name).From }

// code returns the value of a cell that is one of the codes.
func (c Column) code(cell string) (float64, bool) {
	for _, code := range c.Codes {
		if code.Text == cell {
			return code.Value, true
		}
	}
	return 0, false
}

// convert returns a measured value in the plan's unit.
func (c Column) convert(own float64) float64 { return float64(c.Scale*own) + c.Offset }
