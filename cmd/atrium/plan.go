package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/setup"
	"atrium/privacy/envelope"
	"atrium/privacy/he"
	"atrium/privacy/shamir"
	"atrium/storage/models"
)

func newPlanCommand() *cobra.Command {
	return group("plan", "Write, check and compare training plans", newPlanInitCommand(), newPlanCheckCommand(), newPlanDiffCommand())
}

func newPlanInitCommand() *cobra.Command {
	names := plans.Names()
	return &cobra.Command{
		Use:   "init " + strings.Join(names, "|"),
		Short: "Write a plan to start from, with every key explained",
		Long: `Writes NAME.yaml into the current directory, with every key and what it means. A file
of that name is never written over.`,
		Example:   "  atrium plan init cardiology",
		ValidArgs: names,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return usageError(err)
			}
			if !slices.Contains(names, args[0]) {
				return usageError(fmt.Errorf("no plan %q: there are %s", args[0], strings.Join(names, ", ")))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0] + ".yaml"
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s: exists; it is not written over", name)
			}
			if err != nil {
				return err
			}
			b, _ := plans.File(args[0])
			_, err = f.Write(b)
			if err = errors.Join(err, f.Close()); err != nil {
				return errors.Join(err, os.Remove(name))
			}
			newOutput(cmd).line("wrote %s; next: atrium plan check %s", name, name)
			return nil
		},
	}
}

// planCheck is what `plan check --json` prints.
type planCheck struct {
	Name       string               `json:"name"`
	Digest     federation.Digest    `json:"digest"`
	Model      string               `json:"model"`
	Parameters int                  `json:"parameters"`  // of the whole model
	Trained    int                  `json:"trained"`     // of them
	ModelBytes int                  `json:"model_bytes"` // downloaded each round, with what the rule keeps
	Rule       string               `json:"rule"`
	Clip       float64              `json:"clip"` // the greatest, where it follows the sum
	ClipLeast  float64              `json:"clip_least,omitempty"`
	Weight     string               `json:"weight"`    // of an update, in words
	Groups     int                  `json:"groups"`    // that the rule needs
	LocalCount int                  `json:"local"`     // parameters that never leave a hospital
	Hospitals  int                  `json:"hospitals"` // of the largest group that the sizes are for
	Rounds     []planRound          `json:"rounds"`
	Columns    []federation.Feature `json:"columns"`
	Label      federation.Label     `json:"label"`
	Date       string               `json:"date,omitempty"`    // column of the test records' dates, where months are evaluated
	Shape      []int                `json:"shape,omitempty"`   // of a record, if it is an array
	Classes    int                  `json:"classes,omitempty"` // 0: labels 0 and 1
	External   bool                 `json:"external"`          // a program of the hospital's trains it
	Base       string               `json:"base,omitempty"`    // SHA-256 of a file that the hospital has for it
	MinRecords int                  `json:"min_records"`
	Schedule   []string             `json:"schedule"` // in words: whom rounds ask and wait for
	Start      string               `json:"start"`    // in words: what it begins with
}

func (c planCheck) labels() string {
	if len(c.Label.Columns) > 0 {
		return "in columns of 0 or 1: " + strings.Join(c.Label.Columns, ", ")
	}
	if c.Classes == 0 {
		return "0 or 1"
	}
	return fmt.Sprintf("0 to %d", c.Classes-1)
}

// planRound is what a round of one kind takes.
type planRound struct {
	Kind       federation.RoundKind `json:"kind"`
	Values     int                  `json:"values"` // of the encrypted vector
	Bits       int                  `json:"bits"`
	RingDegree int                  `json:"ring_degree"`
	LogQ       int                  `json:"log_q"`
	Bytes      int                  `json:"bytes"` // that a hospital sends: ciphertext and key shares
}

