package planfile

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"atrium/coordinator/federation"
)

// WritePlan shows a valid plan as a plan file with every key, each explained;
// ParsePlan reads the same plan back.
func WritePlan(p federation.Plan) []byte {
	var w bytes.Buffer
	line := func(key string, value any, comment string) {
		s := fmt.Sprintf("%s: %v", key, value)
		if comment != "" {
			s = fmt.Sprintf("%-26s # %s", s, comment)
		}
		w.WriteString(s + "\n")
	}
	line("v", p.V, "format of this file")
	line("name", scalar(p.Name), "a-z, 0-9 and -")
	w.WriteString("\nmodel:\n")
	writeModel(&w, line, p.Model)
	writeColumns(&w, p)
	w.WriteString("\nlocal: # training in the hospital, each round\n")
	writeLocal(line, p.Local)
	w.WriteString("\naggregation: # from the sum to the next version\n")
	writeRule(line, p.Aggregation)
	w.WriteString("\nprivacy: # what leaves a hospital, and how precise\n")
	line("  bits", p.Privacy.Bits, "of one encrypted value: 8, 16, 24 or 32")
	if p.Privacy.AutoClip() {
		line("  "+keyClip, autoWord, "greatest change of one parameter in one round: each tensor's follows the last sum,")
		line("  "+keyClipLeast, float(p.Privacy.ClipLeast), "from here")
		line("  "+keyClipMost, float(p.Privacy.Clip), "to here; the first round's")
	} else {
		line("  "+keyClip, float(p.Privacy.Clip), "greatest change of one parameter in one round, or auto")
	}
	line("  "+keyWeight, weightWord(p.Privacy.Weight), "of an update: records (with which the log shows the count of who misses a round), bands (its power of two), or equal")
	line("  weight_cap", p.Privacy.WeightCap, "records that count at most for one hospital")
	line("  min_records", p.Privacy.MinRecords, "a hospital with fewer declines")
	w.WriteString("\nschedule:\n")
	line("  rounds", p.Schedule.Rounds, "of training")
	line("  evaluate_every", p.Schedule.EvaluateEvery, "rounds, and after the first and the last; 0: never")
	line("  gather_seconds", p.Schedule.GatherSeconds, "for hospitals to join a round")
	line("  update_seconds", p.Schedule.UpdateSeconds, "for training and upload")
	line("  open_seconds", p.Schedule.OpenSeconds, "for each half of opening the sum")
	line("  grace_seconds", p.Schedule.GraceSeconds, "for a hospital whose connection is gone")
	if p.Schedule.PatienceSeconds > 0 {
		line("  patience_seconds", p.Schedule.PatienceSeconds, "for a hospital that declines, where all of a group are summed; then the plan is paused")
	}
	writeDeadline(line, p.Schedule.Deadline)
	writeCohort(line, p.Schedule.Cohort)
	writeStop(line, p.Schedule.Stop)
	writeMonths(line, p.Schedule.Months)
	writeStart(line, p.Start)
	return w.Bytes()
}

func writeDeadline(line func(key string, value any, comment string), d federation.Deadline) {
	if d.Auto() {
		line("  deadline", fmt.Sprintf("{mode: auto, least_seconds: %d, quantile: %s, factor: %s}", d.Least, float(d.Quantile), float(d.Factor)),
			"of train rounds: factor times what that share of hospitals took in the last ones, up to update_seconds")
	}
}

func writeCohort(line func(key string, value any, comment string), c federation.Cohort) {
	if c.On() {
		line("  cohort", fmt.Sprintf("{size: %d, extra: %s, seed: %d}", c.Size, float(c.Extra), c.Seed),
			"of each group, drawn for each train round; it ends with so many updates, and asks that share more")
	}
}

func writeStop(line func(key string, value any, comment string), s federation.Stop) {
	if s.On() {
		line("  stop", fmt.Sprintf("{metric: %s, target: %s, patience: %d, min_delta: %s}", scalar(s.Metric), float(s.Target), s.Patience, float(s.MinDelta)),
			"before the last round: at this auc or accuracy, or when so many evaluations did not raise it by more")
	}
}

func writeMonths(line func(key string, value any, comment string), m federation.Months) {
	if m.On() {
		line("  months", fmt.Sprintf("{date: %s, first: %s, count: %d}", scalar(m.Date), scalar(string(m.First)), m.Count),
			"the last version is evaluated by calendar month, each when it is over; date is a column of the test records")
	}
}

