package opening

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// TestEvaluationOfSeveralLabels: the sums of each label are scored on their own; AUC is the
// mean of those labels that have both classes, counts are sums.
func TestEvaluationOfSeveralLabels(t *testing.T) {
	p := rulePlan(federation.Aggregation{Rule: federation.FedAvg, LearningRate: 1}, 2)
	p.Model = federation.Model{Kind: federation.Layers, Several: 3}
	p.Label.Columns = []string{"u", "v", "w"}
	const rows = 200
	rng := rand.New(rand.NewPCG(4, 0))
	var labels, scores []float64
	for i := range 3 * rows {
		y := float64(rng.IntN(2))
		if i%3 == 2 {
			y = 0
		}
		labels = append(labels, y)
		scores = append(scores, float64(int((0.2*y*float64(i%3)+0.8*rng.Float64())*1024))/1024) // bins lose nothing
	}
	var counts, positive, negative []float64
	for k := range 3 {
		y, s := aggregation.Every(labels, k, 3), aggregation.Every(scores, k, 3)
		c, err := aggregation.NewConfusion(y, s)
		if err != nil {
			t.Fatal(err)
		}
		h, err := aggregation.NewHistogram(y, s)
		if err != nil {
			t.Fatal(err)
		}
		counts, positive, negative = append(counts, c.TP, c.FP, c.TN, c.FN), append(positive, h.Positive[:]...), append(negative, h.Negative[:]...)
	}
	r := Round{Plan: p, Header: federation.Header{Kind: federation.Evaluate, Format: p.Format(federation.Evaluate)}}
	r.Candidate.Groups = make([][]federation.Submitter, 1)
	sum := newSum(r)
	sum.Groups, sum.Submitters = []GroupResult{{Submitters: 1}}, 1
	var fields []uint64
	for _, list := range [][]float64{counts, positive, negative} {
		for _, v := range list {
			fields = append(fields, uint64(v))
		}
	}
	sum.of(0).add(0, fields)
	var out Outcome
	if err := out.evaluate(p, sum); err != nil {
		t.Fatal(err)
	}
	e := out.Result.Evaluation
	macro, _ := aggregation.MacroAUC(labels, scores, 3)
	if e.AUC == nil || *e.AUC != macro || len(e.Labels) != 3 || e.Labels[2].AUC != nil {
		t.Fatalf("%+v, want AUC %v and none of w", e, macro)
	}
	all, _ := aggregation.NewConfusion(labels, scores)
	accuracy, _ := all.Accuracy()
	if diff := cmp.Diff(all, aggregation.Confusion{TP: e.TP, FP: e.FP, TN: e.TN, FN: e.FN}); diff != "" || e.Accuracy != accuracy {
		t.Errorf("accuracy %v, want %v; counts (-want +got):\n%s", e.Accuracy, accuracy, diff)
	}
	if v := e.Labels[1]; v.Label != "v" || v.TP != counts[4] || *v.AUC <= *e.Labels[0].AUC {
		t.Errorf("%+v beside %+v", v, e.Labels[0])
	}
}
