package aggregation

import (
	"fmt"
	"math"
	"slices"
)

// HistogramBins is how many equal bins a score histogram has over [0, 1].
const HistogramBins = 1024

// Threshold is the score from which a record is called positive.
const Threshold = 0.5

// AUC returns the area under the ROC curve of scores against labels (0 or 1): the
// share of (positive, negative) pairs that the scores order rightly, ties counted
// half. It counts in integers, so it is exact up to one division. ok is false when
// there is only one class, when a score is NaN or when the lengths differ.
func AUC(labels, scores []float64) (auc float64, ok bool) {
	if len(labels) != len(scores) || slices.ContainsFunc(scores, math.IsNaN) {
		return 0, false
	}
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case scores[a] < scores[b]:
			return -1
		case scores[a] > scores[b]:
			return 1
		}
		return 0
	})
	var pos, neg, twice int64 // twice the number of pairs won; neg: negatives seen below
	for i := 0; i < len(order); {
		var tiedPos, tiedNeg int64
		tie := scores[order[i]]
		for ; i < len(order) && scores[order[i]] == tie; i++ {
			if positive(labels[order[i]]) {
				tiedPos++
			} else {
				tiedNeg++
			}
		}
		twice += tiedPos * (2*neg + tiedNeg)
		pos, neg = pos+tiedPos, neg+tiedNeg
	}
	if pos == 0 || neg == 0 {
		return 0, false
	}
	return float64(twice) / (2 * float64(pos) * float64(neg)), true
}

// MacroAUC is the mean AUC of several labels: labels and scores have width values a
// record. ok is false when no label has both classes, or for bad scores or lengths.
func MacroAUC(labels, scores []float64, width int) (auc float64, ok bool) {
	if width < 1 || len(labels) != len(scores) || len(labels)%width != 0 {
		return 0, false
	}
	var sum, counted float64
	for k := range width {
		if one, ok := AUC(Every(labels, k, width), Every(scores, k, width)); ok {
			sum, counted = float64(sum+one), counted+1
		}
	}
	if counted == 0 {
		return 0, false
	}
	return float64(sum / counted), true
}

// Every returns values k, k+width and so on.
func Every(values []float64, k, width int) []float64 {
	out := make([]float64, 0, len(values)/width)
	for ; k < len(values); k += width {
		out = append(out, values[k])
	}
	return out
}

// Histogram counts the records of each class by score.
type Histogram struct {
	Positive [HistogramBins]float64
	Negative [HistogramBins]float64
}

// NewHistogram counts labels (0 or 1) by scores in [0, 1]; a score of 1 falls into the
// last bin. Errors: ErrLength, or a score outside [0, 1] or NaN.
func NewHistogram(labels, scores []float64) (*Histogram, error) {
	if len(labels) != len(scores) {
		return nil, fmt.Errorf("count %d labels with %d scores: %w", len(labels), len(scores), ErrLength)
	}
	h := new(Histogram)
	for i, s := range scores {
		if !(s >= 0 && s <= 1) {
			return nil, fmt.Errorf("count score %v of record %d: want 0 to 1", s, i)
		}
		bin := min(int(s*HistogramBins), HistogramBins-1)
		if positive(labels[i]) {
			h.Positive[bin]++
		} else {
			h.Negative[bin]++
		}
	}
	return h, nil
}

// HistogramAUC estimates the area under the ROC curve from counts by score, one pair
// of counts a bin in rising order; records in one bin count as ties, half. Counts may
// be fractional, and negative ones (rounding on the way) count as 0. ok is false when
// a class is empty, a count is not finite or the lengths differ.
func HistogramAUC(pos, neg []float64) (auc float64, ok bool) {
	if len(pos) != len(neg) {
		return 0, false
	}
	var won, below, positives float64
	for i := range pos {
		if !finite(pos[i]) || !finite(neg[i]) {
			return 0, false
		}
		p, n := max(pos[i], 0), max(neg[i], 0)
		won += float64(p * (below + float64(n/2)))
		below += n
		positives += p
	}
	pairs := float64(positives * below)
	if !(pairs > 0) || !finite(pairs) {
		return 0, false
	}
	return float64(won / pairs), true
}

// Confusion counts decisions at Threshold against labels.
type Confusion struct {
	TP, FP, TN, FN float64
}

// NewConfusion counts scores at or above Threshold as positive. Labels are 0 or 1.
// The error is ErrLength.
func NewConfusion(labels, scores []float64) (Confusion, error) {
	var c Confusion
	if len(labels) != len(scores) {
		return c, fmt.Errorf("count %d labels with %d scores: %w", len(labels), len(scores), ErrLength)
	}
	for i, s := range scores {
		switch called := s >= Threshold; {
		case called && positive(labels[i]):
			c.TP++
		case called:
			c.FP++
		case positive(labels[i]):
			c.FN++
		default:
			c.TN++
		}
	}
	return c, nil
}

// Accuracy returns the share of right decisions; ok is false when nothing was counted.
func (c Confusion) Accuracy() (share float64, ok bool) {
	all := c.TP + c.FP + c.TN + c.FN
	if !(all > 0) {
		return 0, false
	}
	return (c.TP + c.TN) / all, true
}

func positive(label float64) bool { return label >= 0.5 }
