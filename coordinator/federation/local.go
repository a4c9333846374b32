package federation

import (
	"fmt"
	"math"
)

// Optimisers of local training. Each round starts a fresh one: no hospital keeps
// moments from one round to the next.
const (
	SGD   = "sgd"   // with momentum above 0: v ← momentum·v + g, step rate·v
	Adam  = "adam"  // Kingma and Ba, "Adam" (2015)
	AdamW = "adamw" // Adam with decay apart from the gradient: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019)
)

// Learning-rate schedules over rounds.
const (
	Constant = "constant"
	Step     = "step"   // times factor after every so many rounds
	Cosine   = "cosine" // down half a cosine, to final times the rate behind the plan's last round
)

// Local is how a hospital trains in one round. Keys that the optimiser does not have
// are 0.
type Local struct {
	Optimiser    string      `json:"optimiser"` // SGD, Adam or AdamW
	LearningRate float64     `json:"learning_rate"`
	Steps        int         `json:"steps"` // steps of one round; 0 when Epochs is given
	Epochs       int         `json:"epochs"`
	Batch        int         `json:"batch"`                   // 0: all records in one batch
	ProxMu       float64     `json:"prox_mu"`                 // FedProx's μ; 0: none
	Momentum     float64     `json:"momentum,omitempty"`      // sgd
	Beta1        float64     `json:"beta1,omitempty"`         // adam, adamw: decay of the mean of gradients
	Beta2        float64     `json:"beta2,omitempty"`         // and of their squares
	Epsilon      float64     `json:"epsilon,omitempty"`       // added to the root of the latter
	WeightDecay  float64     `json:"weight_decay,omitempty"`  // adamw: share of a parameter that a step of rate 1 takes away
	Rate         Rate        `json:"rate,omitzero"`           // LearningRate over rounds; zero: constant
	ClassWeights []float64   `json:"class_weights,omitempty"` // times the loss of a record, by its label, or of several labels of those that are 1; none: 1
	EarlyStop    EarlyStop   `json:"early_stop,omitzero"`     // zero: every epoch is trained
	PartialWork  PartialWork `json:"partial_work,omitzero"`   // zero: all of a round's steps
	Trained      []string    `json:"trained,omitempty"`       // patterns, * and ?, of the tensors that are trained; none: all
	FineTune     int         `json:"fine_tune,omitempty"`     // steps on a hospital's own records after the plan's last version, for itself alone
}

// Rate is how the learning rate goes down over rounds.
type Rate struct {
	Schedule string  `json:"schedule,omitempty"` // Constant, Step or Cosine; "" is Constant
	Every    int     `json:"every,omitempty"`    // Step: rounds
	Factor   float64 `json:"factor,omitempty"`   // Step
	Final    float64 `json:"final,omitempty"`    // Cosine: share of the rate behind the last round
}

// EarlyStop holds records of a hospital back and ends its round when the loss on them
// does not fall; the parameters with the least such loss are the round's.
type EarlyStop struct {
	Share    float64 `json:"share,omitempty"`    // of the records, at least one; the same in every round
	Patience int     `json:"patience,omitempty"` // epochs without a smaller loss
}

// On reports whether records are held back.
func (e EarlyStop) On() bool { return e.Share > 0 }

// At is the rate after so many train rounds since the statistics, relative to the plan's
// learning rate; rounds are the plan's. A model that was trained under an earlier plan goes
// on where it is; cosine starts anew behind rounds.
func (r Rate) At(steps uint64, rounds int) float64 {
	done := float64(steps)
	switch r.Schedule {
	case Step:
		return math.Pow(r.Factor, math.Floor(done/float64(r.Every)))
	case Cosine:
		share := math.Mod(done, float64(rounds)) / float64(rounds)
		return r.Final + (1-r.Final)*(1+math.Cos(math.Pi*share))/2
	}
	return 1
}

// LocalAt is how a hospital trains in the train round on a base that went through so many.
func (p Plan) LocalAt(steps uint64) Local {
	l := p.Local
	if l.Rate.Schedule == Step || l.Rate.Schedule == Cosine {
		l.LearningRate *= l.Rate.At(steps, p.Schedule.Rounds)
	}
	return l
}

// StepsOf is how many steps of one round n records make, if nothing stops it early.
func (l Local) StepsOf(n int) int {
	if l.Steps > 0 {
		return l.Steps
	}
	if l.Batch == 0 || n <= l.Batch {
		return l.Epochs
	}
	return l.Epochs * ((n + l.Batch - 1) / l.Batch)
}

