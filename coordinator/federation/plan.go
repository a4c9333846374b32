package federation

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"atrium/aggregation/fixedpoint"
)

// Plan is what a federation trains and how: data, never code. Its digest names it.
type Plan struct {
	V           int         `json:"v"`    // 1
	Name        string      `json:"name"` // [a-z0-9-]
	Model       Model       `json:"model"`
	Features    []Feature   `json:"features"` // in the order of the model's inputs
	Label       Label       `json:"label"`
	Local       Local       `json:"local"`
	Aggregation Aggregation `json:"aggregation"`
	Privacy     Privacy     `json:"privacy"`
	Schedule    Schedule    `json:"schedule"`
	Start       Start       `json:"start,omitzero"` // zero: it goes on from the newest version
}

// Missing-value policies.
const (
	MissingMean   = "mean"   // replaced by the federation's mean of the feature
	MissingReject = "reject" // a record without it is not eligible
)

// Feature is one column of the schema contract.
type Feature struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit,omitempty"`
	Min     float64 `json:"min"`            // plausible range, closed; also the scale of
	Max     float64 `json:"max"`            // the encrypted sums of the statistics round
	Missing string  `json:"missing"`        // MissingMean or MissingReject
	Note    string  `json:"note,omitempty"` // what a data team must know, such as "0 is 'not measured' and used as it is"
}

// Label is the outcome column: 0 or 1, or one of the model's classes.
type Label struct {
	Name    string   `json:"name"`
	Note    string   `json:"note,omitempty"`
	Columns []string `json:"columns,omitempty"` // of a model of several labels: one each, 0 or 1
}

// Names lists the columns of the outcome.
func (l Label) Names() []string {
	if len(l.Columns) == 0 {
		return []string{l.Name}
	}
	return l.Columns
}

// Privacy fixes what leaves a hospital and in which precision.
type Privacy struct {
	Bits       int     `json:"bits"`                 // 8, 16, 24 or 32 bits a value
	Clip       float64 `json:"clip"`                 // bound on the magnitude of each coordinate of a model delta
	ClipLeast  float64 `json:"clip_least,omitempty"` // above 0: the clip follows the last aggregate, from here to Clip
	Weight     string  `json:"weight,omitempty"`     // WeightRecords, WeightBands or WeightEqual
	WeightCap  int     `json:"weight_cap"`           // records that count at most for one hospital
	MinRecords int     `json:"min_records"`          // a hospital with fewer eligible records declines
}

// Schedule is how many rounds there are and how long a phase may take.
type Schedule struct {
	Rounds        int `json:"rounds"`         // train rounds
	EvaluateEvery int `json:"evaluate_every"` // evaluate after round 1, every n-th and the last; 0: never
	GatherSeconds int `json:"gather_seconds"` // deadline of Gathering once enough hospitals could have joined
	UpdateSeconds int `json:"update_seconds"` // deadline of Collecting
	OpenSeconds   int `json:"open_seconds"`   // deadline of each half of Opening
	GraceSeconds  int `json:"grace_seconds"`  // how long a phase waits for a hospital whose connection is gone

	// PatienceSeconds is how long hospitals that decline may keep the plan waiting, where the
	// charter sums all of a group or none, before it counts as paused; 0: a day.
	PatienceSeconds int `json:"patience_seconds,omitempty"`

	Deadline Deadline `json:"deadline,omitzero"` // zero: UpdateSeconds
	Cohort   Cohort   `json:"cohort,omitzero"`   // zero: every hospital takes part in every round
	Stop     Stop     `json:"stop,omitzero"`     // zero: every round is trained
	Months   Months   `json:"months,omitzero"`   // zero: no month is evaluated
}

// Patience is how long hospitals that decline may keep the plan waiting.
func (s Schedule) Patience() time.Duration {
	if s.PatienceSeconds == 0 {
		return 24 * time.Hour
	}
	return time.Duration(s.PatienceSeconds) * time.Second
}

