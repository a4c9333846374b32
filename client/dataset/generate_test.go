package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"testing"

	"atrium/aggregation"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestCohortsDifferAsHospitalsDo(t *testing.T) {
	for seed := range uint64(5) {
		for index := range 16 {
			c := Generate(seed, index)
			all := len(c.Train) + len(c.Test)
			if all < 30 || all > 300 || len(c.Train) < 2*len(c.Test)-4 || len(c.Train) > 2*len(c.Test)+4 {
				t.Errorf("seed %d, %s: %d train and %d test records", seed, c.Name, len(c.Train), len(c.Test))
			}
			positive, trainNegative := 0, 0
			missing, can := 0.0, 0.0
			for i, r := range append(append([]Record(nil), c.Train...), c.Test...) {
				if r.SourceRow != i || len(r.Values) != len(Columns)-2 {
					t.Fatalf("seed %d, %s: record %d is %+v", seed, c.Name, i, r)
				}
				positive += int(indicator(r.Disease))
				if !r.Disease && i < len(c.Train) {
					trainNegative++
				}
				for _, j := range []int{2, 3, 4, 5, 7} {
					missing += indicator(math.IsNaN(r.Values[j]))
					can++
				}
			}
			if share := float64(positive) / float64(all); index%4 != 2 && (share < 0.34 || share > 0.96) {
				t.Errorf("seed %d, %s: prevalence %v", seed, c.Name, share)
			}
			if (trainNegative == 0) != (index%4 == 2) || positive == all {
				t.Errorf("seed %d, %s: %d negatives in training, %d in all", seed, c.Name, trainNegative, all-positive)
			}
			if missing/can > 0.15 {
				t.Errorf("seed %d, %s: %v of the cells are missing", seed, c.Name, missing/can)
			}
		}
	}
}

func TestNamesOfCohorts(t *testing.T) {
	var got []string
	seen := map[string]bool{}
	for index := range 40 {
		name := Generate(1, index).Name
		if seen[name] {
			t.Errorf("%s appears twice", name)
		}
		seen[name] = true
		got = append(got, name)
	}
	if diff := cmp.Diff([]string{"northgate", "riverside", "hillcrest", "lakeview"}, got[:4]); diff != "" {
		t.Error(diff)
	}
}

// The records of a seed are fixed: demonstrations can be compared.
func TestGeneratedBytesAreFixed(t *testing.T) {
	h := sha256.New()
	for index := range 6 {
		c := Generate(1, index)
		if err := writeRecords(h, Columns, append(c.Train, c.Test...)); err != nil {
			t.Fatal(err)
		}
	}
	const want = "aa3f4e41dfdc77c6193b011b36461f400f12e576b2ce0341904b5d97b3136703"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if cmp.Equal(Generate(1, 0).Train[0], Generate(2, 0).Train[0]) {
		t.Error("another seed gives the same record")
	}
}

func TestWriteCSVReadsBack(t *testing.T) {
	dir, plan := t.TempDir(), heartPlan()
	for index := range 4 {
		c := Generate(3, index)
		if err := c.WriteCSV(dir, c.Name); err != nil {
			t.Fatal(err)
		}
		for suffix, records := range map[string][]Record{"_train.csv": c.Train, "_test.csv": c.Test} {
			table, err := Read(filepath.Join(dir, c.Name+suffix), plan, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var x, y []float64
			for _, r := range records {
				x, y = append(x, r.Values...), append(y, indicator(r.Disease))
			}
			if diff := cmp.Diff(x, table.X, cmpopts.EquateNaNs()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(y, table.Y); diff != "" {
				t.Error(diff)
			}
			for _, f := range table.Quality.Features {
				if f.OutOfRange > 0 {
					t.Errorf("%s%s: %d values of %s are out of range (%v to %v)", c.Name, suffix, f.OutOfRange, f.Name, f.Min, f.Max)
				}
			}
		}
	}
	if err := Generate(3, 0).WriteCSV(filepath.Join(dir, "nowhere"), "x"); !os.IsNotExist(cause(err)) {
		t.Errorf("error %v, want a missing directory", err)
	}
}

// What a demonstration shows: the federation learns one model of all, and who has few
// records gains from it. Medians over ten seeds, so that no lucky one decides.
func TestFederationHelpsGeneratedHospitals(t *testing.T) {
	var pooled, gain []float64
	for seed := range uint64(10) {
		f := federate(t, seed)
		pooled = append(pooled, f.pooled)
		gain = append(gain, f.together["lakeview"]-f.alone["lakeview"])
		t.Logf("seed %d: pooled %.3f, together %v, alone %v", seed, f.pooled, f.together, f.alone)
		if f.pooled < 0.80 || f.pooled > 0.95 {
			t.Errorf("seed %d: pooled AUC %v", seed, f.pooled)
		}
	}
	if m := median(pooled); m < 0.85 || m > 0.90 {
		t.Errorf("median pooled AUC %v, want 0.85 to 0.90", m)
	}
	if m := median(gain); m <= 0 {
		t.Errorf("median gain of lakeview %v, want above 0", m)
	}
}

type outcome struct {
	pooled          float64
	together, alone map[string]float64 // AUC on own test records
}

// federate trains on the pooled records (what FedAvg of one step a round computes)
// and on each hospital's own.
func federate(t *testing.T, seed uint64) outcome {
	t.Helper()
	plan := heartPlan()
	o := outcome{together: map[string]float64{}, alone: map[string]float64{}}
	var train, test []*Table
	sums := make([]float64, aggregation.SumsPerFeature*len(plan.Features))
	var names []string
	for index := range 4 {
		c := Generate(seed, index)
		names = append(names, c.Name)
		train, test = append(train, parse(t, c.Train)), append(test, parse(t, c.Test))
		for k, s := range Sums(train[index], plan, 1000) {
			sums[k] += s
		}
	}
	n, err := aggregation.FromSums(sums, Ranges(plan))
	if err != nil {
		t.Fatal(err)
	}
	w := descend(t, n, 300, train...)
	o.pooled, _ = w.auc(t, n, test...)
	for i, name := range names {
		o.together[name], _ = w.auc(t, n, test[i])
		o.alone[name], _ = descend(t, n, 300, train[i]).auc(t, n, test[i])
	}
	return o
}

func parse(t *testing.T, records []Record) *Table {
	t.Helper()
	var b bytes.Buffer
	if err := writeRecords(&b, Columns, records); err != nil {
		t.Fatal(err)
	}
	table, err := Parse("generated", &b, heartPlan(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return table
}
