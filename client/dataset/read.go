package dataset

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"atrium/coordinator/federation"
)

// Options tighten the bounds of limits.go; zero values mean those bounds.
type Options struct {
	MaxBytes int64
	MaxRows  int
	Columns  []Column // how the file has the plan's columns; those not listed as in the plan
	Dates    bool     // whether records have dates, where the plan evaluates by month
}

func (o Options) bounds() Options {
	if o.MaxBytes <= 0 || o.MaxBytes > MaxBytes {
		o.MaxBytes = MaxBytes
	}
	if o.MaxRows <= 0 || o.MaxRows > MaxRows {
		o.MaxRows = MaxRows
	}
	return o
}

// Read reads the file at path as records of plan. What is wrong with its contents is
// an *Error; the first one found is returned. A value is missing when its cell is
// empty, "?", "NA" or "NaN"; a label must not be. A value outside the plausible range
// is counted and kept. No eligible record is not an error, no record is.
//
// Of a plan over arrays path is an NPY file, NAME.npy, in C order and little-endian; its
// labels are in NAME.labels.npy or NAME.labels.csv.
func Read(path string, plan federation.Plan, options Options) (*Table, error) {
	if plan.Arrays() {
		return readArrays(path, plan, options)
	}
	if strings.HasSuffix(path, ".npy") {
		return nil, &Error{File: path, Reason: fmt.Sprintf("plan %s is over columns: want a CSV file", plan.Name)}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	defer f.Close()
	return Parse(path, f, plan, options)
}

// Parse is Read on bytes that are already open; name stands for the file in errors.
func Parse(name string, r io.Reader, plan federation.Plan, options Options) (*Table, error) {
	options = options.bounds()
	bounded := &boundedReader{r: r, left: options.MaxBytes}
	buffered := bufio.NewReader(bounded)
	if mark, err := buffered.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		buffered.Discard(3)
	}
	p := &parser{file: name, plan: plan, csv: csv.NewReader(buffered), maxRows: options.MaxRows, own: options.Columns, date: -1}
	p.csv.ReuseRecord = true
	if err := p.header(options.Dates && plan.Schedule.Months.On()); err != nil {
		return nil, p.tooLarge(err, options)
	}
	t := &Table{Cols: len(plan.Features), Labels: plan.Model.Width()}
	for _, f := range plan.Features {
		t.Features = append(t.Features, f.Name)
		t.Quality.Features = append(t.Quality.Features, FeatureQuality{Name: f.Name})
	}
	if err := p.records(t); err != nil {
		return nil, p.tooLarge(err, options)
	}
	return t, nil
}

// parser reads one file.
type parser struct {
	file    string
	plan    federation.Plan
	csv     *csv.Reader
	maxRows int
	own     []Column
	columns []int    // of each feature
	as      []Column // the same
	labels  []int    // columns
	labelAs []Column // the same
	date    int      // column of dates; -1: none
}

func (p *parser) fail(line int, column, format string, args ...any) error {
	return &Error{File: p.file, Line: line, Column: column, Reason: fmt.Sprintf(format, args...)}
}

// tooLarge turns the reader's refusal into an *Error about the whole file.
func (p *parser) tooLarge(err error, o Options) error {
	if errors.Is(err, errTooLarge) {
		return p.fail(0, "", "larger than %d bytes", o.MaxBytes)
	}
	return err
}

// read returns the next line's cells; io.EOF stays as it is.
func (p *parser) read() ([]string, error) {
	cells, err := p.csv.Read()
	var bad *csv.ParseError
	switch {
	case err == nil || err == io.EOF:
		return cells, err
	case errors.As(err, &bad) && errors.Is(err, csv.ErrFieldCount):
		return nil, p.fail(bad.Line, "", "%d cells, the header has %d", len(cells), p.csv.FieldsPerRecord)
	case errors.As(err, &bad):
		return nil, p.fail(bad.Line, "", "byte %d: %v", bad.Column, bad.Err)
	}
	return nil, fmt.Errorf("read records of %s: %w", p.file, err)
}

