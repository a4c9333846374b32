package train

import "math"

// head is what a network's outputs mean: one logit of label 1, or a logit for each of
// several classes.
type head struct {
	outputs  int
	positive int // the class that scores are of, when there are several
}

// loss is the log-loss of a record's logits; NaN when the label is no class.
func (h head) loss(logits []float32, label float32) float64 {
	if h.outputs == 1 {
		z := float64(logits[0])
		return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - float64(label)*z
	}
	class := int(label)
	if float32(class) != label || class < 0 || class >= h.outputs {
		return math.NaN()
	}
	most, sum := h.sum(logits)
	return most + math.Log(sum) - float64(logits[class])
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

// slope puts the derivative of weight·loss by each logit into d.
func (h head) slope(d, logits []float32, label, weight float32) {
	if h.outputs == 1 {
		d[0] = weight * (float32(sigmoid(float64(logits[0]))) - label)
		return
	}
	most, sum := h.sum(logits)
	for k, z := range logits {
		d[k] = weight * float32(math.Exp(float64(z)-most)/sum)
		if float32(k) == label {
			d[k] -= weight
		}
	}
}

// score is the probability of label 1, or of the positive class.
func (h head) score(logits []float32) float64 {
	if h.outputs == 1 {
		return sigmoid(float64(logits[0]))
	}
	most, sum := h.sum(logits)
	return math.Exp(float64(logits[h.positive])-most) / sum
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }
