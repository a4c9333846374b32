package opening

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"atrium/aggregation"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// Result is what a round found out; its canonical bytes are a blob that the publish
// entry names.
type Result struct {
	V          int                  `json:"v"` // 1
	Round      uint64               `json:"round"`
	Kind       federation.RoundKind `json:"kind"`
	Part       federation.Month     `json:"part,omitempty"` // that an evaluation is of; "": all records
	Manifest   federation.Digest    `json:"manifest"`
	Submitters int                  `json:"submitters"`
	Groups     []GroupResult        `json:"groups"`
	Statistics *StatisticsResult    `json:"statistics,omitempty"`
	Train      *TrainResult         `json:"train,omitempty"`
	Evaluation *Evaluation          `json:"evaluation,omitempty"`
}

// GroupResult is one group's part; Reason says why it is not in the sum.
type GroupResult struct {
	Group      int    `json:"group"`
	Submitters int    `json:"submitters"`
	Reason     string `json:"reason,omitempty"`
}

// StatisticsResult is what statistics say besides the preprocessing in the snapshot.
type StatisticsResult struct {
	Records []float64 `json:"records"` // measured values of each feature
}

// TrainResult is what a train round says besides the snapshot.
type TrainResult struct {
	Weight       float64   `json:"weight"`                  // total weight: eligible examples, capped a hospital
	Saturated    float64   `json:"saturated"`               // coordinates that met the clip, over all hospitals
	Clipped      []Clipped `json:"clipped,omitempty"`       // in which tensors
	Effort       float64   `json:"effort,omitempty"`        // FedNova: the hospitals' weighted mean of ‖a‖₁
	GroupWeights []float64 `json:"group_weights,omitempty"` // Krum, geometric median: of each group that held, in order
}

// Clipped is how many coordinates of a tensor met the clip, over all hospitals.
type Clipped struct {
	Tensor string  `json:"tensor"`
	Count  float64 `json:"count"`
}

// ClippedText says how many coordinates met the clip, and in which tensors most did.
func (r TrainResult) ClippedText() string {
	text := fmt.Sprintf("%g coordinates clipped", r.Saturated)
	if len(r.Clipped) == 0 {
		return text
	}
	list := slices.Clone(r.Clipped)
	slices.SortStableFunc(list, func(a, b Clipped) int { return cmp.Compare(b.Count, a.Count) })
	var words []string
	for _, c := range list[:min(3, len(list))] {
		words = append(words, fmt.Sprintf("%s %g", c.Tensor, c.Count))
	}
	if len(list) > len(words) {
		words = append(words, "others fewer")
	}
	return text + " (" + strings.Join(words, ", ") + ")"
}

// Evaluation is the cohort's score; no hospital's own numbers can be read from it.
type Evaluation struct {
	TP       float64  `json:"tp"`
	FP       float64  `json:"fp"`
	TN       float64  `json:"tn"`
	FN       float64  `json:"fn"`
	Accuracy float64  `json:"accuracy"`
	AUC      *float64 `json:"auc"` // from the histograms; null with a single class

	// Of several labels these are sums over them, and AUC the mean of theirs.
	Labels []LabelEvaluation `json:"labels,omitempty"`
}

// LabelEvaluation is the cohort's score of one of several labels.
type LabelEvaluation struct {
	Label    string   `json:"label"`
	TP       float64  `json:"tp"`
	FP       float64  `json:"fp"`
	TN       float64  `json:"tn"`
	FN       float64  `json:"fn"`
	Accuracy float64  `json:"accuracy"`
	AUC      *float64 `json:"auc"`
}

// Metric is the value that a stop rule looks at; nil where it is not defined.
func (e *Evaluation) Metric(name string) *float64 {
	switch {
	case e == nil:
		return nil
	case name == federation.MetricAUC:
		return e.AUC
	case name == federation.MetricAccuracy:
		return &e.Accuracy
	}
	return nil
}

// LastRound is one hospital's part in the last round that published.
type LastRound struct {
	Round  uint64               `json:"round"`
	Kind   federation.RoundKind `json:"kind"`
	Result federation.Digest    `json:"result"` // blob of the Result
	Asked  bool                 `json:"asked"`  // for an update
	Summed bool                 `json:"summed"`
}

