package train

import "math"

// head is what a network's outputs mean: a logit of label 1 for each of one or several
// labels, or a logit for each of several classes.
type head struct {
	outputs  int
	classes  bool
	positive int // the class that scores are of, when there are several
}

// width is how many labels, weights and scores a record has.
func (h head) width() int {
	if h.classes {
		return 1
	}
	return h.outputs
}

// loss is the weighted log-loss of a record's logits, summed over its labels; NaN when a
// label is no class.
func (h head) loss(logits, labels, weights []float32) float64 {
	if !h.classes {
		var sum float64
		for k, z := range logits {
			sum += float64(weights[k]) * binaryLoss(float64(z), float64(labels[k]))
		}
		return sum
	}
	label := labels[0]
	class := int(label)
	if float32(class) != label || class < 0 || class >= h.outputs {
		return math.NaN()
	}
	most, sum := h.sum(logits)
	return float64(weights[0]) * (most + math.Log(sum) - float64(logits[class]))
}

func binaryLoss(z, label float64) float64 {
	return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - label*z
}

// sum returns the greatest logit and Σ exp(z − it).
func (h head) sum(logits []float32) (most, sum float64) {
	most = math.Inf(-1)
	for _, z := range logits {
		most = math.Max(most, float64(z)) // NaN stays
	}
	for _, z := range logits {
		sum += math.Exp(float64(z) - most)
	}
	return most, sum
}

// slope puts the derivative of loss by each logit into d.
func (h head) slope(d, logits, labels, weights []float32) {
	if !h.classes {
		for k, z := range logits {
			d[k] = weights[k] * (float32(sigmoid(float64(z))) - labels[k])
		}
		return
	}
	label, weight := labels[0], weights[0]
	most, sum := h.sum(logits)
	for k, z := range logits {
		d[k] = weight * float32(math.Exp(float64(z)-most)/sum)
		if float32(k) == label {
			d[k] -= weight
		}
	}
}

// scores appends the probability of label 1 of each label, or that of the positive class.
func (h head) scores(to []float64, logits []float32) []float64 {
	if !h.classes {
		for _, z := range logits {
			to = append(to, sigmoid(float64(z)))
		}
		return to
	}
	most, sum := h.sum(logits)
	return append(to, math.Exp(float64(logits[h.positive])-most)/sum)
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }
