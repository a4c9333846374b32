package opening

import (
	"fmt"

	"atrium/aggregation"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// stepFields is how many fields are converted at a time.
const stepFields = 4096

// run is a run of coordinates that the rule steps at once.
type run struct {
	from   int       // its first field in the vector of the round
	params []float32 // stepped in place, as is state
	state  [][]float32
	change []float64 // memory for the change of params
}

// rule advances one run after the other; whoever makes it has read what it needs of the
// whole vector.
type rule func(r run) error

// newRule prepares the plan's rule for an opened sum, and notes in the result what it
// found out.
func newRule(r Round, sum Sum, out *TrainResult) (rule, error) {
	p, a := r.Plan, r.Plan.Aggregation
	tail := make([]float64, 1+len(p.Shared()))
	if err := sum.Values(tail, p.TrainTail()); err != nil {
		return nil, err
	}
	out.Weight = tail[0]
	for i, t := range p.Shared() {
		if n := tail[1+i]; n > 0 {
			out.Saturated += n
			out.Clipped = append(out.Clipped, Clipped{t.Name, n})
		}
	}
	s := opened{p, sum}
	switch a.Rule {
	case federation.FedAvg:
		return func(r run) error { return s.average(r, out.Weight, a.LearningRate) }, nil
	case federation.FedAvgM:
		m := aggregation.FedAvgM{LearningRate: a.LearningRate, Momentum: a.Momentum}
		return s.mean(out.Weight, func(r run) error { return m.Step(r.params, r.state[0], r.change) }), nil
	case federation.FedAdagrad, federation.FedYogi, federation.FedAdam:
		m := a.Adaptive()
		return s.mean(out.Weight, func(r run) error { return m.Step(r.params, r.state[0], r.state[1], r.change) }), nil
	case federation.FedNova:
		return s.nova(out)
	case federation.Scaffold:
		return s.scaffold(out.Weight, float64(float64(sum.Submitters)/float64(len(r.Charter.Members)))), nil
	case federation.TrimmedMean, federation.Median, federation.GeometricMedian, federation.Krum:
		return s.robust(out)
	}
	return nil, fmt.Errorf("rule %q is unknown", a.Rule)
}

// opened reads an opened sum as a plan means it.
type opened struct {
	plan federation.Plan
	sum  Sum
}

// scaled reads sums of changes: hospitals scale by their weight over the greatest one, so
// that the clip holds for the product.
func (s opened) scaled(dst []float64, from int) error {
	err := s.sum.Values(dst, from)
	for i, v := range dst {
		dst[i] = float64(v * float64(s.plan.Privacy.MostWeight()))
	}
	return err
}

func (s opened) average(r run, weight, rate float64) error {
	if err := s.scaled(r.change, r.from); err != nil {
		return err
	}
	return aggregation.FedAvgInPlace(r.params, r.change, weight, rate)
}

// mean hands the weighted mean change to a step.
func (s opened) mean(weight float64, step rule) rule {
	return func(r run) error {
		if err := s.scaled(r.change, r.from); err != nil {
			return err
		}
		if err := aggregation.Mean(r.change, weight); err != nil {
			return err
		}
		return step(r)
	}
}

// nova steps by τ times the mean of changes divided by their own effort; hospitals send
// that quotient times the effort of a full round.
func (s opened) nova(out *TrainResult) (rule, error) {
	bits := s.plan.Privacy.Bits
	digits := make([]float64, aggregation.EffortDigits(bits))
	if err := s.sum.Values(digits, s.plan.TrainTail()+1+len(s.plan.Shared())); err != nil {
		return nil, err
	}
	var err error
	if out.Effort, err = aggregation.MeanEffort(digits, out.Weight, bits); err != nil {
		return nil, err
	}
	full := s.plan.FullEffort(s.plan.Privacy.WeightCap)
	rate := float64(s.plan.Aggregation.LearningRate * float64(out.Effort/full))
	return func(r run) error { return s.average(r, out.Weight, rate) }, nil
}

// scaffold steps the parameters as FedAvg does and the control variate by what follows
// them in the vector.
func (s opened) scaffold(weight, share float64) rule {
	second, scale := s.plan.SharedCount(), s.plan.ControlScale()
	return func(r run) error {
		if err := s.average(r, weight, s.plan.Aggregation.LearningRate); err != nil {
			return err
		}
		if err := s.scaled(r.change, second+r.from); err != nil {
			return err
		}
		for i, v := range r.change {
			r.change[i] = float64(v / scale)
		}
		return aggregation.Control(r.state[0], r.change, weight, share)
	}
}

// train applies the rule in place, a few thousand parameters at a time: the vector of a
// large model exists once as integers (once a group where groups are kept apart) and once
// as float32.
func (o *Outcome) train(r Round, sum Sum, base models.Snapshot) error {
	if r.Header.Restarts() { // what a rule keeps belongs to the versions that are left behind
		base = base.Afresh()
	}
	next, err := models.Refit(r.Plan, base)
	if err != nil {
		return err
	}
	o.Result.Train = &TrainResult{}
	step, err := newRule(r, sum, o.Result.Train)
	if err != nil {
		return err
	}
	clips, err := models.Clips(r.Plan, base)
	if err != nil {
		return err
	}
	from, change := 0, make([]float64, stepFields)
	for i, t := range r.Plan.Shared() {
		params, state := kept(next, t)
		for at := 0; at < len(params); at += stepFields {
			to := min(at+stepFields, len(params))
			part := run{from: from + at, params: params[at:to], change: change[:to-at]}
			for _, s := range state {
				part.state = append(part.state, s[at:to])
			}
			if err := step(part); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		if clips != nil {
			if clips[i], err = nextClip(opened{r.Plan, sum}, clips[i], t, from, change, *o.Result.Train); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		from += len(params)
	}
	if clips != nil {
		next.SetClips(r.Plan, clips)
	}
	if r.Plan.Aggregation.KeepsState() {
		if err := next.Count(r.Plan, r.Header.Round, summed(r, sum)); err != nil {
			return err
		}
	}
	return o.keep(next, next.Validate())
}

// kept returns a tensor's parameters and what the rule keeps beside them.
func kept(s models.Snapshot, t federation.Tensor) (params []float32, state [][]float32) {
	for _, role := range []string{models.StateMomentum, models.StateFirst, models.StateSecond, models.StateControl} {
		if have, ok := s.Tensor(models.OptimiserFolder + role + "/" + t.Name); ok {
			state = append(state, have.F32)
		}
	}
	have, _ := s.Tensor(models.ModelFolder + t.Name)
	return have.F32, state
}

// summed lists the hospitals of the groups that held.
func summed(r Round, sum Sum) []federation.HospitalID {
	var list []federation.HospitalID
	for g, result := range sum.Groups {
		if result.Submitters == 0 {
			continue
		}
		for _, member := range r.Candidate.Groups[g] {
			list = append(list, member.Hospital)
		}
	}
	return list
}
