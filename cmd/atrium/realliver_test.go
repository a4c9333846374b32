package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/planfile"
)

const ilpdColumns = `columns:
  - {name: age, from: Age}
  - {name: sex, from: Gender, codes: [{text: Male, value: 1}, {text: Female, value: 0}]}
  - {name: albumin, from: ALB%s}
  - {name: alp, from: Alphos_alkaline_phosphotase}
  - {name: alt, from: Sgpt}
  - {name: ast, from: Sgot}
  - {name: bilirubin, from: total_bilirubin%s}
  - {name: protein, from: TP%s}
  - {name: liver_disease, from: Label, codes: [{text: "1", value: 1}, {text: "2", value: 0}]}
`

const hcvColumns = `columns:
  - {name: age, from: Age}
  - {name: sex, from: Sex, codes: [{text: m, value: 1}, {text: f, value: 0}]}
  - {name: albumin, from: ALB}
  - {name: alp, from: ALP}
  - {name: alt, from: ALT}
  - {name: ast, from: AST}
  - {name: bilirubin, from: BIL}
  - {name: protein, from: PROT}
  - name: liver_disease
    from: Category
    codes: [{text: "0=Blood Donor", value: 0}, {text: "0s=suspect Blood Donor", value: 0}, {text: "1=Hepatitis", value: 1}, {text: "2=Fibrosis", value: 1}, {text: "3=Cirrhosis", value: 1}]
`

// liverSites writes the records of four hospitals, as they were measured: two share the
// Indian patients (ILPD), which measure bilirubin in mg/dl and proteins in g/dl, two the
// German blood donors and patients (HCV), in µmol/l and g/l. Their files of columns convert
// to the plan's units, or only name the columns. Records are dealt one by one within each
// outcome; every third is for tests.
func liverSites(t *testing.T, convert bool) string {
	t.Helper()
	dir := t.TempDir()
	scale := []any{"", "", ""}
	if convert {
		scale = []any{", scale: 10", ", scale: 17.1", ", scale: 10"}
	}
	for _, source := range []struct{ name, folder, file, label, columns string }{
		{"hcv", "liver-hcv", "hcvdat0.csv", "Category", hcvColumns},
		{"ilpd", "liver-ilpd", "Indian Liver Patient Dataset (ILPD).csv", "Label", fmt.Sprintf(ilpdColumns, scale...)},
	} {
		folder := filepath.Join("..", "..", "..", "shared", "data", source.folder)
		if _, err := os.Stat(folder); err != nil {
			t.Skipf("DATA ABSENT: ../shared/data/%s", source.folder)
		}
		rows, err := csv.NewReader(bytes.NewReader(mustRead(t, folder, source.file))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]int{}
		for i, name := range rows[0] {
			at[name] = i
		}
		parts, dealt := map[string][][]string{}, map[string]int{}
		for _, row := range rows[1:] {
			label := row[at[source.label]]
			n := dealt[label]
			dealt[label]++
			part := "_train"
			if n/2%3 == 2 {
				part = "_test"
			}
			name := fmt.Sprintf("%s-%d%s", source.name, n%2+1, part)
			parts[name] = append(parts[name], row)
		}
		for name, part := range parts {
			var b bytes.Buffer
			w := csv.NewWriter(&b)
			if err := w.WriteAll(append(rows[:1:1], part...)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+".csv"), b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 2 {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d_columns.yaml", source.name, i+1)), []byte(source.columns), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestCompareLiver: hospitals of two kinds, whose shared model is worse for them than their
// own is, and is better once each has fine-tuned it. Records in other units are told of;
// what they spoil is a hospital's own model and the fine-tuned one.
func TestCompareLiver(t *testing.T) {
	t.Parallel()
	const rule = "fedavg"
	auc := func(s compareScore) float64 { return *s.AUC }
	run := func(convert bool) (c comparison, tables string) {
		c, tables = compared(t, plans.Liver(), "--data", liverSites(t, convert), "--rules", rule, "--seeds", "1")
		t.Logf("units converted: %v\n%s", convert, tables)
		return c, tables
	}
	c, tables := run(true)
	if local, shared, tuned := c.mean(t, "local", false, accuracy), c.mean(t, rule, false, accuracy), c.mean(t, rule, true, accuracy); shared > local-0.03 || tuned < local {
		t.Errorf("mean accuracy: local %.3f, shared %.3f, fine-tuned %.3f", local, shared, tuned)
	}
	if local, shared, tuned := c.mean(t, "local", false, auc), c.mean(t, rule, false, auc), c.mean(t, rule, true, auc); shared > local-0.05 || tuned < shared+0.03 {
		t.Errorf("mean AUC: local %.3f, shared %.3f, fine-tuned %.3f", local, shared, tuned)
	}
	if strings.Contains(tables, "unit another") {
		t.Error("units are doubted that were converted")
	}
	other, tables := run(false)
	for _, column := range []string{"albumin", "bilirubin", "protein"} {
		if !strings.Contains(tables, "ilpd-1: "+column+" is ") {
			t.Errorf("nothing is said about %s", column)
		}
	}
	for _, row := range []struct {
		name  string
		tuned bool
	}{{"local", false}, {rule, true}} {
		if with, without := c.mean(t, row.name, row.tuned, accuracy), other.mean(t, row.name, row.tuned, accuracy); without > with-0.005 {
			t.Errorf("%+v: mean accuracy %.3f, in other units %.3f", row, with, without)
		}
	}
}

// TestLiverColumnsInTheDemonstration: daemons read the same files of columns.
func TestLiverColumnsInTheDemonstration(t *testing.T) {
	t.Parallel()
	plan := plans.Liver()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery, plan.Local.FineTune = 2, 0, 0
	data := liverSites(t, true)
	file := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(file, planfile.WritePlan(plan), 0o600); err != nil {
		t.Fatal(err)
	}
	demo := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--plan", file, "--data", data, "--seed", "1")
	c, _ := compared(t, plan, "--data", data, "--rules", "fedavg", "--seeds", "1")
	want := filepath.Base(demo.result().Snapshot)
	if got := c.Runs[0].Snapshot; got == nil || got.String() != want {
		t.Errorf("the last version is %v, of processes %s", got, want)
	}
}
