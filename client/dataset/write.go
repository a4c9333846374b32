package dataset

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// WriteCSV writes NAME_train.csv and NAME_test.csv into dir, which must exist; files
// of these names are replaced. Columns names the header; a missing value is an empty
// cell.
func (c Cohort) WriteCSV(dir, name string) error {
	for _, part := range []struct {
		suffix  string
		records []Record
	}{{"_train.csv", c.Train}, {"_test.csv", c.Test}} {
		if err := writeFile(filepath.Join(dir, name+part.suffix), c.header(), part.records); err != nil {
			return fmt.Errorf("write cohort %s: %w", name, err)
		}
	}
	return nil
}

func (c Cohort) header() []string {
	if c.Columns == nil {
		return Columns
	}
	return c.Columns
}

func writeFile(path string, header []string, records []Record) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	return writeRecords(f, header, records)
}

func writeRecords(w io.Writer, header []string, records []Record) error {
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	for _, r := range records {
		cells := []string{strconv.Itoa(r.SourceRow)}
		for _, v := range r.Values {
			cells = append(cells, cell(v))
		}
		if err := out.Write(append(cells, cell(indicator(r.Disease)))); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func cell(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
