package dataset

import (
	"bytes"
	"encoding/csv"
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// render writes a table as canonical bytes: plan order, shortest numbers, empty cells.
func render(t *testing.T, table *Table) []byte {
	t.Helper()
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	check := func(cells []string) {
		if err := w.Write(cells); err != nil {
			t.Fatal(err)
		}
	}
	check(append(append([]string(nil), table.Features...), "y"))
	for i, label := range table.Y {
		var cells []string
		for _, v := range table.X[i*table.Cols : (i+1)*table.Cols] {
			cells = append(cells, cell(v))
		}
		check(append(cells, strconv.Itoa(int(label))))
	}
	w.Flush()
	return b.Bytes()
}

// CSV has many spellings of one table. So: whatever is read holds what Table promises,
// its canonical bytes read back as the same records, and write the same bytes again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a,b,y\n1,1,1\n", "\xef\xbb\xbfy, note,b,a\r\n1,x,0.5,3\r\n0,\"two\r\nlines\",?,4\r\n", "a,b,y\n,,1\n",
		"a,b,y\n1e308,-1e-320,0\n", "a,b,y\nInf,1,1\n", "a,b,y\n1,1\n", "a,b,y\n\"", "", "y,b,a\n-0,NA,NaN\n-0,3,NaN\n", "a,a,b,y\n1,1,1,1\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		table, err := Parse("f", bytes.NewReader(file), smallPlan(), Options{})
		if err != nil {
			return
		}
		q := table.Quality
		if len(table.X) != table.Rows*table.Cols || len(table.Y) != table.Rows || q.Eligible != table.Rows || q.Rows < q.Eligible || q.Rows == 0 || q.Positives > q.Eligible {
			t.Fatalf("inconsistent table %+v", table)
		}
		for i, v := range table.X {
			if math.IsInf(v, 0) || (i%2 == 1 && math.IsNaN(v)) {
				t.Fatalf("value %d is %v", i, v)
			}
		}
		for _, y := range table.Y {
			if y != 0 && y != 1 {
				t.Fatalf("label %v", y)
			}
		}
		if table.Rows == 0 {
			return
		}
		canonical := render(t, table)
		again, err := Parse("f", bytes.NewReader(canonical), smallPlan(), Options{})
		if err != nil {
			t.Fatalf("%q: %v", canonical, err)
		}
		if diff := cmp.Diff([][]float64{table.X, table.Y}, [][]float64{again.X, again.Y}, cmpopts.EquateNaNs()); diff != "" {
			t.Fatal(diff)
		}
		if !bytes.Equal(canonical, render(t, again)) {
			t.Fatalf("%q writes other bytes the second time", canonical)
		}
	})
}