func newPlanCheckCommand() *cobra.Command {
	hospitals, asJSON := 10, false
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a plan, and say what it takes and what a hospital must provide",
		Long: `Reads a plan strictly: every error is shown with its line and column. Then it says how
large the model is, what it begins with, what each kind of round encrypts and sends, and
which columns a hospital's records must have.

A plan goes on from the newest version of the federation, with the same model, columns and
label. Otherwise it says what it begins with, once:
  start: {anew: true}                      # with statistics of its own
  start: {version: 7, snapshot: "DIGEST"}  # from an older version; atrium audit show --round N has its snapshot
The next version has the next number all the same.`,
		Example: "  atrium plan check cardiology.yaml --hospitals 122",
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if hospitals < he.MinGroup || hospitals > he.MaxGroup {
				return usageError(fmt.Errorf("--hospitals %d: want %d to %d", hospitals, he.MinGroup, he.MaxGroup))
			}
			plan, err := setup.LoadPlan(args[0])
			if err != nil {
				return err
			}
			c, err := checkPlan(plan, hospitals)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			out := newOutput(cmd)
			if asJSON {
				return out.json(c)
			}
			out.planCheck(c)
			return nil
		},
	}
	cmd.Flags().IntVar(&hospitals, "hospitals", hospitals, "`number` of hospitals in the largest group")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func checkPlan(p federation.Plan, hospitals int) (planCheck, error) {
	c := planCheck{Name: p.Name, Digest: p.Digest(), Model: modelWords(p.Model), Parameters: p.Model.ParameterCount(p.Inputs()), Trained: p.TrainedCount(),
		External: p.Model.Kind == federation.External, Base: p.Model.Base,
		ModelBytes: 4 * (p.ParameterCount() + models.StateCount(p)), Rule: p.Aggregation.Rule, Clip: p.Privacy.Clip, ClipLeast: p.Privacy.ClipLeast, Weight: p.Privacy.WeightWords(), Groups: p.Aggregation.Groups(),
		LocalCount: p.TrainedCount() - p.SharedCount(), Hospitals: hospitals, Columns: p.Features, Label: p.Label, Shape: p.Model.Input.Shape, Classes: p.Model.Classes, MinRecords: p.Privacy.MinRecords,
		Schedule: scheduleWords(p), Start: p.Start.Words(), Date: p.Schedule.Months.Date}
	if p.Start != (federation.Start{}) {
		c.Start += "; what was answered before is asked again only when every hospital releases it"
	}
	for _, kind := range []federation.RoundKind{federation.Statistics, federation.Train, federation.Evaluate} {
		format := p.Format(kind)
		ring, err := opening.Ring(format.Count(), hospitals, format.Bits)
		if err != nil {
			return c, fmt.Errorf("%s rounds: %w", kind, err)
		}
		params, err := opening.Parameters(ring)
		if err != nil {
			return c, fmt.Errorf("%s rounds: %w", kind, err)
		}
		r := planRound{Kind: kind, Values: format.Count(), Bits: format.Bits, RingDegree: params.N()}
		for _, q := range ring.Primes {
			r.LogQ += bits.Len64(q - 1)
		}
		for _, size := range params.SegmentPlan(opening.SegmentTarget) {
			r.Bytes += size
		}
		r.Bytes += min(hospitals, federation.MaxCustodians) * (envelope.Overhead + shamir.EncodedSize(params.N()))
		c.Rounds = append(c.Rounds, r)
	}
	return c, nil
}

func trainedWords(c planCheck) string {
	if c.Trained == c.Parameters {
		return "all"
	}
	return fmt.Sprintf("%d of %d parameters (%.2g %%); the others stay as they are", c.Trained, c.Parameters, 100*float64(c.Trained)/float64(c.Parameters))
}

func ruleWords(c planCheck) string {
	text := c.Rule
	if c.Groups > 1 {
		text += fmt.Sprintf(", which compares %d groups of hospitals or more", c.Groups)
	}
	if c.LocalCount > 0 {
		text += fmt.Sprintf("; %d parameters never leave a hospital", c.LocalCount)
	}
	return text
}

