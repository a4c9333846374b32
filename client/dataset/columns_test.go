package dataset

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// liverPlan has the columns that the two real liver data sets share, in the units of the
// Indian one.
func liverPlan() federation.Plan {
	p := planfile.Defaults()
	p.Name = "liver"
	for _, f := range []federation.Feature{{Name: "age", Max: 100}, {Name: "male", Max: 1}, {Name: "bilirubin", Unit: "mg/dl", Max: 80},
		{Name: "albumin", Unit: "g/dl", Max: 10}, {Name: "protein", Unit: "g/dl", Max: 15}, {Name: "alt", Unit: "U/l", Max: 2000}} {
		f.Missing = federation.MissingMean
		p.Features = append(p.Features, f)
	}
	p.Label = federation.Label{Name: "disease"}
	return p
}

const indian = `columns:
  - {name: age, from: Age}
  - {name: male, from: Gender, codes: [{text: Male, value: 1}, {text: Female, value: 0}]}
  - {name: bilirubin, from: total_bilirubin}
  - {name: albumin, from: ALB}
  - {name: protein, from: TP}
  - {name: alt, from: Sgpt}
  - {name: disease, from: Label, codes: [{text: "1", value: 1}, {text: "2", value: 0}]}
`

const german = `columns:
  - {name: age, from: Age}
  - {name: male, from: Sex, codes: [{text: m, value: 1}, {text: f, value: 0}]}
  - {name: bilirubin, from: BIL, scale: 0.0585} # µmol/l
  - {name: albumin, from: ALB, scale: 0.1} # g/l
  - {name: protein, from: PROT, scale: 0.1}
  - {name: alt, from: ALT}
  - name: disease
    from: Category
    codes:
      - {text: 0=Blood Donor, value: 0}
      - {text: 0s=suspect Blood Donor, value: 0}
      - {text: 1=Hepatitis, value: 1}
      - {text: 2=Fibrosis, value: 1}
      - {text: 3=Cirrhosis, value: 1}
`

// TestColumnsOfRealFiles: two hospitals that measure in other units mean the same.
func TestColumnsOfRealFiles(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("DATA ABSENT: %v", err)
	}
	plan := liverPlan()
	mean := map[string][]float64{}
	for _, c := range []struct {
		file, columns   string
		rows, positives int
	}{
		{filepath.Join(dir, "liver-ilpd", "Indian Liver Patient Dataset (ILPD).csv"), indian, 583, 416},
		{filepath.Join(dir, "liver-hcv", "hcvdat0.csv"), german, 615, 75},
	} {
		columns, err := ParseColumns("columns.yaml", []byte(c.columns), plan)
		if err != nil {
			t.Fatal(err)
		}
		table, err := Read(c.file, plan, Options{Columns: columns})
		if err != nil {
			t.Fatal(err)
		}
		if table.Rows != c.rows || table.Quality.Positives != c.positives {
			t.Errorf("%s: %d rows, %d positives, want %d and %d", c.file, table.Rows, table.Quality.Positives, c.rows, c.positives)
		}
		for j, f := range plan.Features {
			sum, n := 0.0, 0.0
			for i := range table.Rows {
				if v := table.X[i*table.Cols+j]; !math.IsNaN(v) {
					sum, n = sum+v, n+1
				}
			}
			mean[f.Name] = append(mean[f.Name], sum/n)
		}
	}
	for _, name := range []string{"albumin", "protein"} { // as they are they differ tenfold
		if ratio := mean[name][1] / mean[name][0]; ratio < 0.7 || ratio > 1.5 {
			t.Errorf("%s: means %v", name, mean[name])
		}
	}
}

func TestColumnsConvert(t *testing.T) {
	columns := []Column{{Name: "a", From: "A", Scale: 2, Offset: -1}, {Name: "y", Codes: []Code{{"yes", 1}, {"no", 0}}}}
	table, err := Parse("f", strings.NewReader("A,b,y\n3,4,yes\n,5,no\n"), smallPlan(), Options{Columns: columns})
	if err != nil {
		t.Fatal(err)
	}
	if table.X[0] != 5 || table.X[1] != 4 || !math.IsNaN(table.X[2]) || table.Y[0] != 1 || table.Y[1] != 0 {
		t.Errorf("read %v, %v", table.X, table.Y)
	}
	for file, want := range map[string]string{
		"A,b,y\n3,4,maybe\n":   `f:2: column y: "maybe" is none of its codes`,
		"a,b,y\n3,4,yes\n":     "f:1: column A: missing in the header",
		"A,b,y\nx,4,yes\n":     `f:2: column A: "x" is not a number`,
		"A,b,y\n1e308,4,yes\n": `f:2: column A: "1e308" is not finite in the plan's unit`,
	} {
		if _, err := Parse("f", strings.NewReader(file), smallPlan(), Options{Columns: columns}); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
}

func TestColumnsFileIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		"columns:\n  - {name: q, from: A}\n":                                           `c.yaml:2:12: columns[0].name: "q" is no column of plan`,
		"columns:\n  - {name: a}\n  - {name: a, from: B}\n":                            `c.yaml:3:12: columns[1].name: "a" appears twice`,
		"columns:\n  - {name: a, form: A}\n":                                           `c.yaml:2:15: columns[0].form: unknown key`,
		"columns:\n  - {name: a, codes: [{text: m, value: 1}, {text: m, value: 0}]}\n": `columns[0].codes[1].text: "m" appears twice`,
		"columns:\n  - {name: a, codes: [{text: 1, value: 1}]}\n":                      `write it in quotes`,
		"columns: 3\n":              `c.yaml:1:10: columns: "3": want a list`,
		"columns:\n  - {from: A}\n": `columns[0].name: missing`,
	} {
		_, err := ParseColumns("c.yaml", []byte(text), smallPlan())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
		var place *planfile.Error
		if err != nil && !errors.As(err, &place) {
			t.Errorf("%q: %v has no place", text, err)
		}
	}
	if columns, err := ParseColumns("c.yaml", nil, smallPlan()); err != nil || len(columns) != 0 {
		t.Errorf("an empty file: %v, %v", columns, err)
	}
}

func FuzzParseColumns(f *testing.F) {
	f.Add([]byte(indian))
	f.Add([]byte(german))
	f.Add([]byte("columns: [{name: a, scale: 1e400}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		columns, err := ParseColumns("c.yaml", b, smallPlan())
		if err != nil {
			return
		}
		for _, c := range columns {
			if key, reason := c.check(smallPlan(), nil); reason != "" {
				t.Errorf("taken although %s is wrong: %s", key, reason)
			}
		}
	})
}
