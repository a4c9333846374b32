package federation

import (
	"errors"
	"testing"

	"atrium/aggregation/fixedpoint"
)

// TestTrainVectorsOfRules: what hospitals send for each rule.
func TestTrainVectorsOfRules(t *testing.T) {
	all := testPlan().ParameterCount()
	bias := 4 + 2 + 1
	for _, c := range []struct {
		rule       string
		local      []string
		tail, want int
	}{
		{FedAvg, nil, all, all + 7}, {FedAdam, nil, all, all + 7}, {Krum, nil, all, all + 7},
		{FedNova, nil, all, all + 7 + 3}, {Scaffold, nil, 2 * all, 2*all + 7},
		{FedAvg, []string{"*.bias"}, all - bias, all - bias + 4}, {Scaffold, []string{"*.bias"}, 2 * (all - bias), 2*(all-bias) + 4},
	} {
		p := testPlan()
		p.Aggregation.Rule, p.Aggregation.LocalTensors = c.rule, c.local
		f := p.Format(Train)
		if err := f.Validate(); err != nil || f.Count() != c.want || p.TrainTail() != c.tail {
			t.Errorf("%s without %v: %d fields, the last from %d: want %d and %d; %v", c.rule, c.local, f.Count(), p.TrainTail(), c.want, c.tail, err)
		}
		if part := f.Range(c.tail, c.tail+1).Segments[0]; part.Name != SegmentWeight || part.Encoding != fixedpoint.Count {
			t.Errorf("%s: %+v follows the vectors", c.rule, part)
		}
	}
}

// TestPlansWithoutRuleKeysKeepTheirDigest: keys that a rule does not have are not written.
func TestPlansWithoutRuleKeysKeepTheirDigest(t *testing.T) {
	got := string(Encode(Aggregation{Rule: FedAvg, LearningRate: 1}))
	if want := `{"rule":"fedavg","learning_rate":1}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestCheckRule(t *testing.T) {
	p, c := testPlan(), testCharter(t, 9)
	for _, x := range []struct {
		a      Aggregation
		groups int
		ok     bool
	}{
		{Aggregation{Rule: FedAvg}, 1, true}, {Aggregation{Rule: TrimmedMean, Trim: 1}, 2, false}, {Aggregation{Rule: TrimmedMean, Trim: 1}, 3, true},
		{Aggregation{Rule: TrimmedMean, Trim: 2}, 4, false}, {Aggregation{Rule: Median}, 2, false}, {Aggregation{Rule: GeometricMedian}, 3, true},
		{Aggregation{Rule: Krum, Hostile: 1, Keep: 1}, 4, false}, {Aggregation{Rule: Krum, Hostile: 1, Keep: 1}, 5, true},
		{Aggregation{Rule: Krum, Hostile: 1, Keep: 3}, 5, false}, {Aggregation{Rule: Krum, Hostile: 1, Keep: 3}, 6, true},
	} {
		p.Aggregation, c.Groups = x.a, make([][]HospitalID, x.groups)
		var refusal *PlanError
		if err := CheckRule(c, p); (err == nil) != x.ok || err != nil && !errors.As(err, &refusal) {
			t.Errorf("%+v with %d groups: %v", x.a, x.groups, err)
		}
	}
	p.Aggregation = Aggregation{Rule: Median}
	p.Model.Hidden, c.Groups = []int{MaxHiddenUnits, MaxHiddenUnits}, make([][]HospitalID, 8)
	if err := CheckRule(c, p); err == nil {
		t.Errorf("%d parameters of 8 groups are held in memory", p.ParameterCount())
	}
}

// TestCohortOfTheCharter: a cohort below the charter's K would never be opened.
func TestCohortOfTheCharter(t *testing.T) {
	p, c := testPlan(), testCharter(t, 9)
	for size, ok := range map[int]bool{0: true, c.MinCohort - 1: false, c.MinCohort: true, 9: true} {
		p.Schedule.Cohort.Size = size
		var refusal *PlanError
		if err := CheckRule(c, p); (err == nil) != ok || err != nil && !errors.As(err, &refusal) {
			t.Errorf("cohort of %d with K = %d: %v", size, c.MinCohort, err)
		}
	}
	c = c.With(Numbers{Cohort: CohortAll})
	for size, ok := range map[int]bool{0: true, c.MinCohort: false, 8: false, 9: true} {
		p.Schedule.Cohort.Size = size
		if err := CheckRule(c, p); (err == nil) != ok {
			t.Errorf("cohort of %d of 9 who are all summed: %v", size, err)
		}
	}
}

// TestRuleWithFewerGroups: a group that is left out uses up one of those that the rule
// stands, unless enough are left.
func TestRuleWithFewerGroups(t *testing.T) {
	trimmed := func(k int) Aggregation { return Aggregation{Rule: TrimmedMean, Trim: k} }
	krum := func(f int) Aggregation { return Aggregation{Rule: Krum, Hostile: f, Keep: 1} }
	median := Aggregation{Rule: Median}
	for _, c := range []struct {
		a        Aggregation
		held, of int
		want     Aggregation
		ok       bool
	}{
		{trimmed(2), 5, 5, trimmed(2), true}, {trimmed(2), 4, 5, trimmed(1), true}, {trimmed(2), 3, 5, trimmed(0), true}, {trimmed(2), 2, 5, trimmed(-1), false},
		{trimmed(1), 3, 7, trimmed(1), true}, {trimmed(1), 2, 7, trimmed(-4), false},
		{median, 2, 3, median, true}, {median, 1, 3, median, false}, {median, 3, 9, median, true}, {median, 2, 9, median, false},
		{krum(1), 4, 5, krum(0), true}, {krum(1), 3, 5, krum(-1), false}, {krum(1), 5, 8, krum(1), true},
		{Aggregation{Rule: FedAvg}, 1, 4, Aggregation{Rule: FedAvg}, true}, {Aggregation{Rule: FedAvg}, 0, 4, Aggregation{Rule: FedAvg}, false},
	} {
		got, ok := c.a.With(c.held, c.of)
		if ok != c.ok || ok && string(Encode(got)) != string(Encode(c.want)) {
			t.Errorf("%+v with %d of %d groups: %+v, %v", c.a, c.held, c.of, got, ok)
		}
		if least := c.a.LeastGroups(c.of); (c.held >= least) != c.ok {
			t.Errorf("%+v of %d groups needs %d, and with %d it is %v", c.a, c.of, least, c.held, ok)
		}
	}
}

func TestStepsOf(t *testing.T) {
	for _, c := range []struct {
		local   Local
		n, want int
	}{
		{Local{Steps: 7}, 100, 7}, {Local{Epochs: 3}, 100, 3}, {Local{Epochs: 3, Batch: 200}, 100, 3},
		{Local{Epochs: 3, Batch: 32}, 100, 12}, {Local{Epochs: 1, Batch: 50}, 100, 2},
	} {
		if got := c.local.StepsOf(c.n); got != c.want {
			t.Errorf("%+v on %d records: %d steps, want %d", c.local, c.n, got, c.want)
		}
	}
}
