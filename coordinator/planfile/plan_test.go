package planfile

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"

	"github.com/google/go-cmp/cmp"
)

const small = `# the least that a plan says
name: small
features:
  - {name: age, min: 18, max: 100}
  - name: sex
    min: 0
    max: 1
    missing: reject
label: {name: disease}
local: {learning_rate: 1e-1, steps: 10}
`

func TestParsePlanDefaults(t *testing.T) {
	want := federation.Plan{
		V: 1, Name: "small", Model: federation.Model{Kind: "logistic"},
		Features: []federation.Feature{
			{Name: "age", Min: 18, Max: 100, Missing: "mean"},
			{Name: "sex", Min: 0, Max: 1, Missing: "reject"},
		},
		Label:       federation.Label{Name: "disease"},
		Local:       federation.Local{Optimiser: "sgd", LearningRate: 0.1, Steps: 10},
		Aggregation: federation.Aggregation{Rule: "fedavg", LearningRate: 1},
		Privacy:     federation.Privacy{Bits: 16, Clip: 1, WeightCap: 1024, MinRecords: 10},
		Schedule:    federation.Schedule{Rounds: 40, EvaluateEvery: 10, GatherSeconds: 60, UpdateSeconds: 600, OpenSeconds: 60, GraceSeconds: 30},
	}
	got, err := ParsePlan("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestParsePlanErrors changes the small plan; each case lists all errors, one a line.
func TestParsePlanErrors(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":      {"label:", "lable:", `p.yaml:9:1: lable: unknown key: did you mean "label"?`},
		"unknown nested":   {"learning_rate:", "learnign_rate:", `p.yaml:10:9: local.learnign_rate: unknown key: did you mean "learning_rate"?`},
		"case":             {"missing:", "Missing:", `p.yaml:8:5: features[1].Missing: unknown key: did you mean "missing"?`},
		"far key":          {"name: disease", "zzz: disease", `p.yaml:9:9: label.zzz: unknown key: want one of name, note, columns`},
		"many keys":        {"steps:", "zzz:", `p.yaml:10:30: local.zzz: unknown key`},
		"twice":            {"max: 100", "max: 100, max: 101", `p.yaml:4:36: features[0].max: key appears twice, first in line 4`},
		"text for number":  {"min: 18", "min: eighteen", `p.yaml:4:22: features[0].min: "eighteen": want a decimal number`},
		"quoted number":    {"min: 18", `min: "18"`, `p.yaml:4:22: features[0].min: "18": want a decimal number`},
		"hexadecimal":      {"min: 18", "min: 0x12", `p.yaml:4:22: features[0].min: "0x12": want a decimal number`},
		"infinite":         {"max: 100", "max: .inf", `p.yaml:4:31: features[0].max: ".inf": want a decimal number`},
		"out of range":     {"max: 100", "max: 1e999", `p.yaml:4:31: features[0].max: 1e999: number out of range`},
		"fraction":         {"steps: 10", "steps: 2.5", `p.yaml:10:37: local.steps: 2.5: want a whole number`},
		"number for text":  {"name: small", "name: 123", `p.yaml:2:7: name: 123 is a number: want text; write it in quotes`},
		"nothing":          {"    min: 0\n", "    min:\n", `p.yaml:6:5: features[1].min: nothing: want a number`},
		"list for text":    {"{name: disease}", "{name: [disease]}", `p.yaml:9:15: label.name: a list: want text`},
		"text for list":    {small, "name: a\nfeatures: age\n", `p.yaml:2:11: features: "age": want a list`},
		"list for plan":    {small, "- a\n", `p.yaml:1:1: a list: want a mapping`},
		"no min":           {"min: 18, ", "", `p.yaml:4:5: features[0]: key min is missing`},
		"range":            {"max: 100", "max: 18", `p.yaml:4:31: features[0].max: range 18 to 18 of age: want min < max, both finite`},
		"feature twice":    {"name: sex", "name: age", `p.yaml:5:11: features[1].name: "age" appears twice`},
		"bad name":         {"name: small", "name: Small", `p.yaml:2:7: name: "Small": want 1 to 64 of a-z, 0-9 and -`},
		"no name":          {"name: small\n", "", `p.yaml:2:1: name: "": want 1 to 64 of a-z, 0-9 and -`},
		"no steps":         {", steps: 10", "", `p.yaml:10:8: local.steps: 0 steps and 0 epochs: want exactly one of them, above 0`},
		"hidden":           {"label:", "model: {kind: mlp, hidden: [8, 0]}\nlabel:", `p.yaml:9:32: model.hidden[1]: 0 units: want 1 to 4096`},
		"no hidden":        {"label:", "model: {kind: mlp}\nlabel:", `p.yaml:9:8: model.hidden: 0 layers: want 1 to 8`},
		"no rule":          {"label:", "aggregation: {rule: fedadan}\nlabel:", `p.yaml:9:21: aggregation.rule: "fedadan": want fedavg, fedavgm, fedadagrad, fedyogi, fedadam, fednova, scaffold, trimmed_mean, median, geometric_median or krum`},
		"fedprox":          {"label:", "aggregation: {rule: fedprox}\nlabel:", `p.yaml:9:21: aggregation.rule: "fedprox": write fedavg, and local.prox_mu above 0`},
		"fedbn":            {"label:", "aggregation: {rule: fedbn}\nlabel:", `p.yaml:9:21: aggregation.rule: "fedbn": write fedavg, and aggregation.local_tensors`},
		"another's key":    {"label:", "aggregation: {rule: fedavgm, beta1: 0.9}\nlabel:", `p.yaml:9:37: aggregation.beta1: rule fedavgm has no such key`},
		"unknown of rule":  {"label:", "aggregation: {rule: fedavgm, momentun: 0.9}\nlabel:", `p.yaml:9:30: aggregation.momentun: unknown key: did you mean "momentum"?`},
		"momentum":         {"label:", "aggregation: {rule: fedavgm, momentum: 1}\nlabel:", `p.yaml:9:40: aggregation.momentum: 1: want 0 or more, and less than 1`},
		"beta2":            {"label:", "aggregation: {rule: fedyogi, beta2: -1}\nlabel:", `p.yaml:9:37: aggregation.beta2: -1: want 0 or more, and less than 1`},
		"tau":              {"label:", "aggregation: {rule: fedadam, tau: 0}\nlabel:", `p.yaml:9:35: aggregation.tau: 0: want 1e-9 to 10`},
		"trim":             {"label:", "aggregation: {rule: trimmed_mean, trim: 0}\nlabel:", `p.yaml:9:41: aggregation.trim: 0: want 1 or more groups`},
		"no such tensor":   {"label:", "aggregation: {local_tensors: [bias, layer*]}\nlabel:", `p.yaml:9:37: aggregation.local_tensors[1]: "layer*" matches no tensor of the model that is trained`},
		"pattern":          {"label:", "aggregation: {local_tensors: [\"[a\"]}\nlabel:", `p.yaml:9:31: aggregation.local_tensors[0]: "[a" is no pattern: want a tensor's name, with * and ? for parts of it`},
		"all tensors":      {"label:", "aggregation: {local_tensors: [\"*\"]}\nlabel:", `p.yaml:9:30: aggregation.local_tensors: no tensor is left to learn together`},
		"prox and control": {"local: {", "aggregation: {rule: scaffold}\nlocal: {prox_mu: 0.1, ", `p.yaml:11:18: local.prox_mu: 0.1: scaffold corrects gradients itself, want 0`},
		"coarse control":   {"label:", "aggregation: {rule: scaffold}\nprivacy: {bits: 8, weight_cap: 255}\nlabel:", `p.yaml:10:17: privacy.bits: 8: rounding adds up in the control variate of scaffold, want 16 or more`},
		"no trained":       {"local: {", "local: {trained: [layer1.*], ", `p.yaml:10:19: local.trained[0]: "layer1.*" matches no tensor of the model`},
		"no shape":         {"label:", "model: {kind: external, tensors: [{name: a}]}\nlabel:", `p.yaml:9:35: model.tensors[0]: key shape is missing`},
		"external":         {"label:", "model: {kind: external, tensors: [{name: A, shape: [1]}]}\nlabel:", `p.yaml:9:42: model.tensors[0].name: "A": want 1 to 64 of a-z, 0-9 and ._-`},
		"version":          {"name: small", "v: 2\nname: small", `p.yaml:2:4: v: plan format 2: this program reads 1`},
		"clip in words":    {"label:", "privacy: {clip: automatic}\nlabel:", `p.yaml:9:17: privacy.clip: "automatic": want a decimal number or auto`},
		"least, fixed":     {"label:", "privacy: {clip: 1, clip_least: 0.1}\nlabel:", `p.yaml:9:32: privacy.clip_least: there is no such bound beside a fixed clip: write clip: auto`},
		"most, fixed":      {"label:", "privacy: {clip: 1, clip_most: 2}\nlabel:", `p.yaml:9:20: privacy.clip_most: unknown key: did you mean "clip_least"?`},
		"least 0":          {"label:", "privacy: {clip: auto, clip_least: 0}\nlabel:", `p.yaml:9:35: privacy.clip_least: 0: want more, or a fixed clip`},
		"least above most": {"label:", "privacy: {clip: auto, clip_most: 0.1, clip_least: 0.2}\nlabel:", `p.yaml:9:51: privacy.clip_least: 0.2: want 1e-30 to the greatest clip (0.1)`},
		"weight":           {"label:", "privacy: {weight: patients}\nlabel:", `p.yaml:9:19: privacy.weight: "patients": want records, bands or equal`},
		"no weight":        {"label:", "privacy: {weight: ''}\nlabel:", `p.yaml:9:19: privacy.weight: "\"\"": want records, bands or equal`},
		"several": {"local: {learning_rate: 1e-1, steps: 10}", "privacy: {bits: 12}\nschedule: {rounds: 0}\nlocal: {steps: 10}",
			`p.yaml:10:17: privacy.bits: 12: want 8, 16, 24 or 32
p.yaml:11:20: schedule.rounds: 0: want 1 to 100000
p.yaml:12:8: local.learning_rate: 0: want more than 0 and at most 1000`},
		"several types": {"min: 0\n    max: 1\n", "min: a\n    max: b\n", `p.yaml:6:10: features[1].min: "a": want a decimal number
p.yaml:7:10: features[1].max: "b": want a decimal number`},
		"empty":   {small, "# nothing\n", "p.yaml:1:1: no plan in the file"},
		"no keys": {small, "{}\n", `p.yaml:1:1: name: "": want 1 to 64 of a-z, 0-9 and -`},
	} {
		source := strings.Replace(small, c.old, c.new, 1)
		if source == small {
			t.Fatalf("%s: %q is not in the plan", name, c.old)
		}
		p, err := ParsePlan("p.yaml", []byte(source))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if diff := cmp.Diff(c.want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !cmp.Equal(p, federation.Plan{}) {
			t.Errorf("%s: a plan beside the error", name)
		}
	}
}

func TestPlanErrorIsWrapped(t *testing.T) {
	_, err := ParsePlan("p.yaml", []byte(strings.Replace(small, "max: 100", "max: 1", 1)))
	var at *Error
	var plan *federation.PlanError
	if !errors.As(err, &at) || at.Line != 4 || at.Column != 31 || at.Key != "features[0].max" {
		t.Errorf("error %+v", at)
	}
	if !errors.As(err, &plan) || plan.Key != "features[0].max" {
		t.Errorf("plan error %+v", plan)
	}
}

func TestManyErrorsAreCut(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "key%d: 1\n", i)
	}
	_, err := ParsePlan("p.yaml", []byte(b.String()))
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != maxErrors+1 || lines[maxErrors] != "p.yaml: more errors" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

// awkward is a plan whose every field differs from its default and whose texts look
// like something else.
func awkward() federation.Plan {
	return federation.Plan{
		V: 1, Name: "on", Model: federation.Model{Kind: "mlp", Hidden: []int{16, 8}},
		Features: []federation.Feature{
			{Name: "true", Unit: "1", Min: -1e-7, Max: 1e21, Missing: "reject", Note: "a: {b}, [c] # d\n\t\"e\" \\ 'f'"},
			{Name: "null", Unit: "~", Min: 0.1, Max: 0.30000000000000004, Missing: "mean", Note: " é\u0085\u2028\ufeff\U0001F600\x00 "},
			{Name: "1e5", Unit: "- x", Min: -5, Max: 5e-324, Missing: "mean", Note: "&a *b !c %d @e `f |g >h"},
			{Name: "<<", Unit: ".inf", Min: 1, Max: 2, Missing: "mean", Note: "NULL"},
		},
		Label:       federation.Label{Name: "y", Note: "? no"},
		Local:       federation.Local{Optimiser: "sgd", LearningRate: 0.25, Epochs: 3, Batch: 32, ProxMu: 0.01, FineTune: 4},
		Aggregation: federation.Aggregation{Rule: "fedavg", LearningRate: 0.5},
		Privacy:     federation.Privacy{Bits: 24, Clip: 2.5, Weight: federation.WeightBands, WeightCap: 2048, MinRecords: 20},
		Schedule:    federation.Schedule{Rounds: 7, EvaluateEvery: 3, GatherSeconds: 1, UpdateSeconds: 2, OpenSeconds: 3, GraceSeconds: 4, PatienceSeconds: 5},
	}
}

// awkwardRules are plans of every rule, with no value that is a default.
func awkwardRules() []federation.Plan {
	var list []federation.Plan
	for _, r := range federation.Rules {
		p := awkward()
		p.Local.ProxMu, p.Aggregation = 0, federation.Aggregation{Rule: r.Name, LearningRate: 0.25, LocalTensors: []string{"layer?.bias", "layer1.*"}}
		whole := federation.Aggregation{Momentum: 0.5, Beta1: 0.25, Beta2: 0.75, Tau: 0.125, Trim: 3, Hostile: 4, Keep: 5, Iterations: 6}
		for i, name := range fieldsOf(reflect.TypeFor[federation.Aggregation]()) {
			if slices.Contains(r.Keys, name) {
				reflect.ValueOf(&p.Aggregation).Elem().Field(i).Set(reflect.ValueOf(whole).Field(i))
			}
		}
		list = append(list, p)
	}
	return list
}

// awkwardLocals are plans of every optimiser and schedule, with no value that is a default.
func awkwardLocals() []federation.Plan {
	var list []federation.Plan
	for _, l := range []federation.Local{
		{Optimiser: "sgd", Momentum: 0.5, Rate: federation.Rate{Schedule: "step", Every: 3, Factor: 0.5}, ClassWeights: []float64{0.5, 2}},
		{Optimiser: "adam", Beta1: 0.25, Beta2: 0.75, Epsilon: 1e-6, Rate: federation.Rate{Schedule: "cosine", Final: 0.125}},
		{Optimiser: "adamw", Beta1: 0.25, Beta2: 0.75, Epsilon: 1e-6, WeightDecay: 0.5, Rate: federation.Rate{Schedule: "constant"},
			EarlyStop: federation.EarlyStop{Share: 0.25, Patience: 2}},
	} {
		p := awkward()
		l.LearningRate, l.Epochs, l.Batch, l.ProxMu = p.Local.LearningRate, p.Local.Epochs, p.Local.Batch, p.Local.ProxMu
		p.Local = l
		list = append(list, p)
	}
	return list
}

// awkwardModels are plans of listed layers, with every key of theirs.
func awkwardModels() []federation.Plan {
	layers := []federation.Layer{
		{Kind: "conv", Filters: 6, Kernel: 3, Activation: "none"}, {Kind: "groupnorm", Groups: 3, Activation: "relu"},
		{Kind: "pool", Size: 2}, {Kind: "dropout", Rate: 0.25}, {Kind: "dense", Units: 7},
	}
	arrays, rows := awkward(), awkward()
	arrays.Model = federation.Model{Kind: "layers", Layers: layers, Classes: 5, Positive: 2,
		Input: federation.Input{Shape: []int{3, 8, 9}, Scaling: "record"}}
	arrays.Features = arrays.Features[:1]
	rows.Model = federation.Model{Kind: "layers", Classes: 3}
	labels := awkward()
	labels.Model = federation.Model{Kind: "layers", Several: 2}
	labels.Label.Columns = []string{"on", "b#c"}
	labels.Local.ClassWeights = []float64{2, 0.5}
	return []federation.Plan{arrays, rows, labels, awkwardExternal()}
}

// awkwardExternal is a plan of an external model with every key of its own.
func awkwardExternal() federation.Plan {
	p := awkward()
	p.Model = federation.Model{Kind: "external", Classes: 3, Positive: 2, Base: strings.Repeat("07", 32), Declared: []federation.Declared{
		{Name: "null", Shape: []int{1 << 20, 1 << 16}}, {Name: "1e5", Shape: []int{2, 3, 4}, Spread: 0.1}, {Name: "-", Shape: []int{7}, Value: -1e-7}}}
	p.Local.Trained = []string{"1*", "?"}
	return p
}

// TestSeveralLabels: how many there are follows from their columns, and is not changed.
func TestSeveralLabels(t *testing.T) {
	const text = "name: a\nmodel: {kind: layers}\nfeatures: [{name: mv, min: 0, max: 1}]\n" +
		"label: {name: y, columns: [u, v]}\nlocal: {learning_rate: 1, steps: 1}\n"
	p, err := ParsePlan("p.yaml", []byte(text))
	if err != nil || p.Model.Several != 2 {
		t.Errorf("%+v, %v", p.Model, err)
	}
	for old, c := range map[string][2]string{
		"kind: layers":          {"kind: layers, labels: 3", "p.yaml:4:27: label.columns: 2 columns for 3 labels (model.labels)"},
		"model: {kind: layers}": {"model: {kind: logistic}", "p.yaml:2:8: model.labels: kind logistic has no such key: want kind layers or external"},
	} {
		if _, err := ParsePlan("p.yaml", []byte(strings.Replace(text, old, c[0], 1))); err == nil || err.Error() != c[1] {
			t.Errorf("%s: %v, want %s", c[0], err, c[1])
		}
	}
}

// TestModelDefaults: arrays and classes have theirs.
func TestModelDefaults(t *testing.T) {
	const text = "name: a\nmodel: {kind: layers, classes: 3, input: {shape: [4]}}\nfeatures: [{name: mv, min: 0, max: 1, missing: reject}]\n" +
		"label: {name: y}\nlocal: {learning_rate: 1, steps: 1}\n"
	p, err := ParsePlan("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := federation.Model{Kind: "layers", Classes: 3, Positive: 1, Input: federation.Input{Shape: []int{4}, Scaling: "together"}}
	if diff := cmp.Diff(want, p.Model); diff != "" {
		t.Error(diff)
	}
	_, err = ParsePlan("p.yaml", []byte(strings.Replace(text, "classes: 3", "layers: [{kind: conv, filters: 2, kernel: 4}]", 1)))
	if want := "p.yaml:2:65: model.layers[0].kernel: 4: want an odd number that fits 1 × 4"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// awkwardSchedules are plans with every key of a schedule, and of their start.
func awkwardSchedules() []federation.Plan {
	stop := awkward()
	stop.Schedule.Stop = federation.Stop{Metric: "accuracy", Target: 0.875, Patience: 4, MinDelta: 0.0625}
	cohort := awkward()
	cohort.Schedule.Cohort = federation.Cohort{Size: 17, Extra: 0.375, Seed: 5}
	deadline := awkward()
	deadline.Schedule.UpdateSeconds, deadline.Schedule.Deadline = 900, federation.Deadline{Mode: "auto", Least: 11, Quantile: 0.625, Factor: 2.5}
	partial := awkward()
	partial.Local.PartialWork.Least = 0.375
	months, anew, older := awkward(), awkward(), awkward()
	months.Schedule.Months = federation.Months{Date: "admitted-on", First: "2025-11", Count: 7}
	anew.Start.Anew = true
	older.Start = federation.Start{Version: 7, Snapshot: federation.Sum([]byte("snapshot")).String()}
	return []federation.Plan{stop, cohort, deadline, partial, months, anew, older}
}

// awkwardPlans are all of these.
func awkwardPlans() []federation.Plan {
	auto := awkward()
	auto.Privacy.Clip, auto.Privacy.ClipLeast = 3, 0.25
	return slices.Concat(awkwardSchedules(), awkwardRules(), awkwardLocals(), awkwardModels(), []federation.Plan{awkward(), auto})
}

// TestOptimiserDefaults: an optimiser's own keys have their defaults, and nothing else.
func TestOptimiserDefaults(t *testing.T) {
	for text, want := range map[string]federation.Local{
		"optimiser: adam":                          {Optimiser: "adam", Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8},
		"optimiser: adamw, weight_decay: 0":        {Optimiser: "adamw", Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8},
		"optimiser: sgd":                           {Optimiser: "sgd"},
		"optimiser: adam, beta1: 0, epsilon: 1e-3": {Optimiser: "adam", Beta2: 0.999, Epsilon: 1e-3},
	} {
		want.LearningRate, want.Steps = 0.1, 10
		p, err := ParsePlan("p.yaml", []byte(strings.Replace(small, "steps: 10", "steps: 10, "+text, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, p.Local); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// TestClipAuto: with `clip: auto` both bounds have defaults, and neither is lost.
func TestClipAuto(t *testing.T) {
	for text, want := range map[string][2]float64{
		"clip: auto": {1e-6, 1}, "clip: auto, clip_most: 4": {1e-6, 4}, "clip_most: 4, clip_least: 0.5, clip: auto": {0.5, 4}, "clip: 2": {0, 2},
	} {
		p, err := ParsePlan("p.yaml", []byte(small+"privacy: {"+text+"}\n"))
		if err != nil || [2]float64{p.Privacy.ClipLeast, p.Privacy.Clip} != want || p.Privacy.AutoClip() != (want[0] > 0) {
			t.Errorf("%s: %+v, %v", text, p.Privacy, err)
		}
	}
}

// TestRuleDefaults: a rule's own keys have their defaults, and nothing else.
func TestRuleDefaults(t *testing.T) {
	for rule, want := range map[string]federation.Aggregation{
		"fedavg": {LearningRate: 1}, "fedavgm": {LearningRate: 1, Momentum: 0.9}, "fednova": {LearningRate: 1}, "scaffold": {LearningRate: 1},
		"fedadagrad": {LearningRate: 0.1, Beta1: 0.9, Tau: 1e-3}, "fedyogi": {LearningRate: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 1e-3},
		"fedadam": {LearningRate: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 1e-3}, "trimmed_mean": {LearningRate: 1, Trim: 1}, "median": {LearningRate: 1},
		"geometric_median": {LearningRate: 1, Iterations: 32}, "krum": {LearningRate: 1, Hostile: 1, Keep: 1},
	} {
		want.Rule = rule
		p, err := ParsePlan("p.yaml", []byte(small+"aggregation: {rule: "+rule+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, p.Aggregation); diff != "" {
			t.Errorf("%s (-want +got):\n%s", rule, diff)
		}
		if got, ok := Rule(rule); !ok || cmp.Diff(want, got) != "" {
			t.Errorf("Rule(%s): %+v, %v", rule, got, ok)
		}
	}
	if _, ok := Rule("fedprox"); ok {
		t.Error("fedprox is a rule")
	}
	p, err := ParsePlan("p.yaml", []byte(small+"aggregation: {rule: fedadam, beta1: 0, learning_rate: 1}\n"))
	if err != nil || p.Aggregation.Beta1 != 0 || p.Aggregation.LearningRate != 1 {
		t.Errorf("what the file says is overwritten: %+v, %v", p.Aggregation, err)
	}
}

func TestWritePlanParsesBack(t *testing.T) {
	for _, p := range awkwardPlans() {
		b := WritePlan(p)
		got, err := ParsePlan("p.yaml", b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("plan (-want +got):\n%s\n%s", diff, b)
		}
	}
}

// TestWritePlanShowsEveryKey fails when federation.Plan has a key that WritePlan or
// the plans above leave out.
func TestWritePlanShowsEveryKey(t *testing.T) {
	var file string
	shown, keys := map[string]bool{}, map[string]bool{}
	var check func(v reflect.Value, key string)
	check = func(v reflect.Value, key string) {
		switch v.Kind() {
		case reflect.Struct:
			for i, name := range fieldsOf(v.Type()) {
				keys[key+"."+name] = true
				if strings.Contains(file, name+":") && !v.Field(i).IsZero() {
					shown[key+"."+name] = true
				}
				check(v.Field(i), key+"."+name)
			}
		case reflect.Slice:
			for i := range v.Len() {
				check(v.Index(i), key+"[]")
			}
		}
	}
	for _, p := range awkwardPlans() {
		file = string(WritePlan(p))
		check(reflect.ValueOf(p), "")
	}
	for key := range keys {
		if !shown[key] && key != ".local.steps" {
			t.Errorf("%s is in no file, or zero in every plan of this test", key)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add([]byte(small))
	for _, p := range awkwardPlans() {
		f.Add(WritePlan(p))
	}
	f.Add([]byte("name: &a x\nfeatures: *a\n"))
	f.Add([]byte("? - a\n: b\n"))
	f.Add([]byte("a: |\n  x\n - y: >\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePlan("f", b)
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Errorf("error %v is not typed", err)
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("invalid plan: %v", err)
		}
		again, err := ParsePlan("f", WritePlan(p))
		if err != nil || again.Digest() != p.Digest() {
			t.Errorf("%s\nparses back to another plan, error %v", WritePlan(p), err)
		}
		if canonical, err := federation.DecodePlan(federation.Encode(p)); err != nil || !cmp.Equal(canonical, p) {
			t.Errorf("the canonical bytes are another plan: %v", err)
		}
	})
}