func clipWords(c planCheck) string {
	if c.ClipLeast == 0 {
		return fmt.Sprintf("%v", c.Clip)
	}
	return fmt.Sprintf("of each tensor follows the last sum, from %v to %v", c.ClipLeast, c.Clip)
}

func modelWords(m federation.Model) string {
	switch {
	case m.Kind == federation.Layers:
		return layerWords(m)
	case len(m.Hidden) == 0:
		return m.Kind
	}
	return fmt.Sprintf("%s, hidden layers of %v", m.Kind, m.Hidden)
}

func layerWords(m federation.Model) string {
	text := ""
	for _, l := range m.Layers {
		text += l.Kind + " "
	}
	if m.Classes > 0 {
		return fmt.Sprintf("%sand softmax over %d classes", text, m.Classes)
	}
	if m.Several > 0 {
		return fmt.Sprintf("%sand a sigmoid for each of %d labels", text, m.Several)
	}
	return text + "and sigmoid"
}

func (o *output) planCheck(c planCheck) {
	o.pairs([][2]string{
		{"plan", fmt.Sprintf("%s %s", c.Name, c.Digest)},
		{"model", fmt.Sprintf("%s: %d parameters, %s a download", c.Model, c.Parameters, bytesText(int64(c.ModelBytes)))},
		{"trained", trainedWords(c)},
		{"rule", ruleWords(c)},
		{"clip", clipWords(c)},
		{"weight", c.Weight},
		{"start", c.Start},
		{"schedule", c.Schedule[0]},
	})
	for _, line := range c.Schedule[1:] {
		o.line("  %s", line)
	}
	rows := [][]string{{"round", "values", "bits", "ring", "a hospital sends"}}
	for _, r := range c.Rounds {
		rows = append(rows, []string{string(r.Kind), fmt.Sprint(r.Values), fmt.Sprint(r.Bits),
			fmt.Sprintf("N = %d, log Q = %d", r.RingDegree, r.LogQ), bytesText(int64(r.Bytes))})
	}
	o.line("")
	o.table(rows)
	o.line("\nsizes are for a group of %d hospitals, each of them a custodian", c.Hospitals)
	if c.External {
		o.line("a hospital needs a program that trains the model, which its own configuration names (trainer.program)")
	}
	if c.Base != "" {
		o.line("and the file with SHA-256 %s (trainer.base)", c.Base)
	}
	if len(c.Shape) > 0 {
		o.line("a hospital needs %d records or more, as arrays of shape %v in NPY files, each of:\n", c.MinRecords, c.Shape)
	} else {
		o.line("a hospital needs %d eligible records or more, with these columns:\n", c.MinRecords)
	}
	rows = [][]string{{"column", "unit", "plausible", "missing", "note"}}
	for _, f := range c.Columns {
		rows = append(rows, []string{f.Name, f.Unit, fmt.Sprintf("%v to %v", f.Min, f.Max), f.Missing, f.Note})
	}
	if c.Date != "" {
		rows = append(rows, []string{c.Date, "", "a date", "", "of test records: the month that evaluates them"})
	}
	o.table(append(rows, []string{c.Label.Name, "", c.labels(), "", c.Label.Note}))
}

// planChange is one key that two plans differ in.
type planChange struct {
	Key    string `json:"key"`
	Before string `json:"before"` // canonical JSON; empty: not there
	After  string `json:"after"`
	Means  string `json:"means,omitempty"` // what the key is about, where its name does not say
}

// planDiff is what `plan diff --json` prints.
type planDiff struct {
	Before    federation.Digest `json:"before"`
	After     federation.Digest `json:"after"`
	Changes   []planChange      `json:"changes"`
	Approve   bool              `json:"approve"`   // each hospital's policy names plans by digest
	Continues bool              `json:"continues"` // a model of the one can be trained on with the other
	Why       string            `json:"why_not,omitempty"`
	Start     string            `json:"start"` // what the plan after begins with, in words

	anew, older bool // it does not begin from the newest version
}

func newPlanDiffCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "diff BEFORE AFTER",
		Short: "Say what differs between two plans, and who must approve it again",
		Long: `Compares two plan files key by key. A hospital approves a plan by its digest, so that
any difference needs its approval again; whether the model can be trained on is said too.
The exit status is 0 whether or not they differ.`,
		Example: "  atrium plan diff cardiology.yaml next.yaml",
		Args:    exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var plans [2]federation.Plan
			for i, file := range args {
				var err error
				if plans[i], err = setup.LoadPlan(file); err != nil {
					return err
				}
			}
			d, err := diffPlans(plans[0], plans[1])
			if err != nil {
				return err
			}
			out := newOutput(cmd)
			if asJSON {
				return out.json(d)
			}
			out.planDiff(d)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func diffPlans(a, b federation.Plan) (planDiff, error) {
	d := planDiff{Before: a.Digest(), After: b.Digest(), Changes: []planChange{}, Continues: true, Start: b.Start.Words(), anew: b.Start.Anew, older: b.Start.Version > 0}
	d.Approve = d.Before != d.After
	before, err := planKeys(a)
	if err != nil {
		return d, err
	}
	after, err := planKeys(b)
	if err != nil {
		return d, err
	}
	keys := map[string]bool{}
	for key := range before {
		keys[key] = true
	}
	for key := range after {
		keys[key] = true
	}
	for key := range keys {
		if before[key] != after[key] {
			d.Changes = append(d.Changes, planChange{key, before[key], after[key], changeMeans(key)})
		}
	}
	slices.SortFunc(d.Changes, func(a, b planChange) int { return strings.Compare(a.Key, b.Key) })
	if err := b.Continues(a); err != nil {
		d.Continues, d.Why = false, err.Error()
	}
	return d, nil
}

// planKeys returns the values of a plan by key, features by name.
func planKeys(p federation.Plan) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(federation.Encode(p)))
	d.UseNumber()
	var root map[string]any
	if err := d.Decode(&root); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i, f := range p.Features {
		out[fmt.Sprintf("features.%s.position", f.Name)] = fmt.Sprint(i + 1)
	}
	flatten("", root, out)
	if p.Privacy.Weight == federation.WeightRecords {
		out["privacy.weight"] = `"records"`
	}
	return out, nil
}

func flatten(key string, v any, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			flatten(strings.TrimPrefix(key+"."+name, "."), value, out)
		}
	case []any:
		if key != "features" {
			text, _ := json.Marshal(v)
			out[key] = string(text)
			return
		}
		for _, f := range v {
			if m, ok := f.(map[string]any); ok {
				flatten(fmt.Sprintf("%s.%v", key, m["name"]), m, out)
			}
		}
	default:
		text, _ := json.Marshal(v)
		out[key] = string(text)
	}
}

func (o *output) planDiff(d planDiff) {
	if !d.Approve {
		o.line("the plans are the same: %s", d.Before)
		return
	}
	rows := [][]string{{"key", "before", "after", ""}}
	for _, c := range d.Changes {
		rows = append(rows, []string{c.Key, orDash(c.Before), orDash(c.After), c.Means})
	}
	o.table(rows)
	o.line("\nevery hospital must approve plan %s: its policy names plans by digest", d.After)
	o.line("it begins %s", d.Start)
	switch {
	case d.anew:
	case d.Continues:
		o.line("a model that was trained with the plan before can be trained on")
	case d.older:
		o.line("that version must not be of the plan before, whose model cannot be trained on: %s", d.Why)
	default:
		o.line("a model that was trained with the plan before cannot be trained on: %s", d.Why)
		o.line("where that is the newest version, the plan must say start: {anew: true}")
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// exactly wants n arguments.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return usageError(cobra.ExactArgs(n)(cmd, args)) }
}
