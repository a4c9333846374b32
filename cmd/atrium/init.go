package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

// initFlags is what the flags of `coordinator init` say.
type initFlags struct {
	options   setup.Options
	numbers   numberFlags
	plan      string
	data      string
	storage   string
	hideNames bool
	json      bool
}

func newInitCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init --hospitals NAME,NAME,NAME,... --dir DIR",
		Short: "Make a federation: charter, keys, and a folder for each hospital",
		Long: `Makes the charter, a certificate authority, all keys and the log of a new federation:
DIR/coordinator for the research centre and DIR/hospitals/NAME for each hospital to
run from. DIR appears whole or not at all.

With --storage the log begins in a folder of an S3 bucket, which must exist and keep what
a log relies on: conditional writes are tried first. How the store is reached stands in
the keys s3.* of --config, or in ATRIUM_S3_* of the environment, and goes into the
coordinator's configuration file; of credentials only the name of their file does.

Without more flags the charter is the one that gives least away: up to 21 custodians, and
in groups of five hospitals or fewer every sum is over all of them, so that a round waits
for who is absent. What a weaker choice gives away is said in a sentence.

All keys are drawn on this machine: whoever runs this could keep copies.`,
		Example: `  atrium coordinator init --hospitals a,b,c,d --dir fed
  atrium coordinator init --hospitals a,b,c,d --dir fed --storage s3://atrium/fed --config s3.yaml
  atrium coordinator init --hospitals a,b,c,d --dir fed --plan plan.yaml --address atrium.example.org:7443 --listen 0.0.0.0:7443`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.options.Hospitals, "hospitals", nil, "`names` of the hospitals, 3 or more, with commas between")
	flags.StringVar(&f.options.Dir, "dir", "", "`directory` to make; absent or empty")
	flags.StringVar(&f.options.Federation, "federation", "federation", "`name` of the federation")
	flags.StringVar(&f.options.Authority, "authority", "", "`directory` of another federation, whose certificate authority this one has too, to be served beside it")
	flags.StringVar(&f.options.Listen, "listen", "", "`host:port` on which the coordinator listens (default that of --address)")
	flags.StringVar(&f.options.Address, "address", "", "`host:port` at which hospitals reach it (default that of --listen, or 127.0.0.1:7443)")
	flags.StringVar(&f.storage, "storage", "", "`s3://BUCKET/PREFIX` for the log (default a directory in the coordinator's folder)")
	addSettings(cmd, s3Settings)
	flags.StringVar(&f.plan, "plan", "", "training plan `file` (default the built-in cardiology plan)")
	flags.StringVar(&f.data, "data", "", "`directory` of NAME_train.csv and NAME_test.csv, or .npy, and NAME_columns.yaml of who has other columns (default train.csv and test.csv in each hospital's folder)")
	flags.IntVar(&f.options.Groups, "groups", 0, "`number` of groups that are summed apart, of at least 3 hospitals in the order named (default 1; 2 for hospitals three times --min-cohort or more)")
	f.numbers.add(flags)
	addRetentionFlags(flags, &f.options.Retention)
	flags.BoolVar(&f.hideNames, "hide-names", false, "leave the hospitals' names out of the charter")
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
	return cmd
}

func (f initFlags) run(cmd *cobra.Command) error {
	o := f.options
	switch {
	case len(o.Hospitals) == 0:
		return usageError(fmt.Errorf("--hospitals is missing: name 3 or more, such as --hospitals a,b,c,d"))
	case o.Dir == "":
		return usageError(fmt.Errorf("--dir is missing: name the directory to make"))
	}
	if o.Address == "" {
		o.Address = o.Listen
	}
	o.Numbers, o.ShowNames, o.Plan = f.numbers.chosen(cmd.Flags()), !f.hideNames, plans.Cardiology()
	var err error
	if f.plan != "" {
		if o.Plan, err = setup.LoadPlan(f.plan); err != nil {
			return err
		}
	}
	if f.data != "" {
		dir, err := filepath.Abs(f.data)
		if err != nil {
			return err
		}
		records := recordFolder{dir, o.Plan}
		o.Data, o.Columns = records.files, records.columns
	}
	if o.Storage, o.S3, err = newStore(cmd, f.storage); err != nil {
		return err
	}
	r, err := setup.Init(cmd.Context(), o)
	if err != nil {
		return err
	}
	if f.json {
		return newOutput(cmd).json(madeOf(r))
	}
	newOutput(cmd).made(r, o.Dir, f.data != "")
	return nil
}