func (l Local) validate() error {
	switch {
	case l.Optimiser != SGD && l.Optimiser != Adam && l.Optimiser != AdamW:
		return bad("local.optimiser", "%q: want %s, %s or %s", l.Optimiser, SGD, Adam, AdamW)
	case !(l.LearningRate > 0) || l.LearningRate > 1000:
		return bad("local.learning_rate", "%v: want more than 0 and at most 1000", l.LearningRate)
	case (l.Steps > 0) == (l.Epochs > 0) || l.Steps < 0 || l.Epochs < 0:
		return bad("local.steps", "%d steps and %d epochs: want exactly one of them, above 0", l.Steps, l.Epochs)
	case l.Steps > MaxLocalSteps || l.Epochs > MaxLocalSteps:
		return bad("local.steps", "more than %d steps or epochs", MaxLocalSteps)
	case l.Batch < 0 || l.Batch > 1<<20:
		return bad("local.batch", "%d: want 0 (all records) to %d", l.Batch, 1<<20)
	case l.FineTune < 0 || l.FineTune > MaxLocalSteps:
		return bad("local.fine_tune", "%d: want 0 to %d steps", l.FineTune, MaxLocalSteps)
	case !(l.ProxMu >= 0) || l.ProxMu > 1000:
		return bad("local.prox_mu", "%v: want 0 to 1000", l.ProxMu)
	}
	if err := l.validateOptimiser(); err != nil {
		return err
	}
	if err := l.Rate.validate(); err != nil {
		return err
	}
	return l.validateEarlyStop()
}

// OptimiserKeys lists the keys of local that an optimiser has and others do not.
func OptimiserKeys(optimiser string) []string {
	switch optimiser {
	case SGD:
		return []string{"momentum"}
	case Adam:
		return []string{"beta1", "beta2", "epsilon"}
	case AdamW:
		return []string{"beta1", "beta2", "epsilon", "weight_decay"}
	}
	return nil
}

func (l Local) validateOptimiser() error {
	share := func(x float64) bool { return x >= 0 && x < 1 }
	return checkKeys("local.", "optimiser "+l.Optimiser, OptimiserKeys(l.Optimiser), []keyRule{
		{"momentum", l.Momentum, share(l.Momentum), "0 or more, and less than 1"},
		{"beta1", l.Beta1, share(l.Beta1), "0 or more, and less than 1"},
		{"beta2", l.Beta2, share(l.Beta2), "0 or more, and less than 1"},
		{"epsilon", l.Epsilon, l.Epsilon >= 1e-12 && l.Epsilon <= 1, "1e-12 to 1"},
		{"weight_decay", l.WeightDecay, l.WeightDecay >= 0 && l.WeightDecay <= 1 && l.LearningRate*l.WeightDecay < 1, "0 to 1, and times the rate less than 1"},
	})
}

// RateKeys lists the keys of local.rate that a schedule has besides its name.
func RateKeys(schedule string) (keys []string, ok bool) {
	switch schedule {
	case "", Constant:
		return nil, true
	case Step:
		return []string{"every", "factor"}, true
	case Cosine:
		return []string{"final"}, true
	}
	return nil, false
}

func (r Rate) validate() error {
	keys, ok := RateKeys(r.Schedule)
	if !ok {
		return bad("local.rate.schedule", "%q: want %s, %s or %s", r.Schedule, Constant, Step, Cosine)
	}
	return checkKeys("local.rate.", "schedule "+r.Schedule, keys, []keyRule{
		{"every", float64(r.Every), r.Every >= 1 && r.Every <= MaxRounds, fmt.Sprintf("1 to %d rounds", MaxRounds)},
		{"factor", r.Factor, r.Factor > 0 && r.Factor <= 1, "more than 0 and at most 1"},
		{"final", r.Final, r.Final >= 0 && r.Final <= 1, "0 to 1"},
	})
}

func (l Local) validateEarlyStop() error {
	e := l.EarlyStop
	switch {
	case e == EarlyStop{}:
		return nil
	case !(e.Share > 0 && e.Share <= 0.5):
		return bad("local.early_stop.share", "%v: want more than 0 and at most 0.5", e.Share)
	case e.Patience < 1 || e.Patience > MaxLocalSteps:
		return bad("local.early_stop.patience", "%d: want 1 to %d epochs", e.Patience, MaxLocalSteps)
	case l.Epochs == 0:
		return bad("local.early_stop", "the loss is looked at after each epoch: want epochs instead of steps")
	}
	return nil
}

// validateClasses checks the weights of the classes that the model tells apart, or of its
// labels.
func (l Local) validateClasses(m Model) error {
	classes := m.Labels()
	if m.Several > 0 {
		classes = m.Several
	}
	if n := len(l.ClassWeights); n != 0 && n != classes {
		return bad("local.class_weights", "%d weights: want one for each of %d labels", n, classes)
	}
	for i, w := range l.ClassWeights {
		if !(w > 0) || w > 1000 {
			return bad(fmt.Sprintf("local.class_weights[%d]", i), "%v: want more than 0 and at most 1000", w)
		}
	}
	return nil
}

// keyRule is a key that only some kinds of its section have.
type keyRule struct {
	name  string
	value float64
	ok    bool
	want  string
}

// checkKeys refuses bad values of the keys that a kind has, and any value of others.
func checkKeys(section, kind string, keys []string, rules []keyRule) error {
	for _, k := range rules {
		has := false
		for _, key := range keys {
			has = has || key == k.name
		}
		switch {
		case has && !k.ok:
			return bad(section+k.name, "%v: want %s", k.value, k.want)
		case !has && k.value != 0:
			return bad(section+k.name, "%s has no such key", kind)
		}
	}
	return nil
}