// Digest names the plan.
func (p Plan) Digest() Digest { return Sum(Encode(p)) }

// Continues reports why a model that was trained under the plan before cannot be trained
// on under p; nil when it can: model, features and label are the same.
func (p Plan) Continues(before Plan) error {
	if !p.Model.continues(before.Model) {
		return fmt.Errorf("model %s, was %s", Encode(p.Model), Encode(before.Model))
	}
	same := func(a, b Feature) bool { return a.Name == b.Name }
	if !slices.EqualFunc(before.Features, p.Features, same) {
		return errors.New("other features, or another order")
	}
	if !bytes.Equal(Encode(p.Tensors()), Encode(before.Tensors())) {
		return errors.New("other tensors are in its versions (local.trained)")
	}
	if before.Label.Name != p.Label.Name {
		return fmt.Errorf("label %s, was %s", p.Label.Name, before.Label.Name)
	}
	if !slices.Equal(before.Label.Columns, p.Label.Columns) {
		return fmt.Errorf("labels %q, were %q", p.Label.Columns, before.Label.Columns)
	}
	return nil
}

// DecodePlan reads canonical bytes and validates them.
func DecodePlan(b []byte) (Plan, error) {
	p, err := Decode[Plan](b, MaxPlanBytes)
	if err != nil {
		return Plan{}, err
	}
	return p, p.Validate()
}

// Arrays reports whether a record is an array instead of a row of features.
func (p Plan) Arrays() bool { return len(p.Model.Input.Shape) > 0 }

// Inputs is how many numbers of a record the model sees.
func (p Plan) Inputs() int {
	if !p.Arrays() {
		return len(p.Features)
	}
	n := 1
	for _, d := range p.Model.Input.Shape {
		n *= d
	}
	return n
}

// PlanError names the key of a plan that is wrong, in the dotted form of the plan file.
type PlanError struct {
	Key    string // such as "features[3].min"
	Reason string
}

func (e *PlanError) Error() string { return e.Key + ": " + e.Reason }

func bad(key, format string, args ...any) error {
	return &PlanError{Key: key, Reason: fmt.Sprintf(format, args...)}
}

// Validate checks every bound of a plan; each error is a *PlanError.
func (p Plan) Validate() error {
	if p.V != 1 {
		return bad("v", "plan format %d: this program reads 1", p.V)
	}
	if !validName(p.Name) {
		return bad("name", "%q: want 1 to %d of a-z, 0-9 and -", p.Name, MaxName)
	}
	return errors.Join(p.Model.Validate(p.Inputs()), p.validateFeatures(), p.validateLabel(), p.Local.validate(), p.Local.validateClasses(p.Model), p.Aggregation.validate(),
		p.Privacy.validate(), p.Schedule.validate(), p.Start.validate(), p.validateRule(), p.validatePartial(), p.validateTensors(), p.validateMonths())
}

func (p Plan) validateFeatures() error {
	if len(p.Features) == 0 || len(p.Features) > MaxFeatures {
		return bad("features", "%d features: want 1 to %d", len(p.Features), MaxFeatures)
	}
	if p.Arrays() && len(p.Features) != 1 {
		return bad("features", "%d features: want 1, the quantity of which a record is an array (model.input)", len(p.Features))
	}
	if p.Arrays() && p.Features[0].Missing != MissingReject {
		return bad("features[0].missing", "%q: an array has no missing values, want %s", p.Features[0].Missing, MissingReject)
	}
	seen := map[string]bool{}
	for _, name := range p.Label.Names() {
		seen[name] = true
	}
	for i, f := range p.Features {
		key := fmt.Sprintf("features[%d]", i)
		switch {
		case !validColumn(f.Name):
			return bad(key+".name", "%q: want 1 to %d printable characters without / or \"", f.Name, MaxName)
		case seen[f.Name]:
			return bad(key+".name", "%q appears twice", f.Name)
		case !finite(f.Min) || !finite(f.Max) || !finite(f.Max-f.Min) || f.Min >= f.Max:
			return bad(key+".max", "range %v to %v of %s: want min < max, both finite", f.Min, f.Max, f.Name)
		case f.Missing != MissingMean && f.Missing != MissingReject:
			return bad(key+".missing", "%q: want %s or %s", f.Missing, MissingMean, MissingReject)
		}
		seen[f.Name] = true
	}
	return nil
}

