package main

import (
	"math"
	"slices"

	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
	"atrium/client"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
)

// Attacks of hospitals that do not want the model to become good.
const (
	attackSign     = "sign-flip"
	attackBlind    = "blind"
	attackInformed = "informed"
	attackLabels   = "label-flip"
)

var attacks = []string{attackSign, attackBlind, attackInformed, attackLabels}

// arm has attackers send what their attack says. Of those in one group the first sends for all:
// they need not undo what another of them does.
func (c contender) arm(r *client.Rehearsal) {
	makeUp := map[string]func(client.Situation) []int64{attackSign: signFlip, attackBlind: blind, attackInformed: informed}[c.attack]
	if makeUp == nil {
		return
	}
	for _, group := range r.Charter.Groups {
		for _, id := range group {
			if h := r.Hospital(id); slices.Contains(c.attackers, h.Name) {
				h.Hostile = makeUp
				if c.attack != attackSign {
					break
				}
			}
		}
	}
}

// signFlip is the opposite of the own change.
func signFlip(s client.Situation) []int64 {
	v := vectorsOf(s)
	for _, i := range v.indexes {
		s.Own[i] = 2*v.zero - s.Own[i]
	}
	return s.Own
}

// guess is how many times as much as the attacker itself the others are taken to change and
// to weigh, by one who does not know them.
const guess = 4

// blind knows the plan and its own data. It claims all the weight that the others leave if each
// has as much as guessed, and sends the greatest change that its group can have with it, against
// its own, but for what the others may send against it.
func blind(s client.Situation) []int64 {
	v, p := vectorsOf(s), s.Plan.Privacy
	others := s.Hospitals - 1
	weight := int64(p.MostWeight())
	if p.Weight == federation.WeightRecords {
		weight = max(weight, int64(s.Hospitals*p.WeightCap)-int64(others)*min(int64(p.WeightCap), guess*s.Own[v.tail]))
	}
	largest := 0.0
	for _, i := range v.indexes {
		largest = max(largest, math.Abs(float64(s.Own[i]-v.zero)))
	}
	alone := v.bound(s, weight, 1)
	together := v.bound(s, weight+int64(others*p.LeastWeight()), s.Hospitals) - guess*largest*float64(others)
	for _, i := range v.indexes {
		s.Own[i] = v.zero + v.against(s.Own[i]-v.zero, max(alone, together))
	}
	return v.weigh(s, weight)
}

// informed knows the sum of the others of its group in the round before too. It makes the
// weight the greatest that the gate allows, and the mean the opposite of theirs, at the clip but
// for as far as they can have moved since.
func informed(s client.Situation) []int64 {
	if s.Before == nil {
		return blind(s)
	}
	v, p := vectorsOf(s), s.Plan.Privacy
	weight := int64(p.MostWeight())
	if p.Weight == federation.WeightRecords {
		weight = int64(s.Hospitals*p.WeightCap) - s.Before[v.tail]
	}
	zero := v.zero * int64(s.Hospitals-1)
	largest := 0.0
	for _, i := range v.indexes {
		largest = max(largest, math.Abs(float64(s.Before[i]-zero)))
	}
	room := v.bound(s, weight+s.Before[v.tail], s.Hospitals) - 2*largest
	alone := v.bound(s, weight, 1)
	for _, i := range v.indexes {
		theirs := s.Before[i] - zero
		if room > alone {
			s.Own[i] = v.zero + v.against(theirs, room) - theirs
		} else {
			s.Own[i] = v.zero + v.against(theirs, alone)
		}
	}
	return v.weigh(s, weight)
}

// vectors are where the changes of a train round's fields are.
type vectors struct {
	indexes []int
	zero    int64 // the field of no change
	tail    int   // where the weight is
}

func vectorsOf(s client.Situation) (v vectors) {
	v.tail = s.Plan.TrainTail()
	v.zero = int64(s.Header.Format.Segments[0].Zero(s.Header.Format.Bits))
	for i := range v.tail {
		v.indexes = append(v.indexes, i)
	}
	return v
}

// bound is what a sum of that weight can reach, without the room for roundings.
func (v vectors) bound(s client.Situation, weight int64, hospitals int) float64 {
	return opening.MeanBound(s.Plan, s.Header.Format.Bits, float64(weight), hospitals) - float64(hospitals)
}

// against is so far to the other side.
func (v vectors) against(change int64, far float64) int64 {
	if change < 0 {
		return int64(far)
	}
	return -int64(far)
}

// weigh claims a weight, with the effort that goes with it, and that nothing met the clip.
func (v vectors) weigh(s client.Situation, weight int64) []int64 {
	own := s.Own[v.tail]
	s.Own[v.tail] = weight
	tensors := len(s.Plan.Shared())
	clear(s.Own[v.tail+1:][:tensors])
	if s.Plan.Aggregation.Rule != federation.FedNova {
		return s.Own
	}
	bits, effort := s.Header.Format.Bits, int64(0)
	digits := s.Own[v.tail+1+tensors:]
	for i := aggregation.EffortDigits(bits) - 1; i >= 0; i-- {
		effort = effort<<bits + digits[i]
	}
	effort = int64(float64(effort) / float64(own) * float64(weight))
	for i := range digits {
		digits[i] = effort & int64(fixedpoint.Max(bits))
		effort >>= bits
	}
	return s.Own
}