// made is what `coordinator init --json` prints.
type made struct {
	Federation  string            `json:"federation"`
	Charter     federation.Digest `json:"charter"`
	Plan        string            `json:"plan"`
	PlanDigest  federation.Digest `json:"plan_digest"`
	Threshold   int               `json:"threshold"`
	Custodians  int               `json:"custodians"`
	MaxHostile  int               `json:"max_hostile"`
	HostileIn   int               `json:"max_hostile_members"` // of a group
	MinCohort   int               `json:"min_cohort"`
	Cohort      string            `json:"cohort"` // all, or k
	Guard       float64           `json:"guard,omitzero"`
	Groups      int               `json:"groups"`
	Warnings    []string          `json:"warnings"`
	Coordinator string            `json:"coordinator"`
	Storage     string            `json:"storage"`
	Hospitals   []madeHospital    `json:"hospitals"`
}

type madeHospital struct {
	Name   string                `json:"name"`
	ID     federation.HospitalID `json:"id"`
	Folder string                `json:"folder"`
}

func madeOf(r setup.Result) made {
	m := made{Federation: r.Charter.Federation, Charter: r.Charter.Digest(), Plan: r.Plan.Name, PlanDigest: r.Plan.Digest(),
		Threshold: r.Charter.Threshold, Custodians: len(r.Charter.Custodians), MaxHostile: r.Charter.MaxHostile,
		MinCohort: r.Charter.MinCohort, HostileIn: r.Charter.MaxHostileMembers, Cohort: r.Charter.CohortWord(), Guard: r.Charter.Guard, Groups: len(r.Charter.Groups), Warnings: append([]string{}, r.Warnings...), Coordinator: r.Coordinator, Storage: r.Storage}
	for _, h := range r.Hospitals {
		m.Hospitals = append(m.Hospitals, madeHospital{h.Name, h.ID, h.Folder})
	}
	return m
}

// made prints what was made, and what to do next in lines to copy.
func (o *output) made(r setup.Result, dir string, data bool) {
	c := r.Charter
	facts := [][2]string{
		{"federation", fmt.Sprintf("%s, %d hospitals", c.Federation, len(c.Members))},
		{"charter", c.Digest().String()},
		{"plan", fmt.Sprintf("%s %s", r.Plan.Name, r.Plan.Digest().Short())},
		{"rounds need", fmt.Sprintf("%s in a sum, %d of %d custodians to open it", c.Summed(), c.Threshold, len(c.Custodians))},
		{"may be hostile", fmt.Sprintf("f = %d of the custodians, h = %d of a group", c.MaxHostile, c.MaxHostileMembers)},
		{"groups", fmt.Sprint(len(c.Groups))},
	}
	if c.Cohort != federation.CohortAll && r.Plan.Schedule.EvaluateEvery > 0 {
		facts = append(facts, [2]string{"evaluations", federation.SteadyWords})
	}
	o.pairs(facts)
	o.warnings(r.Warnings)
	first := filepath.Join(dir, "hospitals", r.Hospitals[0].Name)
	files := "train.csv and test.csv"
	if r.Plan.Arrays() {
		files = "train.npy, train.labels.npy, test.npy and test.labels.npy"
	}
	records := "# copy each hospital's records to " + filepath.Join(dir, "hospitals", "NAME", files)
	if data {
		records = "# the hospitals' records are read where they lie"
	}
	o.lines([]string{"", "next:",
		"  " + records,
		"  atrium coordinator serve " + filepath.Join(dir, "coordinator"),
		"  atrium hospital run " + first + "   # and so for each hospital, on its own machine",
		"  atrium coordinator status " + filepath.Join(dir, "coordinator"),
		"  atrium audit verify --state " + dir + " --charter-digest " + c.Digest().String() + " --checkpoint " + keptIn(filepath.Join(dir, "hospitals")),
		"  # then keep " + filepath.Join(dir, "ca.key") + " where no network reaches it"})
}
