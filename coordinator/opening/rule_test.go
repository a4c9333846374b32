package opening

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
	"atrium/aggregation/robust"
	"atrium/coordinator/federation"
	"atrium/storage/models"
	"atrium/storage/storagetest"
)

// change is what one hospital sends in a train round, before it is encrypted.
type change struct {
	group   int
	weight  int
	delta   []float64 // of each shared parameter
	clipped []float64 // of the last shared tensors
}

func rulePlan(a federation.Aggregation, features int) federation.Plan {
	p := federation.Plan{V: 1, Name: "rule", Model: federation.Model{Kind: federation.Logistic}, Label: federation.Label{Name: "y"}, Aggregation: a,
		Local:   federation.Local{Optimiser: "sgd", LearningRate: 0.1, Steps: 10},
		Privacy: federation.Privacy{Bits: 24, Clip: 2, WeightCap: 100, MinRecords: 1}}
	for i := range features {
		p.Features = append(p.Features, federation.Feature{Name: fmt.Sprintf("x%d", i), Max: 1, Missing: federation.MissingMean})
	}
	return p
}

// sumOf opens a train round in the plain: what encryption and opening would have left.
func sumOf(t *testing.T, p federation.Plan, groups int, changes ...change) (Round, Sum) {
	t.Helper()
	r := Round{Plan: p, Header: federation.Header{Round: 9, Kind: federation.Train, Format: p.Format(federation.Train)}}
	r.Candidate.Groups = make([][]federation.Submitter, groups)
	for i, c := range changes {
		id := federation.HospitalID(fmt.Sprintf("h-%02d", i))
		r.Candidate.Groups[c.group] = append(r.Candidate.Groups[c.group], federation.Submitter{Hospital: id})
		r.Charter.Members = append(r.Charter.Members, federation.Member{ID: id})
	}
	sum := newSum(r)
	for g, members := range r.Candidate.Groups {
		result := GroupResult{Group: g, Submitters: len(members)}
		if len(members) == 0 {
			result.Reason = "too few submitters"
		}
		sum.Groups, sum.Submitters = append(sum.Groups, result), sum.Submitters+len(members)
	}
	for i, c := range changes {
		x := make([]float64, 0, r.Header.Format.Count())
		for _, d := range c.delta {
			x = append(x, d*float64(c.weight)/float64(p.Privacy.WeightCap))
		}
		x = append(x, float64(c.weight))
		x = append(x, make([]float64, len(p.Shared()))...)
		copy(x[len(x)-len(c.clipped):], c.clipped)
		fields := make([]uint32, len(x))
		if _, err := r.Header.Format.Quantise(fields, x, fixedpoint.NewRounding([32]byte{byte(i)})); err != nil {
			t.Fatal(err)
		}
		words := make([]uint64, len(fields))
		for j, f := range fields {
			words[j] = uint64(f)
		}
		sum.of(c.group).add(0, words)
	}
	return r, sum
}

