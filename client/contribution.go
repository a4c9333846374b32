package client

import (
	"fmt"
	"math"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
)

// contribution is the vector that this hospital contributes to a round, in the layout of
// the header's format: vectors, then values.
type contribution struct {
	vectors []vector
	values  []float64
}

// vector is a change as it was computed; it is scaled, clipped and weighted when it is
// read.
type vector struct {
	change []float32
	scale  float64 // before the clip
	clip   float64
	share  float64 // after it: of the greatest weight, at most 1
}

// at is value i as it is contributed.
func (v vector) at(i int) float64 {
	x := float64(v.scale * float64(v.change[i]))
	if x > v.clip {
		x = v.clip
	} else if x < -v.clip {
		x = -v.clip
	}
	return float64(v.share * x)
}

// count is the number of values of the contribution.
func (c contribution) count() int {
	n := len(c.values)
	for _, v := range c.vectors {
		n += len(v.change)
	}
	return n
}

// read writes the values from an index on into dst.
func (c contribution) read(dst []float64, from int) {
	for _, v := range c.vectors {
		for from < len(v.change) && len(dst) > 0 {
			n := min(len(v.change)-from, len(dst))
			for i := range n {
				dst[i] = v.at(from + i)
			}
			dst, from = dst[n:], from+n
		}
		from -= len(v.change)
	}
	copy(dst, c.values[max(0, from):])
}

// tensors divides a change of all shared parameters. clips are those of the tensors, nil
// where the plan fixes them; v.clip is a multiple of them.
func (v vector) tensors(p federation.Plan, clips []float64) []vector {
	var list []vector
	rest := v.change
	for i, t := range p.Shared() {
		part, clip := v, p.Privacy.Clip
		if clips != nil {
			clip = clips[i]
		}
		n := t.Size()
		part.change, part.clip, rest = rest[:n:n], float64(v.clip*clip), rest[n:]
		list = append(list, part)
	}
	return list
}

// saturated counts the values beyond the clip, of each tensor: vectors follow the
// tensors, once or several times. The error is fixedpoint.ErrNotFinite.
func (c contribution) saturated(tensors int) ([]int, error) {
	counts := make([]int, tensors)
	for i, v := range c.vectors {
		beyond, err := v.saturated()
		if err != nil {
			return nil, err
		}
		counts[i%tensors] += beyond
	}
	return counts, nil
}

func (v vector) saturated() (int, error) {
	// Magnitudes of floats are in the order of their bits; limit is of the largest that
	// does not meet the clip.
	meets := func(bits uint32) bool { return float64(v.scale*float64(math.Float32frombits(bits))) > v.clip }
	limit := math.Float32bits(float32(v.clip / v.scale))
	for meets(limit) {
		limit--
	}
	for limit < infinite && !meets(limit+1) {
		limit++
	}
	n := 0
	for i, x := range v.change {
		magnitude := math.Float32bits(x) &^ (1 << 31)
		if magnitude <= limit && magnitude < infinite {
			continue
		}
		if magnitude >= infinite {
			return 0, fmt.Errorf("change %d is %v: %w", i, x, fixedpoint.ErrNotFinite)
		}
		n++
	}
	return n, nil
}

// infinite is the exponent of float32's NaN and infinities.
const infinite = 0xff << 23

// checkOwn holds a contribution of a hospital with so many training records against the gates
// that its group's sum must pass, before anything of it is encrypted.
func checkOwn(p federation.Plan, h federation.Header, rows int, c contribution) error {
	if have := c.count(); have != h.Format.Count() {
		return fmt.Errorf("%d values, the header has %d: %w", have, h.Format.Count(), federation.ErrHeader)
	}
	return opening.CheckOwn(p, h, p.Band(h.Kind, rows), c.read)
}