// header finds the columns of the plan, and of dates where they are wanted.
func (p *parser) header(dates bool) error {
	cells, err := p.read()
	if err == io.EOF {
		return p.fail(1, "", "the file is empty")
	}
	if err != nil {
		return err
	}
	line, _ := p.csv.FieldPos(0)
	if len(cells) > MaxColumns {
		return p.fail(line, "", "%d columns, at most %d", len(cells), MaxColumns)
	}
	seen, twice := map[string]int{}, map[string]bool{}
	for i, cell := range cells {
		name := strings.TrimSpace(cell)
		_, again := seen[name]
		seen[name], twice[name] = i, again || twice[name]
	}
	find := func(name string) (int, error) {
		i, ok := seen[name]
		if !ok {
			return 0, p.fail(line, name, "missing in the header")
		}
		if twice[name] {
			return 0, p.fail(line, name, "appears twice in the header")
		}
		return i, nil
	}
	for _, f := range p.plan.Features {
		as := columnOf(p.own, f.Name)
		i, err := find(as.From)
		if err != nil {
			return err
		}
		p.columns, p.as = append(p.columns, i), append(p.as, as)
	}
	for _, name := range p.plan.Label.Names() {
		as := columnOf(p.own, name)
		i, err := find(as.From)
		if err != nil {
			return err
		}
		p.labels, p.labelAs = append(p.labels, i), append(p.labelAs, as)
	}
	if dates {
		p.date, err = find(LocalName(p.own, p.plan.Schedule.Months.Date))
	}
	return err
}

// records reads all lines behind the header into t.
func (p *parser) records(t *Table) error {
	row, labels := make([]float64, t.Cols), make([]float64, t.Labels)
	for {
		cells, err := p.read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if t.Quality.Rows == p.maxRows {
			line, _ := p.csv.FieldPos(0)
			return p.fail(line, "", "more than %d records", p.maxRows)
		}
		eligible, err := p.record(cells, row, labels, &t.Quality)
		if err != nil {
			return err
		}
		t.Quality.Rows++
		if !eligible {
			continue
		}
		t.X = append(t.X, row...)
		t.addLabels(labels, p.plan)
		if p.date >= 0 {
			t.addMonth(cells[p.date])
		}
		t.Rows++
	}
	if t.Quality.Rows == 0 {
		return p.fail(1, "", "no records behind the header")
	}
	return nil
}

// record reads one line into row and labels and counts it in q.
func (p *parser) record(cells []string, row, labels []float64, q *Quality) (eligible bool, err error) {
	eligible = true
	for j, f := range p.plan.Features {
		if row[j], err = p.number(cells, p.columns[j], p.as[j]); err != nil {
			return false, err
		}
		fq := &q.Features[j]
		if math.IsNaN(row[j]) {
			fq.Missing++
			eligible = eligible && f.Missing != federation.MissingReject
			continue
		}
		fq.see(row[j], f, fq.Missing == q.Rows)
	}
	for k, i := range p.labels {
		if labels[k], err = p.readLabel(cells, i, p.labelAs[k]); err != nil {
			return false, err
		}
	}
	return eligible, nil
}

// readLabel reads cell i as a label.
func (p *parser) readLabel(cells []string, i int, as Column) (float64, error) {
	label, err := p.number(cells, i, as)
	if err != nil {
		return 0, err
	}
	line, _ := p.csv.FieldPos(i)
	switch {
	case math.IsNaN(label):
		return 0, p.fail(line, as.From, "the label is missing")
	case !isLabel(label, p.plan):
		return 0, p.fail(line, as.From, "%s is not %s", quote(strings.TrimSpace(cells[i])), labelWords(p.plan))
	}
	return math.Abs(label), nil // -0 is 0
}

// number reads cell i: a finite decimal number or a code, in the plan's unit, or NaN when
// it is missing.
func (p *parser) number(cells []string, i int, as Column) (float64, error) {
	cell := strings.TrimSpace(cells[i])
	if v, ok := as.code(cell); ok {
		return as.convert(v), nil
	}
	switch cell {
	case "", "?", "NA", "NaN":
		return math.NaN(), nil
	}
	line, _ := p.csv.FieldPos(i)
	if len(as.Codes) > 0 {
		return 0, p.fail(line, as.From, "%s is none of its codes", quote(cell))
	}
	v, err := strconv.ParseFloat(cell, 64)
	switch {
	case math.IsInf(v, 0): // written so, or too large for a float64
		return 0, p.fail(line, as.From, "%s is not finite", quote(cell))
	case err != nil || strings.Trim(cell, "+-.0123456789eE") != "":
		return 0, p.fail(line, as.From, "%s is not a number", quote(cell))
	}
	if v = as.convert(v); math.IsInf(v, 0) {
		return 0, p.fail(line, as.From, "%s is not finite in the plan's unit", quote(cell))
	}
	return v, nil
}

var errTooLarge = errors.New("too many bytes")

// boundedReader fails, instead of ending, behind its last byte.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(buf []byte) (int, error) {
	if int64(len(buf)) > b.left+1 {
		buf = buf[:b.left+1]
	}
	n, err := b.r.Read(buf)
	if int64(n) > b.left {
		return int(b.left), errTooLarge
	}
	b.left -= int64(n)
	return n, err
}
