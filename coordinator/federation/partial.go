package federation

import (
	"math"
	"time"
)

// PartialWork lets a hospital take fewer steps of a train round than the plan says, so
// that its update is there before the deadline. How many it took is told, if the rule asks
// for it, under encryption. The zero PartialWork is all or nothing.
type PartialWork struct {
	Least float64 `json:"least,omitempty"` // share of a round's steps; a hospital that cannot take so many declines
}

// On reports whether fewer steps are allowed.
func (p PartialWork) On() bool { return p.Least > 0 }

// budgetShare of the time for updates is trained in; the rest is for encryption and upload
// beside what they are known to take, and for a machine that is busier than it was.
const budgetShare = 0.8

// StepsWithin is how many steps of one round n records make in the time for updates, of
// which some is spent, if one step takes that long; ok is false if they are fewer than the
// plan's least. Without partial work it is all of them, whatever the time.
func (l Local) StepsWithin(n int, updates, spent, step time.Duration) (steps int, ok bool) {
	all := l.StepsOf(n)
	if !l.PartialWork.On() || step <= 0 {
		return all, true
	}
	budget := time.Duration(budgetShare*float64(updates)) - spent
	steps = int(min(max(budget/step, 0), time.Duration(all)))
	return steps, steps >= l.leastSteps(all)
}

// leastSteps is how many of so many steps a hospital must take.
func (l Local) leastSteps(all int) int {
	if !l.PartialWork.On() {
		return all
	}
	return max(1, int(math.Ceil(l.PartialWork.Least*float64(all)-1e-9)))
}

// InSteps is local training of so many steps instead of a whole round's.
func (l Local) InSteps(steps int) Local {
	l.Steps, l.Epochs, l.PartialWork = steps, 0, PartialWork{}
	return l
}

// validatePartial checks what partial work asks of the rest of a plan: a rule under which
// hospitals that take fewer steps neither pull the mean to the others nor count for less
// than their records.
func (p Plan) validatePartial() error {
	l, rule := p.Local, p.Aggregation.Rule
	switch {
	case l.PartialWork == PartialWork{}:
		return nil
	case !(l.PartialWork.Least > 0 && l.PartialWork.Least < 1):
		return bad("local.partial_work.least", "%v: want more than 0 and less than 1, a share of a round's steps", l.PartialWork.Least)
	case l.EarlyStop.On():
		return bad("local.partial_work", "early_stop counts epochs: want one of the two")
	case rule == Scaffold:
		return bad("local.partial_work", "rule %s wants every hospital's steps to follow from its records: want %s, or prox_mu above 0", rule, FedNova)
	case rule != FedNova && l.ProxMu == 0:
		return bad("local.partial_work", "with rule %s the model would follow those who take more steps: want %s, or prox_mu above 0", rule, FedNova)
	}
	return nil
}