func (p Plan) validateLabel() error {
	if !validColumn(p.Label.Name) {
		return bad("label.name", "%q: want 1 to %d printable characters without / or \"", p.Label.Name, MaxName)
	}
	if n := len(p.Label.Columns); n != p.Model.Several {
		return bad("label.columns", "%d columns for %d labels (model.labels)", n, p.Model.Several)
	}
	for i, name := range p.Label.Columns {
		key := fmt.Sprintf("label.columns[%d]", i)
		switch {
		case !validColumn(name):
			return bad(key, "%q: want 1 to %d printable characters without / or \"", name, MaxName)
		case slices.Contains(p.Label.Columns[:i], name):
			return bad(key, "%q appears twice", name)
		}
	}
	return nil
}

func (p Privacy) validate() error {
	switch {
	case p.Bits != 8 && p.Bits != 16 && p.Bits != 24 && p.Bits != 32:
		return bad("privacy.bits", "%d: want 8, 16, 24 or 32", p.Bits)
	case !(p.Clip >= fixedpoint.MinClip) || p.Clip > 1e6:
		return bad("privacy.clip", "%v: want %v to 1e6", p.Clip, fixedpoint.MinClip)
	case p.ClipLeast != 0 && !(p.ClipLeast >= fixedpoint.MinClip && p.ClipLeast <= p.Clip):
		return bad("privacy.clip_least", "%v: want %v to the greatest clip (%v)", p.ClipLeast, fixedpoint.MinClip, p.Clip)
	case p.Weight != WeightRecords && p.Weight != WeightBands && p.Weight != WeightEqual:
		return bad("privacy.weight", "%q: want records, %s or %s", p.Weight, WeightBands, WeightEqual)
	case p.WeightCap < 1 || p.WeightCap > p.maxWeight():
		return bad("privacy.weight_cap", "%d: want 1 to %d with %d bits", p.WeightCap, p.maxWeight(), p.Bits)
	case p.MinRecords < 1 || p.MinRecords > p.WeightCap:
		return bad("privacy.min_records", "%d: want 1 to weight_cap (%d)", p.MinRecords, p.WeightCap)
	}
	return nil
}

// AutoClip reports whether each tensor's clip follows the last aggregate.
func (p Privacy) AutoClip() bool { return p.ClipLeast > 0 }

func (p Privacy) maxWeight() int { return min(1<<p.Bits-1, 1<<20) }

func (s Schedule) validate() error {
	if s.Rounds < 1 || s.Rounds > MaxRounds {
		return bad("schedule.rounds", "%d: want 1 to %d", s.Rounds, MaxRounds)
	}
	if s.EvaluateEvery < 0 || s.EvaluateEvery > MaxRounds {
		return bad("schedule.evaluate_every", "%d: want 0 to %d", s.EvaluateEvery, MaxRounds)
	}
	for _, d := range []struct {
		key     string
		seconds int
	}{{"gather", s.GatherSeconds}, {"update", s.UpdateSeconds}, {"open", s.OpenSeconds}, {"grace", s.GraceSeconds}} {
		if d.seconds < 1 || d.seconds > MaxDeadlineSecond {
			return bad("schedule."+d.key+"_seconds", "%d: want 1 to %d", d.seconds, MaxDeadlineSecond)
		}
	}
	if s.PatienceSeconds < 0 || s.PatienceSeconds > MaxPatience {
		return bad("schedule.patience_seconds", "%d: want 0 (a day) to %d", s.PatienceSeconds, MaxPatience)
	}
	return errors.Join(s.Deadline.validate(s.UpdateSeconds), s.Cohort.validate(), s.Stop.validate(s.EvaluateEvery))
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