func writeStart(line func(key string, value any, comment string), s federation.Start) {
	switch {
	case s.Anew:
		line("start", "{anew: true}", "statistics come first, whatever versions there are; without start it goes on from the newest")
	case s.Version > 0:
		line("start", fmt.Sprintf("{version: %d, snapshot: %s}", s.Version, scalar(s.Snapshot)), "an older version of the federation; without start it goes on from the newest")
	}
}

// writeModel shows the keys that the kind has.
func writeModel(w *bytes.Buffer, line func(key string, value any, comment string), m federation.Model) {
	line("  kind", scalar(m.Kind), "logistic, mlp, layers or external")
	if len(m.Hidden) > 0 {
		line("  hidden", ints(m.Hidden), "units of each hidden layer")
	}
	if len(m.Input.Shape) > 0 {
		w.WriteString("  input: # a record is an array\n")
		line("    shape", ints(m.Input.Shape), "samples, or height and width, or channels, height and width")
		line("    scaling", scalar(m.Input.Scaling), "together: by everyone's mean and deviation; record: by its own")
	}
	if m.Classes > 0 {
		line("  classes", m.Classes, "labels 0 to classes - 1")
		line("  positive", m.Positive, "the label that scores and evaluations are about")
	}
	if m.Several > 0 {
		line("  labels", m.Several, "of a record, each 0 or 1 (label.columns)")
	}
	writeDeclared(w, line, m)
	if len(m.Layers) == 0 {
		return
	}
	w.WriteString("  layers: # dense, conv, pool, groupnorm or dropout; the output layer follows\n")
	for _, l := range m.Layers {
		fmt.Fprintf(w, "    - {kind: %s", scalar(l.Kind))
		value := reflect.ValueOf(l)
		for i, name := range fieldsOf(value.Type()) {
			switch v := value.Field(i); {
			case name == "kind" || v.IsZero():
			case v.Kind() == reflect.Float64:
				fmt.Fprintf(w, ", %s: %s", name, float(v.Float()))
			case v.Kind() == reflect.String:
				fmt.Fprintf(w, ", %s: %s", name, scalar(v.String()))
			default:
				fmt.Fprintf(w, ", %s: %v", name, v)
			}
		}
		w.WriteString("}\n")
	}
}

// writeDeclared shows what only an external model has.
func writeDeclared(w *bytes.Buffer, line func(key string, value any, comment string), m federation.Model) {
	if m.Base != "" {
		line("  base", scalar(m.Base), "SHA-256 of a file that every hospital has")
	}
	if len(m.Declared) == 0 {
		return
	}
	w.WriteString("  tensors: # before any training each parameter is value, plus what is drawn from plus or minus spread\n")
	for _, d := range m.Declared {
		fmt.Fprintf(w, "    - {name: %s, shape: %s", scalar(d.Name), ints(d.Shape))
		if d.Value != 0 {
			fmt.Fprintf(w, ", value: %s", float(d.Value))
		}
		if d.Spread != 0 {
			fmt.Fprintf(w, ", spread: %s", float(d.Spread))
		}
		w.WriteString("}\n")
	}
}

func ints(list []int) string {
	return "[" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(list)), ", "), "[]") + "]"
}

// writeLocal shows the keys that the optimiser has, and what is switched on.
func writeLocal(line func(key string, value any, comment string), l federation.Local) {
	line("  optimiser", scalar(l.Optimiser), "sgd, adam or adamw")
	line("  learning_rate", float(l.LearningRate), "")
	keys := federation.OptimiserKeys(l.Optimiser)
	for _, k := range []struct {
		name    string
		value   float64
		comment string
	}{
		{"momentum", l.Momentum, "share of the last step that goes on"},
		{"beta1", l.Beta1, "decay of the mean of gradients"},
		{"beta2", l.Beta2, "decay of the mean of their squares"},
		{"epsilon", l.Epsilon, "added to its root"},
		{"weight_decay", l.WeightDecay, "share of a parameter that a step of rate 1 takes away"},
	} {
		if slices.Contains(keys, k.name) {
			line("  "+k.name, float(k.value), k.comment)
		}
	}
	line("  steps", l.Steps, "this or epochs; the other is 0")
	line("  epochs", l.Epochs, "")
	line("  batch", l.Batch, "records of one step; 0: all")
	line("  prox_mu", float(l.ProxMu), "pull towards the base (FedProx); 0: none")
	if len(l.Trained) > 0 {
		line("  trained", texts(l.Trained), "tensors that are trained; the others stay as they are")
	}
	line("  fine_tune", l.FineTune, "steps on a hospital's own records after the last version, for itself; 0: none")
	if l.Rate.Schedule != "" {
		line("  rate", rateText(l.Rate), "the learning rate over rounds: constant, step or cosine")
	}
	if len(l.ClassWeights) > 0 {
		line("  class_weights", floats(l.ClassWeights), "times the loss of a record, by its label; of several labels, where one is 1")
	}
	if l.PartialWork.On() {
		line("  partial_work", fmt.Sprintf("{least: %s}", float(l.PartialWork.Least)), "a slow hospital may take fewer steps, down to that share of them")
	}
	if l.EarlyStop.On() {
		line("  early_stop", fmt.Sprintf("{share: %s, patience: %d}", float(l.EarlyStop.Share), l.EarlyStop.Patience),
			"records held back; epochs without a smaller loss on them")
	}
}

