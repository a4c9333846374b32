package federation

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestPlanRefusals(t *testing.T) {
	if err := testPlan().Validate(); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		key    string
		change func(*Plan)
	}{
		{"v", func(p *Plan) { p.V = 0 }},
		{"name", func(p *Plan) { p.Name = "-a" }},
		{"name", func(p *Plan) { p.Name = strings.Repeat("a", MaxName+1) }},
		{"model.kind", func(p *Plan) { p.Model.Kind = "tree" }},
		{"model.hidden", func(p *Plan) { p.Model.Kind = Logistic }},
		{"model.hidden", func(p *Plan) { p.Model.Hidden = nil }},
		{"model.hidden", func(p *Plan) { p.Model.Hidden = make([]int, MaxHiddenLayers+1) }},
		{"model.hidden[1]", func(p *Plan) { p.Model.Hidden[1] = 0 }},
		{"model.hidden[0]", func(p *Plan) { p.Model.Hidden[0] = MaxHiddenUnits + 1 }},
		{"model.layers", func(p *Plan) { p.Model.Layers = []Layer{{Kind: Dense, Units: 1}} }},
		{"model.input", func(p *Plan) { p.Model.Input.Shape = []int{2} }},
		{"model.classes", func(p *Plan) { p.Model.Classes = 2 }},
		{"model.labels", func(p *Plan) { p.Model.Several = 2 }},
		{"model.labels", func(p *Plan) { *p = severalPlan("u"); p.Model.Several = 1 }},
		{"model.labels", func(p *Plan) { *p = severalPlan("u", "v"); p.Model.Several = MaxLabels + 1 }},
		{"model.labels", func(p *Plan) { *p = severalPlan("u", "v"); p.Model.Classes = 2 }},
		{"label.columns", func(p *Plan) { *p = severalPlan("u", "v"); p.Model.Several = 3 }},
		{"label.columns", func(p *Plan) { p.Label.Columns = []string{"u"} }},
		{"label.columns[1]", func(p *Plan) { *p = severalPlan("u", "u") }},
		{"label.columns[0]", func(p *Plan) { *p = severalPlan("a/b", "u") }},
		{"features[0].name", func(p *Plan) { *p = severalPlan("u", "age") }},
		{"local.class_weights", func(p *Plan) { *p = severalPlan("u", "v", "w"); p.Local.ClassWeights = []float64{1, 1} }},
		{"model.hidden", func(p *Plan) { p.Model.Kind = Layers }},
		{"model.layers", func(p *Plan) { p.Model = Model{Kind: Layers, Layers: make([]Layer, MaxLayers+1)} }},
		{"model.layers[0].kind", func(p *Plan) { p.Model = listed(Layer{Kind: "lstm"}) }},
		{"model.layers[0].units", func(p *Plan) { p.Model = listed(Layer{Kind: Dense}) }},
		{"model.layers[0].units", func(p *Plan) { p.Model = listed(Layer{Kind: Conv, Filters: 1, Kernel: 1, Units: 2}) }},
		{"model.layers[0].filters", func(p *Plan) { p.Model = listed(Layer{Kind: Conv, Filters: MaxFilters + 1, Kernel: 1}) }},
		{"model.layers[0].kernel", func(p *Plan) { p.Model = listed(Layer{Kind: Conv, Filters: 1, Kernel: 3}) }},
		{"model.layers[1].size", func(p *Plan) { p.Model = listed(Layer{Kind: Pool, Size: 2}, Layer{Kind: Pool, Size: 2}) }},
		{"model.layers[1].groups", func(p *Plan) { p.Model = listed(Layer{Kind: Dense, Units: 4}, Layer{Kind: GroupNorm, Groups: 3}) }},
		{"model.layers[0].rate", func(p *Plan) { p.Model = listed(Layer{Kind: Dropout, Rate: math.NaN()}) }},
		{"model.layers[0].activation", func(p *Plan) { p.Model = listed(Layer{Kind: Dense, Units: 1, Activation: "tanh"}) }},
		{"model.layers[0].activation", func(p *Plan) { p.Model = listed(Layer{Kind: Dropout, Rate: 0.5, Activation: ReLU}) }},
		{"model.layers", func(p *Plan) {
			p.Model = listed(Layer{Kind: Dense, Units: 4096}, Layer{Kind: Dense, Units: 4096}, Layer{Kind: Dense, Units: 4096})
		}},
		{"model.classes", func(p *Plan) { p.Model = Model{Kind: Layers, Classes: 1} }},
		{"model.positive", func(p *Plan) { p.Model = Model{Kind: Layers, Classes: 3, Positive: 3} }},
		{"model.input.shape", func(p *Plan) { *p = arrayPlan(1, 2, 3, 4) }},
		{"model.input.shape", func(p *Plan) { *p = arrayPlan(MaxInputs, 2) }},
		{"model.input.shape", func(p *Plan) { *p = arrayPlan(-1) }},
		{"model.input.scaling", func(p *Plan) { *p = arrayPlan(8); p.Model.Input.Scaling = "" }},
		{"model.input.scaling", func(p *Plan) { p.Model = Model{Kind: Layers, Input: Input{Scaling: ScaleRecord}} }},
		{"features", func(p *Plan) { *p = arrayPlan(8); p.Features = testPlan().Features }},
		{"features[0].missing", func(p *Plan) { *p = arrayPlan(8); p.Features[0].Missing = MissingMean }},
		{"local.class_weights", func(p *Plan) {
			p.Model, p.Local.ClassWeights = Model{Kind: Layers, Classes: 3}, []float64{1, 1}
		}},
		{"model.tensors", func(p *Plan) { p.Model.Declared = []Declared{{Name: "a", Shape: []int{1}}} }},
		{"model.base", func(p *Plan) { p.Model.Base = strings.Repeat("0", 64) }},
		{"model.layers", func(p *Plan) { p.Model = Model{Kind: External, Layers: []Layer{{Kind: Dense, Units: 1}}} }},
		{"model.hidden", func(p *Plan) { p.Model.Kind = External }},
		{"model.tensors", func(p *Plan) { p.Model = Model{Kind: External} }},
		{"model.tensors", func(p *Plan) { p.Model = declared(make([]Declared, MaxDeclared+1)...) }},
		{"model.base", func(p *Plan) { p.Model = external(); p.Model.Base = strings.Repeat("A", 64) }},
		{"model.classes", func(p *Plan) { p.Model = external(); p.Model.Classes = 1 }},
		{"model.tensors[0].name", func(p *Plan) { p.Model = declared(Declared{Name: "a/b", Shape: []int{1}}) }},
		{"model.tensors[0].name", func(p *Plan) { p.Model = declared(Declared{Shape: []int{1}}) }},
		{"model.tensors[1].name", func(p *Plan) { p.Model = declared(external().Declared[0], external().Declared[0]) }},
		{"model.tensors[0].shape", func(p *Plan) { p.Model = declared(Declared{Name: "a"}) }},
		{"model.tensors[0].shape", func(p *Plan) { p.Model = declared(Declared{Name: "a", Shape: []int{2, 0}}) }},
		{"model.tensors[0].shape", func(p *Plan) { p.Model = declared(Declared{Name: "a", Shape: []int{1 << 35, 1 << 35}}) }},
		{"model.tensors[0].value", func(p *Plan) { p.Model = declared(Declared{Name: "a", Shape: []int{1}, Value: math.NaN()}) }},
		{"model.tensors[0].spread", func(p *Plan) { p.Model = declared(Declared{Name: "a", Shape: []int{1}, Spread: -1}) }},
		{"model.tensors", func(p *Plan) { p.Model = declared(Declared{Name: "a", Shape: []int{MaxParameters + 1}}) }},
		{"model.base", func(p *Plan) { p.Model, p.Local.Trained = external(), []string{"low.*"} }},
		{"local.trained", func(p *Plan) { p.Local.Trained = make([]string, MaxPatterns+1) }},
		{"local.trained[0]", func(p *Plan) { p.Local.Trained = []string{"[a"} }},
		{"local.trained[1]", func(p *Plan) { p.Local.Trained = []string{"layer1.*", "layer9.*"} }},
		{"aggregation.local_tensors[0]", func(p *Plan) {
			p.Local.Trained, p.Aggregation.LocalTensors = []string{"layer1.*"}, []string{"layer2.*"}
		}},
		{"aggregation.local_tensors", func(p *Plan) {
			p.Local.Trained, p.Aggregation.LocalTensors = []string{"layer1.*"}, []string{"layer1.*"}
		}},
		{"features", func(p *Plan) { p.Features = nil }},
		{"features", func(p *Plan) { p.Features = make([]Feature, MaxFeatures+1) }},
		{"label.name", func(p *Plan) { p.Label.Name = "a b" }},
		{"features[0].name", func(p *Plan) { p.Features[0].Name = "a/b" }},
		{"features[0].name", func(p *Plan) { p.Features[0].Name = "âge" }},
		{"features[1].name", func(p *Plan) { p.Features[1].Name = "age" }},
		{"features[1].name", func(p *Plan) { p.Features[1].Name = "disease" }},
		{"features[0].max", func(p *Plan) { p.Features[0].Max = 18 }},
		{"features[0].max", func(p *Plan) { p.Features[0].Max = math.Inf(1) }},
		{"features[0].max", func(p *Plan) { p.Features[0].Min = math.NaN() }},
		{"features[0].max", func(p *Plan) { p.Features[0].Min, p.Features[0].Max = -math.MaxFloat64, math.MaxFloat64 }},
		{"features[0].missing", func(p *Plan) { p.Features[0].Missing = "" }},
		{"local.optimiser", func(p *Plan) { p.Local.Optimiser = "lion" }},
		{"local.epsilon", func(p *Plan) { p.Local.Optimiser = Adam }},
		{"local.beta2", func(p *Plan) { p.Local.Optimiser, p.Local.Epsilon, p.Local.Beta2 = Adam, 1e-8, 1 }},
		{"local.weight_decay", func(p *Plan) { p.Local.Optimiser, p.Local.Epsilon, p.Local.WeightDecay = Adam, 1e-8, 0.1 }},
		{"local.weight_decay", func(p *Plan) {
			p.Local = Local{Optimiser: AdamW, LearningRate: 10, Steps: 1, Epsilon: 1e-8, WeightDecay: 0.1}
		}},
		{"local.momentum", func(p *Plan) { p.Local.Optimiser, p.Local.Epsilon, p.Local.Momentum = AdamW, 1e-8, 0.1 }},
		{"local.momentum", func(p *Plan) { p.Local.Momentum = math.NaN() }},
		{"local.beta1", func(p *Plan) { p.Local.Beta1 = 0.5 }},
		{"local.rate.schedule", func(p *Plan) { p.Local.Rate.Schedule = "linear" }},
		{"local.rate.every", func(p *Plan) { p.Local.Rate = Rate{Schedule: Step, Factor: 0.5} }},
		{"local.rate.factor", func(p *Plan) { p.Local.Rate = Rate{Schedule: Step, Every: 1} }},
		{"local.rate.final", func(p *Plan) { p.Local.Rate = Rate{Schedule: Cosine, Final: 2} }},
		{"local.rate.final", func(p *Plan) { p.Local.Rate = Rate{Final: 0.5} }},
		{"local.class_weights", func(p *Plan) { p.Local.ClassWeights = []float64{1} }},
		{"local.class_weights[1]", func(p *Plan) { p.Local.ClassWeights = []float64{1, math.NaN()} }},
		{"local.early_stop.share", func(p *Plan) { p.Local.EarlyStop.Patience = 1 }},
		{"local.early_stop.patience", func(p *Plan) { p.Local.EarlyStop.Share = 0.5 }},
		{"local.early_stop", func(p *Plan) { p.Local.EarlyStop = EarlyStop{0.2, 1} }},
		{"local.momentum", func(p *Plan) { p.Aggregation.Rule, p.Local.Momentum, p.Local.ProxMu = FedNova, 0.5, 0.1 }},
		{"local.optimiser", func(p *Plan) {
			p.Aggregation.Rule, p.Local.Optimiser, p.Local.Epsilon = FedNova, AdamW, 1e-8
		}},
		{"local.steps", func(p *Plan) {
			p.Aggregation.Rule, p.Local.Steps, p.Local.Epochs, p.Local.Batch, p.Local.ProxMu = FedNova, 0, MaxLocalSteps, 1, 1e-9
		}},
		{"local.steps", func(p *Plan) {
			p.Aggregation.Rule, p.Local.Steps, p.Local.Momentum = FedNova, MaxLocalSteps, 0.99999999
		}},
		{"local.optimiser", func(p *Plan) { p.Aggregation.Rule, p.Local.Optimiser, p.Local.Epsilon = Scaffold, Adam, 1e-8 }},
		{"local.rate.schedule", func(p *Plan) { p.Aggregation.Rule, p.Local.Rate = Scaffold, Rate{Schedule: Cosine} }},
		{"local.early_stop", func(p *Plan) {
			p.Aggregation.Rule = FedNova
			p.Local.Steps, p.Local.Epochs, p.Local.EarlyStop = 0, 1, EarlyStop{0.2, 1}
		}},
		{"local.learning_rate", func(p *Plan) { p.Local.LearningRate = 0 }},
		{"local.learning_rate", func(p *Plan) { p.Local.LearningRate = math.NaN() }},
		{"local.steps", func(p *Plan) { p.Local.Steps = 0 }},
		{"local.steps", func(p *Plan) { p.Local.Epochs = 1 }},
		{"local.steps", func(p *Plan) { p.Local.Steps = -1 }},
		{"local.steps", func(p *Plan) { p.Local.Steps = MaxLocalSteps + 1 }},
		{"local.batch", func(p *Plan) { p.Local.Batch = -1 }},
		{"local.fine_tune", func(p *Plan) { p.Local.FineTune = -1 }},
		{"local.prox_mu", func(p *Plan) { p.Local.ProxMu = math.NaN() }},
		{"aggregation.rule", func(p *Plan) { p.Aggregation.Rule = "fedsgd" }},
		{"aggregation.hostile", func(p *Plan) { p.Aggregation.Rule = Krum }},
		{"aggregation.keep", func(p *Plan) { p.Aggregation.Rule, p.Aggregation.Hostile = Krum, 1 }},
		{"aggregation.iterations", func(p *Plan) { p.Aggregation.Rule, p.Aggregation.Iterations = GeometricMedian, MaxIterations+1 }},
		{"aggregation.tau", func(p *Plan) { p.Aggregation.Rule = FedAdam }},
		{"aggregation.tau", func(p *Plan) { p.Aggregation.Rule, p.Aggregation.Tau = FedAdagrad, math.NaN() }},
		{"aggregation.beta2", func(p *Plan) { p.Aggregation.Rule, p.Aggregation.Tau, p.Aggregation.Beta2 = FedAdagrad, 1, 0.5 }},
		{"aggregation.beta1", func(p *Plan) { p.Aggregation.Rule, p.Aggregation.Tau, p.Aggregation.Beta1 = FedYogi, 1, math.NaN() }},
		{"aggregation.momentum", func(p *Plan) { p.Aggregation.Momentum = 0.1 }},
		{"aggregation.local_tensors", func(p *Plan) { p.Aggregation.LocalTensors = make([]string, MaxPatterns+1) }},
		{"aggregation.local_tensors[0]", func(p *Plan) { p.Aggregation.LocalTensors = []string{""} }},
		{"privacy.bits", func(p *Plan) { p.Aggregation.Rule, p.Privacy.Bits, p.Privacy.WeightCap = Scaffold, 8, 255 }},
		{"aggregation.learning_rate", func(p *Plan) { p.Aggregation.LearningRate = 11 }},
		{"privacy.bits", func(p *Plan) { p.Privacy.Bits = 12 }},
		{"privacy.clip", func(p *Plan) { p.Privacy.Clip = math.Inf(1) }},
		{"privacy.clip", func(p *Plan) { p.Privacy.Clip = 1e-40 }},
		{"privacy.clip_least", func(p *Plan) { p.Privacy.ClipLeast = 1.5 }},
		{"privacy.clip_least", func(p *Plan) { p.Privacy.ClipLeast = 1e-40 }},
		{"privacy.clip_least", func(p *Plan) { p.Privacy.ClipLeast = math.NaN() }},
		{"privacy.clip_least", func(p *Plan) { p.Privacy.ClipLeast = -1 }},
		{"privacy.weight", func(p *Plan) { p.Privacy.Weight = "records" }}, // no word is records
		{"privacy.weight_cap", func(p *Plan) { p.Privacy.WeightCap = 1 << 16 }},
		{"privacy.min_records", func(p *Plan) { p.Privacy.MinRecords = 1025 }},
		{"schedule.rounds", func(p *Plan) { p.Schedule.Rounds = 0 }},
		{"schedule.evaluate_every", func(p *Plan) { p.Schedule.EvaluateEvery = -1 }},
		{"schedule.gather_seconds", func(p *Plan) { p.Schedule.GatherSeconds = 0 }},
		{"schedule.update_seconds", func(p *Plan) { p.Schedule.UpdateSeconds = MaxDeadlineSecond + 1 }},
		{"schedule.open_seconds", func(p *Plan) { p.Schedule.OpenSeconds = 0 }},
		{"schedule.grace_seconds", func(p *Plan) { p.Schedule.GraceSeconds = 0 }},
		{"local.partial_work.least", func(p *Plan) { p.Local.ProxMu, p.Local.PartialWork.Least = 1, 1 }},
		{"local.partial_work.least", func(p *Plan) { p.Local.ProxMu, p.Local.PartialWork.Least = 1, math.NaN() }},
		{"local.partial_work", func(p *Plan) { p.Local.ProxMu, p.Local.PartialWork.Least = 0, 0.5 }},
		{"local.partial_work", func(p *Plan) {
			p.Local.ProxMu, p.Local.PartialWork.Least, p.Aggregation.Rule = 0, 0.5, Scaffold
		}},
		{"local.partial_work", func(p *Plan) {
			p.Local.ProxMu, p.Local.PartialWork.Least = 1, 0.5
			p.Local.Steps, p.Local.Epochs, p.Local.EarlyStop = 0, 1, EarlyStop{0.2, 1}
		}},
		{"schedule.deadline.mode", func(p *Plan) { p.Schedule.Deadline.Least = 1 }},
		{"schedule.deadline.mode", func(p *Plan) { p.Schedule.Deadline = Deadline{"fixed", 1, 0.5, 2} }},
		{"schedule.deadline.least_seconds", func(p *Plan) { p.Schedule.Deadline = Deadline{DeadlineAuto, 0, 0.5, 2} }},
		{"schedule.deadline.least_seconds", func(p *Plan) { p.Schedule.Deadline = Deadline{DeadlineAuto, p.Schedule.UpdateSeconds + 1, 0.5, 2} }},
		{"schedule.deadline.quantile", func(p *Plan) { p.Schedule.Deadline = Deadline{DeadlineAuto, 1, math.NaN(), 2} }},
		{"schedule.deadline.quantile", func(p *Plan) { p.Schedule.Deadline = Deadline{DeadlineAuto, 1, 1.1, 2} }},
		{"schedule.deadline.factor", func(p *Plan) { p.Schedule.Deadline = Deadline{DeadlineAuto, 1, 0.5, 1.2} }},
		{"schedule.deadline.factor", func(p *Plan) { p.Schedule.Deadline = Deadline{DeadlineAuto, 1, 0.5, math.Inf(1)} }},
		{"schedule.cohort.size", func(p *Plan) { p.Schedule.Cohort.Size = -1 }},
		{"schedule.cohort.size", func(p *Plan) { p.Schedule.Cohort.Size = MaxHospitals + 1 }},
		{"schedule.cohort.size", func(p *Plan) { p.Schedule.Cohort.Extra = 0.5 }},
		{"schedule.cohort.extra", func(p *Plan) { p.Schedule.Cohort = Cohort{Size: 3, Extra: math.NaN()} }},
		{"schedule.cohort.extra", func(p *Plan) { p.Schedule.Cohort = Cohort{Size: 3, Extra: MaxExtra + 1} }},
		{"schedule.cohort.seed", func(p *Plan) { p.Schedule.Cohort = Cohort{Size: 3, Seed: -1} }},
		{"schedule.stop.metric", func(p *Plan) { p.Schedule.Stop.Patience = 1 }},
		{"schedule.stop.metric", func(p *Plan) { p.Schedule.Stop = Stop{Metric: "loss", Patience: 1} }},
		{"schedule.stop.target", func(p *Plan) { p.Schedule.Stop = Stop{Metric: MetricAUC, Target: math.NaN()} }},
		{"schedule.stop.patience", func(p *Plan) { p.Schedule.Stop = Stop{Metric: MetricAUC, Patience: -1} }},
		{"schedule.stop.min_delta", func(p *Plan) { p.Schedule.Stop = Stop{Metric: MetricAUC, Patience: 1, MinDelta: math.NaN()} }},
		{"schedule.stop.min_delta", func(p *Plan) { p.Schedule.Stop = Stop{Metric: MetricAUC, Target: 0.9, MinDelta: 0.1} }},
		{"schedule.stop", func(p *Plan) { p.Schedule.Stop.Metric = MetricAccuracy }},
		{"schedule.stop", func(p *Plan) { p.Schedule.EvaluateEvery, p.Schedule.Stop = 0, Stop{Metric: MetricAUC, Target: 0.9} }},
	} {
		t.Run(fmt.Sprintf("%d %s", i, c.key), func(t *testing.T) {
			p := clone(t, testPlan())
			c.change(&p)
			var refusal *PlanError
			if err := p.Validate(); !errors.As(err, &refusal) || refusal.Key != c.key {
				t.Errorf("got %v, want a refusal of %s", err, c.key)
			}
		})
	}
}

// TestPlanFormats: the vectors of every kind of round are valid and hold what they must.
func TestPlanFormats(t *testing.T) {
	p := testPlan()
	if got := p.ParameterCount(); got != 2*4+4+4*2+2+2*1+1 {
		t.Errorf("%d parameters", got)
	}
	for kind, want := range map[RoundKind]int{Statistics: 6, Train: p.ParameterCount() + 1 + 6, Evaluate: 4 + 2*HistogramBins} {
		f := p.Format(kind)
		if err := f.Validate(); err != nil || f.Count() != want {
			t.Errorf("%s: %d fields, want %d: %v", kind, f.Count(), want, err)
		}
	}
}

// TestQuestions: what a sum answers depends on features, base and label, and on nothing
// else of the plan.
func TestQuestions(t *testing.T) {
	base, other := Sum([]byte("base")), Sum([]byte("other"))
	changed := testPlan()
	changed.Name, changed.Privacy.Bits, changed.Local.Steps = "other", 8, 99
	changed.Features[0].Max, changed.Features[0].Min = 1000, -1000
	for _, kind := range []RoundKind{Statistics, Train, Evaluate} {
		if !equal(testPlan().Questions(kind, base), changed.Questions(kind, base)) {
			t.Errorf("%s: another plan asks something else about the same", kind)
		}
		if same := equal(testPlan().Questions(kind, base), testPlan().Questions(kind, other)); same != (kind == Statistics) {
			t.Errorf("%s: questions on another base are the same: %v", kind, same)
		}
	}
}

// severalPlan has so many labels.
func severalPlan(names ...string) Plan {
	p := testPlan()
	p.Model, p.Label.Columns = Model{Kind: Layers, Several: len(names)}, names
	return p
}

// TestSeveralLabels: each label has its own counts, and all are one question; a model is not
// trained on with other labels.
func TestSeveralLabels(t *testing.T) {
	p := severalPlan("v", "u", "w")
	p.Local.ClassWeights = []float64{1, 2, 3}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if f := p.Format(Evaluate); f.Count() != 3*(4+2*HistogramBins) || f.Validate() != nil {
		t.Errorf("%d values", f.Count())
	}
	if n := p.ParameterCount(); n != 3*(2+1) {
		t.Errorf("%d parameters", n)
	}
	if err := severalPlan("u", "v", "w").Continues(p); err == nil {
		t.Error("another order of labels goes on")
	}
	if err := p.Continues(p); err != nil {
		t.Error(err)
	}
}

func listed(layers ...Layer) Model { return Model{Kind: Layers, Layers: layers} }

// arrayPlan is a valid plan over arrays, if the shape is valid.
func arrayPlan(shape ...int) Plan {
	p := testPlan()
	p.Model = Model{Kind: Layers, Input: Input{Shape: shape, Scaling: ScaleTogether}}
	p.Features = []Feature{{Name: "mv", Min: -5, Max: 5, Missing: MissingReject}}
	return p
}

// TestArrayPlans: the model sees the array, a statistics round its one quantity.
func TestArrayPlans(t *testing.T) {
	p := arrayPlan(3, 9, 8)
	p.Model.Classes = 4
	p.Model.Layers = []Layer{{Kind: Conv, Filters: 6, Kernel: 3}, {Kind: GroupNorm, Groups: 2}, {Kind: Pool, Size: 2}, {Kind: Dropout, Rate: 0.5}, {Kind: Dense, Units: 5}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if got, want := p.ParameterCount(), 6*3*9+6+2*6+6*4*4*5+5+5*4+4; got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
	if got := p.Format(Statistics).Count(); got != 3 || p.Inputs() != 216 {
		t.Errorf("%d statistics of %d inputs", got, p.Inputs())
	}
	other := clone(t, p)
	other.Model.Layers[0].Kernel = 5
	if err := other.Continues(p); err == nil {
		t.Error("a model goes on with another kernel")
	}
	other = clone(t, p)
	other.Model.Positive = 2
	if a, b := p.Questions(Evaluate, Digest{1}), other.Questions(Evaluate, Digest{1}); !Overlap(a, b) {
		t.Errorf("%v and %v: the name of a class makes another question", a, b)
	}
	signal := arrayPlan(9)
	signal.Model.Layers = []Layer{{Kind: Conv, Filters: 2, Kernel: 5}, {Kind: Pool, Size: 3}}
	if got, want := signal.ParameterCount(), 2*5+2+2*3+1; signal.Validate() != nil || got != want {
		t.Errorf("%d parameters, want %d: %v", got, want, signal.Validate())
	}
}
