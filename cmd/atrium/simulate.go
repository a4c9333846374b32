package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"atrium/client/train"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
	"atrium/coordinator/simulate"
	"atrium/storage/local"
)

// simOptions is what the flags of `atrium simulate` say.
type simOptions struct {
	PlanFile  string // empty: the built-in cardiology plan
	Profiles  string // file; empty: the built-in ones
	Data      string // directory of records; empty: generated
	Hospitals int    // 0: as many as the data has, or simHospitals
	Groups    int
	Rounds    int // 0: the plan's
	Seed      uint64
	Target    float64 // AUC; 0: what is near the best
	JSON, SVG string  // files
	State     string  // directory; empty: none
	Resume    bool
}

// simHospitals is how many hospitals a simulation has that nobody counted.
const simHospitals = 122

func newSimulateCommand() *cobra.Command {
	var o simOptions
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run a plan over many unequal hospitals in virtual time, in one process",
		Long: `Runs a plan over hospitals that differ in records, speed, hours, line and labels, and
says how long it takes, who takes part, what is learned, and what encryption costs. The
round machine, the rules and the fixed-point arithmetic are the real ones and training is
real; time is virtual. Nothing is encrypted: the sum of the fields is, number by number,
the one that custodians would open. Ciphertexts, shares and messages count in bytes and in
seconds on the line; encryption and the network's own overhead do not.

The same federation without encryption, whose values are neither rounded nor clipped,
runs beside it: the last columns are the difference. Measured is the version of each
round on the records that all hospitals hold back, whether they took part or not.

--profiles names a YAML file of classes of hospitals; "atrium simulate profiles" writes
the built-in ones, with every key explained, to start from. With --data the records of a
directory (as of demo) are dealt out by the sizes and labels of the profiles, unless there are
as many hospitals as it has: then each keeps its own. The same flags give the same
result on any number of processors. With --state what each round learned is kept, and
--resume goes on after an interruption to the same result.`,
		Example: `  atrium simulate
  atrium simulate profiles > profiles.yaml
  atrium simulate --plan plan.yaml --hospitals 122 --profiles profiles.yaml --svg curves.svg --json result.json
  atrium simulate --plan plan.yaml --data records --rounds 50 --state /tmp/simulation
  atrium simulate --plan plan.yaml --data records --rounds 50 --state /tmp/simulation --resume`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return usageError(err)
			}
			return runSimulation(cmd.Context(), o, newOutput(cmd))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.PlanFile, "plan", "", "plan file (default the built-in cardiology plan)")
	f.IntVar(&o.Hospitals, "hospitals", 0, fmt.Sprintf("how many hospitals, 3 or more (default as many as in --data, or %d)", simHospitals))
	f.StringVar(&o.Profiles, "profiles", "", "file of classes of hospitals (default the built-in ones)")
	f.StringVar(&o.Data, "data", "", "directory of <hospital>_train.csv (.npy) and <hospital>_test.csv (default generated records)")
	f.IntVar(&o.Groups, "groups", 1, "in how many groups hospitals are summed apart, each of 3 or more")
	f.IntVar(&o.Rounds, "rounds", 0, "train rounds (default the plan's)")
	f.Uint64Var(&o.Seed, "seed", 1, "of hospitals, generated records, order of records and rounding")
	f.Float64Var(&o.Target, "target", 0, "AUC whose time and rounds are told (default 0.01 below the best)")
	f.StringVar(&o.JSON, "json", "", "write the result to this file as one JSON object")
	f.StringVar(&o.SVG, "svg", "", "draw the curves into this file")
	f.StringVar(&o.State, "state", "", "directory that keeps what each round learned")
	f.BoolVar(&o.Resume, "resume", false, "go on with the simulation in --state")
	cmd.AddCommand(newSimulateProfilesCommand())
	return cmd
}

func newSimulateProfilesCommand() *cobra.Command {
	return &cobra.Command{Use: "profiles", Short: "Write the built-in classes of hospitals, with every key explained", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(simulate.BuiltIn())
			return err
		}}
}

func (o simOptions) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	switch {
	case changed("hospitals") && (o.Hospitals < 3 || o.Hospitals > federation.MaxHospitals):
		return fmt.Errorf("--hospitals %d: want 3 to %d", o.Hospitals, federation.MaxHospitals)
	case changed("rounds") && (o.Rounds < 1 || o.Rounds > federation.MaxRounds):
		return fmt.Errorf("--rounds %d: want 1 to %d", o.Rounds, federation.MaxRounds)
	case o.Groups < 1 || o.Groups > federation.MaxHospitals/3:
		return fmt.Errorf("--groups %d: want 1 or more, each of 3 hospitals or more", o.Groups)
	case changed("target") && !(o.Target > 0 && o.Target <= 1):
		return fmt.Errorf("--target %v: want an AUC, more than 0 and at most 1", o.Target)
	case o.Resume && o.State == "":
		return errors.New("--resume: want --state DIR, the directory of the simulation that goes on")
	}
	return nil
}

