package dataset

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/cmd/atrium/plans"
)

// TestGenerateLiver: hospitals of two kinds in turns, within the plausible ranges of the
// plan, as ill as they should be; the same seed gives the same records.
func TestGenerateLiver(t *testing.T) {
	plan := plans.Liver()
	for index := range 6 {
		c, err := GenerateFor(plan, 2, index)
		if err != nil {
			t.Fatal(err)
		}
		again := GenerateLiver(2, index)
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("the same seed:\n%s", diff)
		}
		if other := GenerateLiver(3, index); cmp.Equal(other.Train, c.Train) {
			t.Error("two seeds gave the same records")
		}
		for _, part := range [][]Record{c.Train, c.Test} {
			ill := 0.0
			for _, r := range part {
				ill += indicator(r.Disease)
				for i, f := range plan.Features {
					column := slices.Index(LiverColumns, f.Name) - 1
					if v := r.Values[column]; column != i || v < f.Min || v > f.Max {
						t.Fatalf("%s of %s is %v, column %d of %d", f.Name, c.Name, v, column, i)
					}
				}
			}
			if got, want := ill/float64(len(part)), liverKinds[index%2].prevalence; got < want-0.01 || got > want+0.01 {
				t.Errorf("%s: %v of %d are ill, want %v", c.Name, got, len(part), want)
			}
		}
	}
}
