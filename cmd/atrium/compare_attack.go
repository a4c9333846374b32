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

// arm has attackers send what their attack says.
func (c contender) arm(r *client.Rehearsal) {
	g := &gang{against: map[uint64][]int64{}}
	makeUp := map[string]func(client.Situation) []int64{attackSign: signFlip, attackBlind: g.blind, attackInformed: g.informed}[c.attack]
	if makeUp == nil {
		return
	}
	for i, group := range r.Charter.Groups {
		for _, id := range group {
			h := r.Hospital(id)
			if !slices.Contains(c.attackers, h.Name) {
				continue
			}
			h.Hostile = makeUp
			g.groups = append(g.groups, i)
			if c.attack != attackSign { // the first sends for all of its group
				break
			}
		}
	}
}

// gang is attackers that work together: they push the means of their groups to one place.
type gang struct {
	groups  []int              // in which they are, one each
	against map[uint64][]int64 // by round: the change that they all go against
}

// aim is the change that the first of them has in a round, for all of them.
func (g *gang) aim(round uint64, change []int64) []int64 {
	if g.against[round] == nil {
		clear(g.against)
		g.against[round] = slices.Clone(change)
	}
	return g.against[round]
}

// signFlip is the opposite of the own change.
func signFlip(s client.Situation) []int64 {
	v := vectorsOf(s)
	for i := range v.tail {
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
func (g *gang) blind(s client.Situation) []int64 {
	v, p := vectorsOf(s), s.Plan.Privacy
	others := s.Hospitals - 1
	weight := int64(p.MostWeight())
	if p.Weight == federation.WeightRecords {
		weight = max(weight, int64(s.Hospitals*p.WeightCap)-int64(others)*min(int64(p.WeightCap), guess*s.Own[v.tail]))
	}
	own := v.changes(s.Own, 1)
	alone := v.bound(s, weight, 1)
	together := v.bound(s, weight+int64(others*p.LeastWeight()), s.Hospitals) - guess*largest(own)*float64(others)
	for i, c := range g.aim(s.Header.Round, own) {
		s.Own[i] = v.zero + against(c, max(alone, together))
	}
	return v.weigh(s, weight)
}

// informed knows what every group summed to in the round before, too. It makes the weight the
// greatest that the gate allows, and the mean of its group the opposite of the others', at the
// clip but for as far as the others of its group can have moved since; or, where the rule looks
// for groups that lie apart, as far from the mean of the others as they lie from one another.
func (g *gang) informed(s client.Situation) []int64 {
	if s.Before == nil {
		return g.blind(s)
	}
	v, p := vectorsOf(s), s.Plan.Privacy
	weight := int64(p.MostWeight())
	if p.Weight == federation.WeightRecords {
		weight = int64(s.Hospitals*p.WeightCap) - s.Before[v.tail]
	}
	theirs := v.changes(s.Before, s.Hospitals-1)
	total := weight + s.Before[v.tail]
	room := max(v.bound(s, weight, 1), v.bound(s, total, s.Hospitals)-2*largest(theirs))
	mean, spread := g.honest(s, v)
	hide := 2*len(g.groups) < len(s.Groups) && slices.Contains([]string{federation.Krum, federation.GeometricMedian}, s.Plan.Aggregation.Rule)
	for i := range v.tail {
		target := float64(against(int64(mean[i]*1e9), room))
		if hide {
			target = float64(total) * (mean[i] - math.Copysign(spread[i], mean[i]))
		}
		s.Own[i] = v.zero + int64(max(-room, min(room, target))) - theirs[i]
	}
	return v.weigh(s, weight)
}

// honest is the mean of the honest groups' mean changes in the round before, and how far they
// lie from it; of the own group's others where no other is honest. Both are in steps of weight 1.
func (g *gang) honest(s client.Situation, v vectors) (mean, spread []float64) {
	var points [][]float64
	add := func(sums []int64, hospitals int) {
		point := make([]float64, v.tail)
		for i, c := range v.changes(sums, hospitals) {
			point[i] = float64(c) / float64(sums[v.tail])
		}
		points = append(points, point)
	}
	for i, sums := range s.Groups {
		if sums != nil && !slices.Contains(g.groups, i) {
			add(sums, s.Sizes[i])
		}
	}
	if len(points) == 0 {
		add(s.Before, s.Hospitals-1)
	}
	mean, spread = make([]float64, v.tail), make([]float64, v.tail)
	for i := range mean {
		for _, p := range points {
			mean[i] += p[i] / float64(len(points))
		}
		for _, p := range points {
			spread[i] += math.Pow(p[i]-mean[i], 2) / float64(len(points))
		}
		spread[i] = math.Sqrt(spread[i])
	}
	return mean, spread
}

func largest(changes []int64) (most float64) {
	for _, c := range changes {
		most = max(most, math.Abs(float64(c)))
	}
	return most
}

// against is so far to the other side of a change.
func against(change int64, far float64) int64 {
	if change < 0 {
		return int64(far)
	}
	return -int64(far)
}

// vectors are where the changes of a train round's fields are: from 0 to tail.
type vectors struct {
	zero int64 // the field of no change
	tail int   // where the weight is
}

func vectorsOf(s client.Situation) vectors {
	return vectors{int64(s.Header.Format.Segments[0].Zero(s.Header.Format.Bits)), s.Plan.TrainTail()}
}

// changes are the changes in sums of so many hospitals, in steps from 0.
func (v vectors) changes(sums []int64, hospitals int) []int64 {
	out := make([]int64, v.tail)
	for i := range out {
		out[i] = sums[i] - v.zero*int64(hospitals)
	}
	return out
}

// bound is what a sum of that weight can reach, without the room for roundings.
func (v vectors) bound(s client.Situation, weight int64, hospitals int) float64 {
	return opening.MeanBound(s.Plan, s.Header.Format.Bits, float64(weight), hospitals) - float64(hospitals)
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
