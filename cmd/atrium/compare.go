package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"atrium/client"
	"atrium/client/dataset"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

// compareOptions is what the flags of `atrium compare` say.
type compareOptions struct {
	Plan      string
	Rules     []string
	Seeds     int
	Data      string // empty: generated records
	Hospitals int    // 0: all in Data, or as many as a demonstration has
	Groups    int
	Rounds    int // 0: the plan's
	FineTune  int // negative: the plan's
	Attacks   []string
	Attackers []string
	Bits      []int // precisions of each rule; none: the plan's
	JSON      string
}

const (
	compareSeeds = 5
	maxSeeds     = 1000
	maxRuns      = 100_000
)

func newCompareCommand() *cobra.Command {
	o := compareOptions{FineTune: -1}
	cmd := &cobra.Command{
		Use:   "compare --plan FILE --rules RULE,RULE,...",
		Short: "Train a plan under several rules, and each hospital alone, and show who gains",
		Long: `Trains the plan's model under each rule, once a seed, in this process, and shows accuracy
and AUC on each hospital's test records, as mean and standard deviation over seeds. Beside
them stand models that each hospital trained alone ("local"), one that was trained on all
records in one place ("pooled"), and what fine-tuning at the hospital makes of each shared
one, if the plan has local.fine_tune.

Statistics round, local training, clip, fixed-point integers, their sum and the rule are
those of the daemons and the coordinator: with the same records, the first seed's snapshot
is, byte for byte, that of ` + "`atrium demo --seed 1`" + `. Left out are encryption, which changes no
integer; network, log, policies and deadlines: every hospital is in every round, with all of
its steps; and the plan's stop rule: every round is trained. Other seeds order records, round and draw initial
parameters otherwise: the plan is trained under the name NAME-SEED.

A rule is a name of ` + "`aggregation.rule`" + `, fedprox (fedavg with local.prox_mu, 0.1 unless the
plan has one) or fedbn (fedavg with the scales and shifts of groupnorm layers kept local);
"all" is each that this plan allows and that compares no groups. Keys follow behind colons,
as in fedadam:learning_rate=0.03:tau=0.01; those of the plan's own rule are as in the plan.

With --attack each rule is also trained while --attackers send something else: sign-flip
the opposite of their change, label-flip the change that swapped labels give, and blind and
informed as much against the others as passes the gates, as a sum of encryptions of their own.
blind knows the plan and its own records; informed also what each group summed to in the round
before, as any reader of the log. Both work together with the other attackers. Means are those
of the other hospitals.

With --bits each rule is trained in each of these precisions, with the plan's clip and with
one that follows the sums up to it, and beside them in floating point without a clip; the
log-loss is shown too. Rows begin with the same parameters and take records in the same
order, so that they differ in precision alone.

With --json the file is written after each run; the same command with the same file goes on
with what is missing.`,
		Example: `  atrium compare --plan cardiology.yaml --rules fedavg,fedadam,fedyogi --data shared/data/heart-disease/split43
  atrium compare --plan cardiology.yaml --rules all --json compare.json
  atrium compare --plan cardiology.yaml --rules fedavg,median,krum --hospitals 15 --groups 5 --attack blind,informed --attackers northgate`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return usageError(err)
			}
			return runCompare(cmd.Context(), o, newOutput(cmd))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Plan, "plan", "", "plan `file`")
	f.StringSliceVar(&o.Rules, "rules", nil, "`rules` to compare, with commas between; or all")
	f.IntVar(&o.Seeds, "seeds", compareSeeds, "`number` of seeds, from 1 on")
	f.StringVar(&o.Data, "data", "", "`directory` of <hospital>_train.csv and <hospital>_test.csv, or .npy, and <hospital>_columns.yaml of who has other columns (default generated cohorts)")
	f.IntVar(&o.Hospitals, "hospitals", 0, "how many hospitals, 3 or more (default all in --data, or 4)")
	f.IntVar(&o.Groups, "groups", 1, "in how many groups hospitals are summed apart, each of 3 or more; robust rules compare them")
	f.IntVar(&o.Rounds, "rounds", 0, "train `rounds` (default the plan's)")
	f.IntVar(&o.FineTune, "fine-tune", o.FineTune, "`steps` of fine-tuning at each hospital (default the plan's)")
	f.StringSliceVar(&o.Attacks, "attack", nil, "`attacks`: sign-flip, blind, informed, label-flip")
	f.StringSliceVar(&o.Attackers, "attackers", nil, "`names` of the hospitals that attack")
	f.IntSliceVar(&o.Bits, "bits", nil, "train each rule in these `precisions` (8, 16, 24, 32 bits), with both kinds of clip, and in floating point")
	f.StringVar(&o.JSON, "json", "", "write every run to this `file` as one JSON object; one that is there goes on")
	return cmd
}

