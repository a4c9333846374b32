package opening

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/storage/local"
)

// TestPlainIsDecrypted: the sum that a simulation takes is, field by field, the one
// that custodians open from ciphertexts.
func TestPlainIsDecrypted(t *testing.T) {
	const count = 5000
	bucket, err := local.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := seal(t, bucket, count, 5, false, 5, 3)
	for _, rule := range []string{federation.FedAvg, federation.Median} { // groups together, and apart
		s.round.Plan.Aggregation.Rule = rule
		opened, err := s.open(t)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[federation.HospitalID][]int64{}
		for g, members := range s.round.Candidate.Groups {
			for i, m := range members {
				for index := range count {
					fields[m.Hospital] = append(fields[m.Hospital], int64(field(g, i, index)))
				}
			}
		}
		plain, err := Plain(s.round, func(id federation.HospitalID) ([]int64, error) { return fields[id], nil })
		if err != nil {
			t.Fatal(err)
		}
		if plain.Submitters != opened.Submitters || plain.Submitters != 8 {
			t.Errorf("%s: %d and %d submitters", rule, plain.Submitters, opened.Submitters)
		}
		if diff := cmp.Diff(readSum(t, opened, count), readSum(t, plain, count)); diff != "" {
			t.Errorf("%s (-decrypted +simulated):\n%s", rule, diff)
		}
	}
}

func readSum(t *testing.T, s Sum, count int) []float64 {
	t.Helper()
	out := make([]float64, count)
	if err := s.Values(out, 0); err != nil {
		t.Fatal(err)
	}
	if !s.apart() {
		return out
	}
	for g := range s.Groups {
		part := make([]float64, count-1)
		if err := s.group(g, part, 1); err != nil {
			t.Fatal(err)
		}
		out = append(out, part...)
	}
	return out
}

// TestExact: every rule takes real numbers as it takes fields; what rounding changes is
// within its steps.
func TestExact(t *testing.T) {
	for _, rule := range []federation.Aggregation{{Rule: federation.FedAvg, LearningRate: 1}, {Rule: federation.FedAvgM, LearningRate: 1, Momentum: 0.9},
		{Rule: federation.Median, LearningRate: 1}} {
		p := rulePlan(rule, 20)
		var changes []change
		values := map[federation.HospitalID][]float64{}
		for i := range 9 {
			c := change{group: i % 3, weight: 10 + i}
			for j := range 21 {
				c.delta = append(c.delta, 0.3*math.Sin(float64(i+j)))
			}
			changes = append(changes, c)
			id := federation.HospitalID(fmt.Sprintf("h-%02d", i))
			for _, d := range c.delta {
				values[id] = append(values[id], d*float64(c.weight)/float64(p.Privacy.WeightCap))
			}
			values[id] = append(values[id], float64(c.weight), 0)
		}
		r, sum := sumOf(t, p, 3, changes...)
		rounded := conclude(t, r, sum)
		exact := conclude(t, r, Exact(r, values))
		differs := false
		for i := range exact {
			d := math.Abs(float64(exact[i] - rounded[i]))
			differs = differs || d > 0
			if d > 2e-5 {
				t.Errorf("%s: parameter %d is %v exactly, %v rounded", rule.Rule, i, exact[i], rounded[i])
			}
		}
		if !differs {
			t.Errorf("%s: rounding to 24 bits changes nothing", rule.Rule)
		}
	}
}

func conclude(t *testing.T, r Round, sum Sum) []float32 {
	t.Helper()
	out, err := Conclude(r, sum, baseOf(t, r.Plan))
	if err != nil {
		t.Fatal(err)
	}
	var params []float32
	for _, tensor := range out.Snapshot.Tensors {
		params = append(params, tensor.F32...)
	}
	return params[:len(r.Plan.Features)+1]
}