// runSimulation runs a simulation from its flags to its table.
func runSimulation(ctx context.Context, o simOptions, out *output) error {
	plan, profiles, err := o.load()
	if err != nil {
		return err
	}
	file, err := newResultFile(o.JSON)
	if err != nil {
		return err
	}
	defer file.discard()
	drawing, err := newResultFile(o.SVG)
	if err != nil {
		return err
	}
	defer drawing.discard()
	population, records, err := o.population(plan, profiles)
	if err != nil {
		return err
	}
	c := simulate.Config{Plan: plan, Profiles: profiles, Population: population, Groups: o.Groups, Seed: o.Seed,
		Workers: runtime.GOMAXPROCS(0), Progress: func(p simulate.Progress) { out.progress(simProgress(p)) }}
	ids, err := c.IDs()
	if err != nil {
		return err
	}
	pool := &trainerPool{plan: plan, free: map[int][]train.Trainer{}}
	defer pool.close()
	c.Encrypted = newSimLearners(plan, pool, ids, records, false)
	c.Exact = newSimLearners(plan, pool, ids, records, true)
	if o.State != "" {
		bucket, err := o.openState(ctx)
		if err != nil {
			return err
		}
		defer bucket.Close()
		c.Store = bucket
	}
	result, err := simulate.Run(ctx, c)
	if err != nil {
		return err
	}
	report := newSimReport(result, o.Target)
	if err := file.write(report); err != nil {
		return err
	}
	if err := drawing.writeBytes(drawSimulation(report)); err != nil {
		return err
	}
	showSimulation(out, report)
	return nil
}

// load reads plan and profiles.
func (o simOptions) load() (federation.Plan, simulate.Profiles, error) {
	plan, profiles := plans.Cardiology(), simulate.Default()
	var err error
	if o.PlanFile != "" {
		if plan, err = setup.LoadPlan(o.PlanFile); err != nil {
			return plan, profiles, err
		}
		plan.Start = federation.Start{} // there are no versions here
	}
	if o.Rounds > 0 {
		plan.Schedule.Rounds = o.Rounds
	}
	if plan.Model.Kind == federation.External {
		return plan, profiles, fmt.Errorf("plan %s: a model of kind %s is trained by the hospitals' own programs; simulate trains the built-in ones", plan.Name, plan.Model.Kind)
	}
	if o.Profiles != "" {
		b, err := os.ReadFile(o.Profiles)
		if err != nil {
			return plan, profiles, err
		}
		profiles, err = simulate.ParseProfiles(o.Profiles, b)
		return plan, profiles, err
	}
	return plan, profiles, plan.Validate()
}

// population draws hospitals and gives them records.
func (o simOptions) population(plan federation.Plan, profiles simulate.Profiles) ([]simulate.Hospital, []simRecords, error) {
	if o.Data == "" {
		population := simulate.Draw(profiles, cmp.Or(o.Hospitals, simHospitals), o.Seed)
		return population, generateRecords(plan, profiles, population, o.Seed), nil
	}
	names, files, err := readRecords(plan, o.Data)
	if err != nil {
		return nil, nil, err
	}
	if o.Hospitals > 0 && o.Hospitals != len(files) {
		population := simulate.Draw(profiles, o.Hospitals, o.Seed)
		return population, dealRecords(plan, profiles, population, o.Seed, files), nil
	}
	population := simulate.Draw(profiles, len(files), o.Seed)
	return population, ownRecords(profiles, population, names, files), nil
}

// ownRecords gives each hospital of a directory its own records; the larger ones are of
// the classes with more records.
func ownRecords(profiles simulate.Profiles, population []simulate.Hospital, names []string, files []simRecords) []simRecords {
	order := make([]int, len(files))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(files[b].train.Rows+files[b].test.Rows, files[a].train.Rows+files[a].test.Rows)
	})
	slices.SortStableFunc(population, func(a, b simulate.Hospital) int {
		return cmp.Compare(profiles.Classes[b.Class].Rows.Median, profiles.Classes[a.Class].Rows.Median)
	})
	out := make([]simRecords, len(files))
	for i, file := range order {
		out[i] = files[file]
		population[i].Name, population[i].Rows = names[file], files[file].train.Rows+files[file].test.Rows
	}
	return out
}

// openState opens the directory of a simulation, or begins one.
func (o simOptions) openState(ctx context.Context) (*local.Bucket, error) {
	_, err := os.Stat(o.State)
	if errors.Is(err, fs.ErrNotExist) && !o.Resume {
		return local.Create(o.State)
	}
	if err != nil {
		return nil, err
	}
	bucket, err := local.Open(o.State)
	if err != nil {
		return nil, err
	}
	list, err := bucket.List(ctx, "")
	switch {
	case err != nil:
	case len(list) > 0 && !o.Resume:
		err = fmt.Errorf("--state %s: holds a simulation; add --resume to go on with it", o.State)
	}
	if err != nil {
		bucket.Close()
		return nil, err
	}
	return bucket, nil
}

func simProgress(p simulate.Progress) string {
	line := fmt.Sprintf("train round %d of %d, day %.2f", p.Done, p.Of, p.Days)
	if p.Metric != nil {
		line += fmt.Sprintf(", AUC %.3f", *p.Metric)
	}
	if p.Ended {
		return line
	}
	return fmt.Sprintf("%s: %s, %s", line, p.Kind, p.Phase)
}