func (o compareOptions) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	switch {
	case o.Plan == "":
		return errors.New("--plan is missing: name a plan file; `atrium plan init` writes one")
	case len(o.Rules) == 0:
		return errors.New("--rules is missing: name rules, such as --rules fedavg,fedadam, or all")
	case o.Seeds < 1 || o.Seeds > maxSeeds:
		return fmt.Errorf("--seeds %d: want 1 to %d", o.Seeds, maxSeeds)
	case changed("hospitals") && (o.Hospitals < 3 || o.Hospitals > federation.MaxHospitals):
		return fmt.Errorf("--hospitals %d: want 3 to %d", o.Hospitals, federation.MaxHospitals)
	case o.Groups < 1:
		return fmt.Errorf("--groups %d: want 1 or more, each of 3 hospitals or more", o.Groups)
	case changed("rounds") && (o.Rounds < 1 || o.Rounds > federation.MaxRounds):
		return fmt.Errorf("--rounds %d: want 1 to %d", o.Rounds, federation.MaxRounds)
	case changed("fine-tune") && (o.FineTune < 0 || o.FineTune > federation.MaxLocalSteps):
		return fmt.Errorf("--fine-tune %d: want 0 to %d", o.FineTune, federation.MaxLocalSteps)
	case (len(o.Attacks) > 0) != (len(o.Attackers) > 0):
		return errors.New("--attack and --attackers go together: which attacks, and of which hospitals")
	case len(o.Attacks) > 0 && len(o.Bits) > 0:
		return errors.New("--attack and --bits: want one of them")
	}
	for _, b := range o.Bits {
		if b != 8 && b != 16 && b != 24 && b != 32 {
			return fmt.Errorf("--bits %d: want 8, 16, 24 or 32", b)
		}
	}
	for _, a := range o.Attacks {
		if !slices.Contains(attacks, a) {
			return fmt.Errorf("--attack %q: want %s", a, strings.Join(attacks, ", "))
		}
	}
	return nil
}

// runCompare does what is missing and shows the tables.
func runCompare(ctx context.Context, o compareOptions, out *output) error {
	plan, err := setup.LoadPlan(o.Plan)
	if err != nil {
		return err
	}
	if o.Rounds > 0 {
		plan.Schedule.Rounds = o.Rounds
	}
	if o.FineTune >= 0 {
		plan.Local.FineTune = o.FineTune
	}
	if len(o.Bits) > 0 {
		plan = withWeightOf(plan, slices.Min(o.Bits))
	}
	if err := plan.Validate(); err != nil {
		return fmt.Errorf("%s: %w", o.Plan, err)
	}
	if plan.Model.Kind == federation.External {
		return fmt.Errorf("%s: model.kind %s: no hospital's program is started here; `atrium demo` does that", o.Plan, plan.Model.Kind)
	}
	records, err := o.records(plan)
	if err != nil {
		return err
	}
	list, left, err := contenders(plan, o.Rules, o.Groups > 1)
	if err != nil {
		return err
	}
	if len(o.Attacks) > 0 {
		if list, err = underAttack(list, o, records); err != nil {
			return err
		}
	}
	if len(o.Bits) > 0 {
		var without []string
		list, without = inPrecisions(list, o.Bits)
		left = append(left, without...)
	}
	if n := len(list) * o.Seeds; n > maxRuns {
		return usageError(fmt.Errorf("%d runs: at most %d", n, maxRuns))
	}
	c, err := openComparison(o, plan, records)
	if err != nil {
		return err
	}
	if err := c.run(ctx, list, records, out); err != nil {
		return err
	}
	out.compared(c.comparison, list, left, len(o.Bits) > 0)
	return nil
}

// records reads each hospital's records, or makes them up.
func (o compareOptions) records(plan federation.Plan) ([]client.Records, error) {
	folder, names := recordFolder{o.Data, plan}, []string(nil)
	var err error
	if o.Data == "" {
		if folder.dir, err = os.MkdirTemp("", "atrium-compare-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(folder.dir)
		n := o.Hospitals
		if n == 0 {
			n = demoHospitals
		}
		names, err = folder.generate(1, n)
	} else {
		folder.dir = filepath.Clean(folder.dir)
		names, err = folder.hospitals(o.Hospitals)
	}
	if err != nil {
		return nil, err
	}
	var list []client.Records
	for _, name := range names {
		train, test, err := folder.read(name)
		if err != nil {
			return nil, err
		}
		list = append(list, client.Records{Name: name, Train: train, Test: test})
	}
	return list, nil
}

// run does the runs that are missing, as many at a time as there are processors. Each is
// written down before the next of its processor begins.
func (c *comparisonFile) run(ctx context.Context, list []contender, records []client.Records, out *output) error {
	defer out.progressEnds()
	var tasks []contender
	for _, x := range list {
		for seed := range c.Seeds {
			if x.seed = uint64(seed + 1); !c.has(x) {
				tasks = append(tasks, x)
			}
		}
	}
	all := len(list) * c.Seeds
	show := func() { out.progress(fmt.Sprintf("%d of %d runs", all-len(tasks)+c.added, all)) }
	show()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, x := range tasks {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			r, err := x.run(ctx, records, c.Groups)
			if err != nil {
				return fmt.Errorf("%s, seed %d: %w", x.name, x.seed, err)
			}
			return c.add(r, show)
		})
	}
	return g.Wait()
}

// flipped are records with their labels swapped: 1 − y, or the class counted from the last.
func flipped(t *dataset.Table, plan federation.Plan) *dataset.Table {
	f := *t
	f.Y, f.Class = make([]float64, len(t.Y)), nil
	for i, y := range t.Y {
		f.Y[i] = 1 - y
	}
	for i, class := range t.Class {
		class = float64(plan.Model.Classes-1) - class
		f.Class = append(f.Class, class)
		f.Y[i] = 0
		if class == float64(plan.Model.Positive) {
			f.Y[i] = 1
		}
	}
	return &f
}