func baseOf(t *testing.T, p federation.Plan) models.Snapshot {
	t.Helper()
	n := len(p.Features)
	s, err := models.ForPlan(p, make([]float32, p.ParameterCount()), aggregation.Normalisation{Mean: make([]float64, n), SD: slices.Repeat([]float64{1}, n)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func concluded(t *testing.T, p federation.Plan, groups int, changes ...change) ([]float32, Outcome, error) {
	t.Helper()
	r, sum := sumOf(t, p, groups, changes...)
	out, err := Conclude(r, sum, baseOf(t, p))
	if err != nil {
		return nil, out, err
	}
	params, _, err := models.OfPlan(p, *out.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return params, out, nil
}

// TestPoisonedGroup: one group of five sends the greatest change that the clip allows,
// the other way. The mean follows it, robust rules do not.
func TestPoisonedGroup(t *testing.T) {
	const features = 2*stepFields + 11 // more than one run
	delta := func(x float64) []float64 {
		d := make([]float64, features+1)
		for i := range d {
			d[i] = x * (1 + 0.1*math.Sin(float64(i)))
		}
		return d
	}
	var changes []change
	for g := range 4 {
		for i := range 3 {
			changes = append(changes, change{g, 10 + 30*i, delta(0.1 + 0.01*float64(g)), nil})
		}
	}
	for range 3 {
		changes = append(changes, change{4, 100, delta(-1.8), nil})
	}
	for name, c := range map[string]struct {
		a         federation.Aggregation
		low, high float64
		weights   int
	}{
		"fedavg":           {federation.Aggregation{Rule: federation.FedAvg}, -1, -0.3, 0},
		"trimmed mean":     {federation.Aggregation{Rule: federation.TrimmedMean, Trim: 1}, 0.1, 0.13, 0},
		"median":           {federation.Aggregation{Rule: federation.Median}, 0.1, 0.13, 0},
		"geometric median": {federation.Aggregation{Rule: federation.GeometricMedian, Iterations: 60}, 0.08, 0.13, 5},
		"krum":             {federation.Aggregation{Rule: federation.Krum, Hostile: 1, Keep: 2}, 0.1, 0.13, 5},
	} {
		c.a.LearningRate = 1
		p := rulePlan(c.a, features)
		params, out, err := concluded(t, p, 5, changes...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, x := range params {
			if v := float64(x) / (1 + 0.1*math.Sin(float64(i))); v < c.low-0.001 || v > c.high+0.001 {
				t.Errorf("%s: parameter %d is %v, want %v to %v", name, i, v, c.low, c.high)
				break
			}
		}
		if got := out.Result.Train; len(got.GroupWeights) != c.weights || got.Weight != 4*120+300 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestWeightDoesNotBuyInfluence: a group counts once, however many records it claims.
func TestWeightDoesNotBuyInfluence(t *testing.T) {
	p := rulePlan(federation.Aggregation{Rule: federation.TrimmedMean, Trim: 1, LearningRate: 1}, 1)
	of := func(weight int) float32 {
		params, _, err := concluded(t, p, 4, change{0, weight, []float64{0.3, 0}, nil}, change{1, 10, []float64{0.1, 0}, nil},
			change{2, 10, []float64{0.2, 0}, nil}, change{3, 10, []float64{0.4, 0}, nil})
		if err != nil {
			t.Fatal(err)
		}
		return params[0]
	}
	if few, many := of(10), of(100); math.Abs(float64(few-many)) > 1e-5 || math.Abs(float64(few)-0.25) > 1e-5 {
		t.Errorf("%v with 10 records, %v with 100", few, many)
	}
}

// TestTooFewGroupsHeld: groups that drop out leave too few to compare, and there is no
// version.
func TestTooFewGroupsHeld(t *testing.T) {
	p := rulePlan(federation.Aggregation{Rule: federation.Median, LearningRate: 1}, 1)
	delta := []float64{0.1, 0.1}
	if _, _, err := concluded(t, p, 4, change{0, 10, delta, nil}, change{2, 10, delta, nil}, change{3, 10, delta, nil}); err != nil {
		t.Errorf("three of four groups: %v", err)
	}
	_, _, err := concluded(t, p, 4, change{0, 10, delta, nil}, change{3, 10, delta, nil})
	if !errors.Is(err, robust.ErrGroups) || !strings.Contains(err.Error(), "rule median on 2 of 4 groups: it needs 3") {
		t.Errorf("two of four groups: %v", err)
	}
}

// TestLostGroupsUseUpWhatARuleStands: with one of three groups gone the other two are
// averaged, since one group is all that may go wrong.
func TestLostGroupsUseUpWhatARuleStands(t *testing.T) {
	for _, a := range []federation.Aggregation{{Rule: federation.TrimmedMean, Trim: 1}, {Rule: federation.Median}, {Rule: federation.GeometricMedian, Iterations: 9}} {
		a.LearningRate = 1
		params, _, err := concluded(t, rulePlan(a, 1), 3, change{0, 10, []float64{0.1, 0.2}, nil}, change{2, 10, []float64{0.3, 0.6}, nil})
		if err != nil || math.Abs(float64(params[0])-0.2) > 1e-4 || math.Abs(float64(params[1])-0.4) > 1e-4 {
			t.Errorf("%s: %v, %v", a.Rule, params, err)
		}
	}
}

// TestGroupsKeptApart: a group that does not open is left out of what is kept apart, too.
func TestGroupsKeptApart(t *testing.T) {
	s := seal(t, storagetest.NewMemory(), 200, 4, false, 3, 4, 3)
	s.round.Plan.Aggregation.Rule = federation.Median
	s.garble(t, "h-1-002")
	sum, err := s.open(t)
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, sum, 0, 2)
	for _, g := range []int{0, 2} {
		got := make([]float64, 200)
		if err := sum.group(g, got, 0); err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if v != float64(s.plain[g][i]) {
				t.Fatalf("group %d field %d: %v, want %d", g, i, v, s.plain[g][i])
			}
		}
	}
	if sum.Groups[1].Reason == "" || sum.fields[1].narrow != nil {
		t.Errorf("the group that does not open: %+v", sum.Groups[1])
	}
}

// TestStateIsPartOfTheSnapshot: two rounds one after the other are one history; what the
// rule kept is read from the snapshot alone.
func TestStateIsPartOfTheSnapshot(t *testing.T) {
	p := rulePlan(federation.Aggregation{Rule: federation.FedAvgM, LearningRate: 1, Momentum: 0.5}, 1)
	r, sum := sumOf(t, p, 1, change{0, 10, []float64{0.5, -0.25}, nil})
	first, err := Conclude(r, sum, baseOf(t, p))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := models.Decode(models.Encode(*first.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Conclude(r, sum, stored)
	if err != nil {
		t.Fatal(err)
	}
	params, _, err := models.OfPlan(p, *second.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(float64(params[0])-1.25) > 1e-4 || math.Abs(float64(params[1])+0.625) > 1e-4 { // 0.5 + (0.25+0.5)
		t.Errorf("after two rounds: %v", params)
	}
}

// TestOlderBase: what a rule kept for versions that are left behind is not used, and the base is
// what it was.
func TestOlderBase(t *testing.T) {
	p := rulePlan(federation.Aggregation{Rule: federation.FedAvgM, LearningRate: 1, Momentum: 0.5}, 1)
	r, sum := sumOf(t, p, 1, change{0, 10, []float64{0.5, -0.25}, nil})
	first, err := Conclude(r, sum, baseOf(t, p))
	if err != nil {
		t.Fatal(err)
	}
	before := models.Encode(*first.Snapshot)
	r.Header.Version, r.Header.Newest, r.Header.Base = 2, 5, federation.Sum(before)
	stored, err := models.Decode(before)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Conclude(r, sum, stored)
	if err != nil {
		t.Fatal(err)
	}
	params, _, err := models.OfPlan(p, *second.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(float64(params[0])-1) > 1e-4 || math.Abs(float64(params[1])+0.5) > 1e-4 { // 0.5 + 0.5, without momentum
		t.Errorf("from an older version: %v", params)
	}
	if stored.Metadata[models.MetadataState] == "" || second.Snapshot.Metadata[models.MetadataState] == "" {
		t.Error("the base lost its state, or the version has none")
	}
}

// TestCountedInTheSum: a snapshot names the hospitals of the groups that held.
func TestCountedInTheSum(t *testing.T) {
	p := rulePlan(federation.Aggregation{Rule: federation.FedAvg, LearningRate: 1, LocalTensors: []string{"bias"}}, 1)
	delta := []float64{0.1}
	r, sum := sumOf(t, p, 2, change{0, 10, delta, nil}, change{1, 10, delta, nil}, change{0, 10, delta, nil})
	sum.Groups[1] = GroupResult{Group: 1, Reason: "noise"}
	sum.Submitters = 2
	out, err := Conclude(r, sum, baseOf(t, p))
	if err != nil {
		t.Fatal(err)
	}
	got, err := models.LastCounted(p, *out.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]models.Counted{{Hospital: "h-00", Round: 9}, {Hospital: "h-02", Round: 9}}, got); diff != "" {
		t.Error(diff)
	}
	if params, _, _ := models.OfPlan(p, *out.Snapshot); params[1] != 0 || params[0] == 0 {
		t.Errorf("parameters %v: the bias is local", params)
	}
}

// TestMemoryOfGroupsKeptApart: a robust rule holds 4 bytes a field and group, and nothing
// for each hospital.
func TestMemoryOfGroupsKeptApart(t *testing.T) {
	const features = 400_000
	p := rulePlan(federation.Aggregation{Rule: federation.Median, LearningRate: 1}, 1)
	heap := func(hospitals int) uint64 {
		r := Round{Plan: p, Header: federation.Header{Kind: federation.Train, Format: fixedpoint.Format{Bits: 24,
			Segments: []fixedpoint.Segment{{Name: "model", Count: features, Encoding: fixedpoint.Signed, Clip: 1}}}}}
		for range 5 {
			r.Candidate.Groups = append(r.Candidate.Groups, make([]federation.Submitter, hospitals))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sum := newSum(r)
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(sum)
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := heap(3), heap(200); few < 5*4*features || few > 5*4*features+1<<20 || many > few+1<<20 {
		t.Errorf("%d bytes with 3 hospitals a group, %d with 200: want %d", few, many, 5*4*features)
	}
}