// DecodeResult reads canonical bytes.
func DecodeResult(b []byte) (Result, error) {
	return federation.Decode[Result](b, federation.MaxManifestBytes)
}

// Outcome is a result and, but for evaluate, the next snapshot.
type Outcome struct {
	Result   Result
	Snapshot *models.Snapshot
	Sketch   *federation.Sketch // of the snapshot, where the charter has a guard
}

// ErrNothing: no version and no result follows from an opened sum.
var ErrNothing = errors.New("nothing follows from the sum")

// Conclude applies the plan's rule to an opened sum. base is the snapshot that the
// header names, ignored for statistics; its parameters are replaced by the next ones.
func Conclude(r Round, sum Sum, base models.Snapshot) (Outcome, error) {
	out := Outcome{Result: Result{V: 1, Round: r.Header.Round, Kind: r.Header.Kind, Part: r.Header.Part, Manifest: r.Manifest,
		Submitters: sum.Submitters, Groups: sum.Groups}}
	var err error
	switch r.Header.Kind {
	case federation.Statistics:
		err = out.statistics(r.Plan, sum)
	case federation.Train:
		err = out.train(r, sum, base)
	case federation.Evaluate:
		err = out.evaluate(r.Plan, sum)
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("conclude round %d: %w: %w", r.Header.Round, ErrNothing, err)
	}
	if out.Snapshot != nil {
		out.Sketch = Sketch(r.Charter, *out.Snapshot)
	}
	return out, nil
}

func (o *Outcome) statistics(p federation.Plan, sum Sum) error {
	sums := make([]float64, aggregation.SumsPerFeature*len(p.Features))
	if err := sum.Values(sums, 0); err != nil {
		return err
	}
	ranges := make([]aggregation.Range, len(p.Features))
	o.Result.Statistics = &StatisticsResult{}
	for i, f := range p.Features {
		ranges[i] = aggregation.Range{Min: f.Min, Max: f.Max}
		o.Result.Statistics.Records = append(o.Result.Statistics.Records, sums[aggregation.SumsPerFeature*i])
	}
	norm, err := aggregation.FromSums(sums, ranges)
	if err != nil {
		return err
	}
	return o.keep(models.ForPlan(p, models.InitialParameters(p), norm))
}

func (o *Outcome) evaluate(p federation.Plan, sum Sum) error {
	const bins = federation.HistogramBins
	names := p.Label.Names()
	k := len(names)
	v := make([]float64, k*(4+2*bins))
	if err := sum.Values(v, 0); err != nil {
		return err
	}
	positives, negatives := v[4*k:][:k*bins], v[k*(4+bins):]
	all, e := aggregation.Confusion{}, &Evaluation{}
	var auc, scored float64
	for i, name := range names {
		c := aggregation.Confusion{TP: v[4*i], FP: v[4*i+1], TN: v[4*i+2], FN: v[4*i+3]}
		all = aggregation.Confusion{TP: all.TP + c.TP, FP: all.FP + c.FP, TN: all.TN + c.TN, FN: all.FN + c.FN}
		one := LabelEvaluation{Label: name, TP: c.TP, FP: c.FP, TN: c.TN, FN: c.FN}
		one.Accuracy, _ = c.Accuracy()
		if x, ok := aggregation.HistogramAUC(positives[i*bins:(i+1)*bins], negatives[i*bins:(i+1)*bins]); ok {
			one.AUC = &x
			auc, scored = float64(auc+x), scored+1
		}
		if k > 1 {
			e.Labels = append(e.Labels, one)
		}
	}
	var ok bool
	if e.Accuracy, ok = all.Accuracy(); !ok {
		return fmt.Errorf("no record was evaluated")
	}
	e.TP, e.FP, e.TN, e.FN = all.TP, all.FP, all.TN, all.FN
	if scored > 0 {
		mean := float64(auc / scored)
		e.AUC = &mean
	}
	o.Result.Evaluation = e
	return nil
}

func (o *Outcome) keep(s models.Snapshot, err error) error {
	o.Snapshot = &s
	return err
}
