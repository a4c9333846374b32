package dataset

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/aggregation"
	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// smallPlan has two features; a record without b is not eligible.
func smallPlan() federation.Plan {
	return federation.Plan{V: 1, Name: "small", Label: federation.Label{Name: "y"}, Features: []federation.Feature{
		{Name: "a", Min: 0, Max: 10, Missing: federation.MissingMean},
		{Name: "b", Min: -1, Max: 1, Missing: federation.MissingReject},
	}}
}

func TestParse(t *testing.T) {
	nan := math.NaN()
	const file = "\xef\xbb\xbfy, note,b,a\r\n1,x,0.5,3\r\n0,\"two\r\nlines\",?,4\r\n\r\n1,,-2, \r\n0,,1e0,NA\r\n-0,,+.5,NaN\r\n"
	got, err := Parse("f.csv", strings.NewReader(file), smallPlan(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Table{
		Features: []string{"a", "b"},
		X:        []float64{3, 0.5, nan, -2, nan, 1, nan, 0.5},
		Y:        []float64{1, 1, 0, 0},
		Rows:     4, Cols: 2, Labels: 1,
		Quality: Quality{Rows: 5, Eligible: 4, Positives: 2, Features: []FeatureQuality{
			{Name: "a", Missing: 3, Min: 3, Max: 4},
			{Name: "b", Missing: 1, OutOfRange: 1, Min: -2, Max: 1},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Error(diff)
	}
}

func TestParseKeepsNothingEligible(t *testing.T) {
	got, err := Parse("f.csv", strings.NewReader("a,b,y\n1,,1\n"), smallPlan(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Rows != 0 || len(got.X) != 0 || got.Quality.Rows != 1 || got.Quality.Eligible != 0 || got.Quality.Positives != 0 {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(make([]float64, 6), Sums(got, smallPlan(), 10)); diff != "" {
		t.Error(diff)
	}
}

func TestParseErrors(t *testing.T) {
	long := strings.Repeat("é", 30)
	for _, c := range []struct{ name, file, want string }{
		{"empty file", "", "f.csv:1: the file is empty"},
		{"only a mark", "\xef\xbb\xbf", "f.csv:1: the file is empty"},
		{"no rows", "a,b,y\n", "f.csv:1: no records behind the header"},
		{"missing column", "a,y\n1,1\n", "f.csv:1: column b: missing in the header"},
		{"missing label column", "a,b\n1,1\n", "f.csv:1: column y: missing in the header"},
		{"duplicate column", "a,b,a,y\n1,1,1,1\n", "f.csv:1: column a: appears twice in the header"},
		{"text", "a,b,y\n1,1,1\nabc,1,1\n", `f.csv:3: column a: "abc" is not a number`},
		{"text behind a cell of two lines", "n,a,b,y\n\"x\nx\",1,1,1\n,abc,1,1\n", `f.csv:4: column a: "abc" is not a number`},
		{"long text", "a,b,y\n" + long + ",1,1\n", `f.csv:2: column a: "` + long[:40] + `"… is not a number`},
		{"hexadecimal", "a,b,y\n0x1p4,1,1\n", `f.csv:2: column a: "0x1p4" is not a number`},
		{"underscore", "a,b,y\n1_0,1,1\n", `f.csv:2: column a: "1_0" is not a number`},
		{"decimal comma", "a,b,y\n\"1,5\",1,1\n", `f.csv:2: column a: "1,5" is not a number`},
		{"other nan", "a,b,y\nnan,1,1\n", `f.csv:2: column a: "nan" is not a number`},
		{"infinity", "a,b,y\n1,-Inf,1\n", `f.csv:2: column b: "-Inf" is not finite`},
		{"overflow", "a,b,y\n1e999,1,1\n", `f.csv:2: column a: "1e999" is not finite`},
		{"label 2", "a,b,y\n1,1,2\n", `f.csv:2: column y: "2" is not 0 or 1`},
		{"label text", "a,b,y\n1,1,sick\n", `f.csv:2: column y: "sick" is not a number`},
		{"label missing", "a,b,y\n1,,?\n", "f.csv:2: column y: the label is missing"},
		{"ragged", "a,b,y\n1,1,1\n1,1\n", "f.csv:3: 2 cells, the header has 3"},
		{"quote", "a,b,y\n1,\"1,1\n", `f.csv:2: byte 8: extraneous or missing " in quoted-field`},
		{"too many rows", "a,b,y\n1,1,1\n1,1,1\n1,1,0\n1,1,1\n", "f.csv:5: more than 3 records"},
		{"too many bytes", "a,b,y\n" + strings.Repeat("9", 400) + ",1,1\n", "f.csv: larger than 256 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, err := Parse("f.csv", strings.NewReader(c.file), smallPlan(), Options{MaxBytes: 256, MaxRows: 3})
			var e *Error
			if !errors.As(err, &e) || table != nil {
				t.Fatalf("table %v, error %v, want an *Error", table, err)
			}
			if e.Error() != c.want {
				t.Errorf("%s\nwant %s", e, c.want)
			}
		})
	}
}

func TestTooManyColumns(t *testing.T) {
	_, err := Parse("f.csv", strings.NewReader("a,b,y"+strings.Repeat(",", MaxColumns)), smallPlan(), Options{})
	var e *Error
	if !errors.As(err, &e) || e.Line != 1 || !strings.Contains(e.Reason, "columns") {
		t.Errorf("error %v, want too many columns", err)
	}
}

func TestBoundsAreExact(t *testing.T) {
	const file = "a,b,y\n1,1,1\n1,1,0\n"
	if _, err := Parse("f", strings.NewReader(file), smallPlan(), Options{MaxBytes: int64(len(file)), MaxRows: 2}); err != nil {
		t.Error(err)
	}
	if _, err := Parse("f", strings.NewReader(file), smallPlan(), Options{MaxBytes: int64(len(file)) - 1}); err == nil {
		t.Error("one byte too many was read")
	}
	if got := (Options{MaxBytes: MaxBytes + 1, MaxRows: MaxRows + 1}).bounds(); got.MaxBytes != MaxBytes || got.MaxRows != MaxRows {
		t.Errorf("bounds were loosened to %+v", got)
	}
}

func TestRead(t *testing.T) {
	if _, err := Read(filepath.Join(t.TempDir(), "none.csv"), smallPlan(), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
	if _, err := Read(t.TempDir(), smallPlan(), Options{}); err == nil {
		t.Error("a directory was read")
	}
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte("a,b,y\nabc,1,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Read(path, smallPlan(), Options{})
	if want := path + `:2: column a: "abc" is not a number`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestInputs(t *testing.T) {
	table := &Table{X: []float64{3, math.NaN()}, Y: []float64{1}, Rows: 1, Cols: 2}
	x, y, err := table.Inputs(aggregation.Normalisation{Mean: []float64{1, 1}, SD: []float64{2, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{1, 0}, x); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float32{1}, y); diff != "" {
		t.Error(diff)
	}
	if _, _, err := table.Inputs(aggregation.Normalisation{Mean: []float64{1}, SD: []float64{2}}); !errors.Is(err, aggregation.ErrLength) {
		t.Errorf("error %v, want %v", err, aggregation.ErrLength)
	}
}

// severalPlan is smallPlan with two labels.
func severalPlan() federation.Plan {
	p := smallPlan()
	p.Model = federation.Model{Kind: federation.Layers, Several: 2}
	p.Label = federation.Label{Name: "findings", Columns: []string{"u", "v"}}
	return p
}

// Several labels are read in the plan's order, each 0 or 1, under the names and codes of
// the hospital's own files.
func TestParseSeveralLabels(t *testing.T) {
	own := []Column{{Name: "v", From: "vee", Codes: []Code{{Text: "no"}, {Text: "yes", Value: 1}}}}
	got, err := Parse("f.csv", strings.NewReader("vee,a,u,b\nyes,1,0,1\nno,,0,1\nyes,2,1,1\n"), severalPlan(), Options{Columns: own})
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(got.Y, []float64{0, 1, 0, 0, 1, 1}) || got.Labels != 2 || got.Rows != 3 || got.Quality.Positives != 2 {
		t.Errorf("%+v", got)
	}
	_, y, err := got.Inputs(aggregation.Normalisation{Mean: []float64{0, 0}, SD: []float64{1, 1}})
	if err != nil || !cmp.Equal(y, []float32{0, 1, 0, 0, 1, 1}) {
		t.Errorf("%v, %v", y, err)
	}
	for file, want := range map[string]string{
		"a,b,u\n1,1,1\n": "f.csv:1: column v: missing in the header", "a,b,u,v\n1,1,1,2\n": `f.csv:2: column v: "2" is not 0 or 1`,
		"a,b,u,v\n1,1,,0\n": "f.csv:2: column u: the label is missing",
	} {
		if _, err := Parse("f.csv", strings.NewReader(file), severalPlan(), Options{}); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
}