func rateText(r federation.Rate) string {
	switch r.Schedule {
	case federation.Step:
		return fmt.Sprintf("{schedule: step, every: %d, factor: %s}", r.Every, float(r.Factor))
	case federation.Cosine:
		return fmt.Sprintf("{schedule: cosine, final: %s}", float(r.Final))
	}
	return "{schedule: " + scalar(r.Schedule) + "}"
}

func floats(list []float64) string {
	words := make([]string, len(list))
	for i, x := range list {
		words[i] = float(x)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// writeRule shows the keys that the rule has.
func writeRule(line func(key string, value any, comment string), a federation.Aggregation) {
	line("  rule", scalar(a.Rule), "")
	line("  learning_rate", float(a.LearningRate), "of the server; 1: plain averaging")
	keys, _ := a.Keys()
	for _, k := range []struct {
		name    string
		value   any
		comment string
	}{
		{"momentum", float(a.Momentum), "share of the last change that goes on"},
		{"beta1", float(a.Beta1), "decay of the mean of changes"},
		{"beta2", float(a.Beta2), "decay of the mean of their squares"},
		{"tau", float(a.Tau), "the greater, the less adaptive"},
		{"trim", a.Trim, "groups left out at each end, of each parameter"},
		{"hostile", a.Hostile, "groups that may be anything"},
		{"keep", a.Keep, "groups that are averaged"},
		{"iterations", a.Iterations, "steps towards the geometric median"},
	} {
		if slices.Contains(keys, k.name) {
			line("  "+k.name, k.value, k.comment)
		}
	}
	if len(a.LocalTensors) == 0 {
		return
	}
	line("  local_tensors", texts(a.LocalTensors), "never leave a hospital")
}

func texts(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = scalar(s)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func writeColumns(w *bytes.Buffer, p federation.Plan) {
	if p.Arrays() {
		w.WriteString("\n# What the arrays hold; min and max are the plausible range.\nfeatures:\n")
	} else {
		w.WriteString("\n# Columns of the hospitals' data, in the order of the model's inputs. min and max are\n" +
			"# the plausible range; missing is mean (filled in) or reject (the record is left out).\nfeatures:\n")
	}
	for _, f := range p.Features {
		fmt.Fprintf(w, "  - {name: %s", scalar(f.Name))
		if f.Unit != "" {
			fmt.Fprintf(w, ", unit: %s", scalar(f.Unit))
		}
		fmt.Fprintf(w, ", min: %s, max: %s, missing: %s", float(f.Min), float(f.Max), scalar(f.Missing))
		if f.Note != "" {
			fmt.Fprintf(w, ", note: %s", scalar(f.Note))
		}
		w.WriteString("}\n")
	}
	fmt.Fprintf(w, "\nlabel: # the outcome, %s\n", labelsText(p.Model))
	fmt.Fprintf(w, "  name: %s\n", scalar(p.Label.Name))
	if p.Label.Note != "" {
		fmt.Fprintf(w, "  note: %s\n", scalar(p.Label.Note))
	}
	if len(p.Label.Columns) > 0 {
		fmt.Fprintf(w, "  columns: %s\n", texts(p.Label.Columns))
	}
}

func labelsText(m federation.Model) string {
	if m.Several > 0 {
		return "each column 0 or 1"
	}
	if m.Classes == 0 {
		return "0 or 1"
	}
	return fmt.Sprintf("0 to %d", m.Classes-1)
}

func float(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// plain matches text that no reader takes for anything else without quotes, but for
// the words below.
var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_/-]*$`)

// scalar writes text, in quotes where needed.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return `"` + s + `"`
	}
	if plain.MatchString(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case strconv.IsPrint(c):
			b.WriteRune(c)
		default:
			fmt.Fprintf(&b, `\U%08X`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
