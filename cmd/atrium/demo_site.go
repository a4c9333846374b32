package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"atrium/client/train/external"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
	"atrium/storage/location"
)

// demoOptions is what the flags of `atrium demo` say.
type demoOptions struct {
	Keep      string            // directory; empty: a temporary one
	Data      string            // directory of <hospital>_train.csv (.npy) and <hospital>_test.csv; empty: generated cohorts
	PlanFile  string            // empty: the built-in cardiology plan
	Model     string            // logistic or mlp; empty: the plan's
	JSON      string            // file for the result
	Listen    string            // host:port; empty: a free port on 127.0.0.1
	Storage   location.Location // S3, or nowhere: a directory
	S3        setup.S3
	Hospitals int // 0: as many as the data has, or 4
	Groups    int // 0: one, or what the demonstration has that goes on
	Rounds    int // 0: the plan's
	Seed      uint64
	SeedGiven bool // by a flag; else a demonstration that goes on keeps its own
	NoRestart bool
	Standby   bool   // a second coordinator
	Trainer   string // program of external models; empty: none
	Base      string // file that the plan's model builds on
}

// demoSite is the directory of one demonstration. Its file demo.json makes it possible
// to go on after an interruption.
type demoSite struct {
	Dir       string          `json:"-"`
	Seed      uint64          `json:"seed"`
	Data      string          `json:"data"`              // absolute; of the files of records
	Address   string          `json:"address"`           // of the coordinator
	Storage   string          `json:"storage,omitempty"` // s3://BUCKET/PREFIX; empty: a directory
	Hospitals []string        `json:"hospitals"`
	Groups    int             `json:"groups,omitempty"` // summed apart; 0: one
	Plan      federation.Plan `json:"-"`
}

const (
	demoFile       = "demo.json"
	demoFederation = "federation" // folder that `coordinator init` would write
	demoHidden     = 16           // units of the hidden layer that --model mlp means
	demoHospitals  = 4
)

func (s demoSite) coordinatorDir() string { return filepath.Join(s.Dir, demoFederation, "coordinator") }
func (s demoSite) store() string {
	return cmp.Or(s.Storage, filepath.Join(s.coordinatorDir(), "state"))
}
func (s demoSite) logs() string { return filepath.Join(s.Dir, "logs") }
func (s demoSite) hospitalDir(name string) string {
	return filepath.Join(s.Dir, demoFederation, "hospitals", name)
}

// openDemoSite creates the directory of a demonstration, or takes up the one that an
// interrupted demonstration left; resumed says which.
func openDemoSite(ctx context.Context, o demoOptions) (site demoSite, resumed bool, err error) {
	if o.Keep != "" {
		site, err := loadDemoSite(o.Keep)
		if err == nil {
			return site, true, site.sameAs(o)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return demoSite{}, false, err
		}
	}
	site, err = planDemoSite(o)
	if err != nil {
		return demoSite{}, false, err
	}
	if site.Dir == "" {
		if site.Dir, err = os.MkdirTemp("", "atrium-demo-"); err != nil {
			return demoSite{}, false, err
		}
	} else if err := requireEmpty(site.Dir); err != nil {
		return demoSite{}, false, err
	}
	address, err := demoAddress(o.Listen)
	if err != nil {
		return demoSite{}, false, err
	}
	return site, false, site.create(ctx, address, o)
}

// requireEmpty makes a directory, and refuses one that holds something else.
func requireEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("%s: is not empty and not the directory of a demonstration", dir)
	}
	return err
}

func loadDemoSite(dir string) (demoSite, error) {
	b, err := os.ReadFile(filepath.Join(dir, demoFile))
	if err != nil {
		return demoSite{}, err
	}
	site := demoSite{}
	if site.Dir, err = filepath.Abs(dir); err != nil {
		return site, err
	}
	if err := json.Unmarshal(b, &site); err != nil {
		return site, fmt.Errorf("%s: %w", filepath.Join(dir, demoFile), err)
	}
	site.Plan, err = setup.LoadPlan(filepath.Join(site.coordinatorDir(), "plan.yaml"))
	return site, err
}

// sameAs refuses flags that say something else than the demonstration which goes on.
func (s demoSite) sameAs(o demoOptions) error {
	data, err := filepath.Abs(o.Data)
	if err != nil {
		return err
	}
	if o.PlanFile != "" {
		plan, err := setup.LoadPlan(o.PlanFile)
		if err != nil {
			return err
		}
		if plan.Digest() != s.Plan.Digest() {
			return usageError(fmt.Errorf("--plan %s: the demonstration in %s has another plan; choose another --keep", o.PlanFile, s.Dir))
		}
	}
	switch {
	case o.Rounds != 0 && o.Rounds != s.Plan.Schedule.Rounds:
		return usageError(fmt.Errorf("--rounds %d: the demonstration in %s has %d; choose another --keep", o.Rounds, s.Dir, s.Plan.Schedule.Rounds))
	case o.Hospitals != 0 && o.Hospitals != len(s.Hospitals):
		return usageError(fmt.Errorf("--hospitals %d: the demonstration in %s has %d; choose another --keep", o.Hospitals, s.Dir, len(s.Hospitals)))
	case o.Groups != 0 && o.Groups != max(s.Groups, 1):
		return usageError(fmt.Errorf("--groups %d: the demonstration in %s has %d; choose another --keep", o.Groups, s.Dir, max(s.Groups, 1)))
	case o.Data != "" && data != s.Data:
		return usageError(fmt.Errorf("--data %s: the demonstration in %s uses %s; choose another --keep", o.Data, s.Dir, s.Data))
	case o.Model != "" && o.Model != s.Plan.Model.Kind:
		return usageError(fmt.Errorf("--model %s: the demonstration in %s trains %s; choose another --keep", o.Model, s.Dir, s.Plan.Model.Kind))
	case o.Storage.S3() && o.Storage.String() != s.Storage:
		return usageError(fmt.Errorf("--storage %s: the demonstration in %s uses %s; choose another --keep", o.Storage, s.Dir, s.store()))
	case o.Listen != "" && o.Listen != s.Address:
		return usageError(fmt.Errorf("--listen %s: the demonstration in %s listens on %s; choose another --keep", o.Listen, s.Dir, s.Address))
	case o.SeedGiven && o.Seed != s.Seed:
		return usageError(fmt.Errorf("--seed %d: the demonstration in %s has %d; choose another --keep", o.Seed, s.Dir, s.Seed))
	}
	return nil
}

// planDemoSite works out plan, records and hospitals, and reads every file once, so
// that whatever is wrong with them is said before anything is made.
func planDemoSite(o demoOptions) (demoSite, error) {
	site := demoSite{Seed: o.Seed, Groups: o.Groups, Plan: plans.Cardiology()}
	var err error
	if o.PlanFile != "" {
		if site.Plan, err = setup.LoadPlan(o.PlanFile); err != nil {
			return site, err
		}
	}
	if o.Rounds > 0 {
		site.Plan.Schedule.Rounds = o.Rounds
	}
	if o.Model != "" && o.Model != site.Plan.Model.Kind {
		site.Plan.Model = federation.Model{Kind: o.Model}
		if o.Model == federation.MLP {
			site.Plan.Model.Hidden = []int{demoHidden}
		}
	}
	if err := site.Plan.Validate(); err != nil {
		return site, err
	}
	if site.Plan.Model.Kind == federation.External && o.Trainer == "" {
		return site, usageError(errors.New("the plan's model is external: --trainer FILE names the program that trains it"))
	}
	if o.Keep != "" {
		if site.Dir, err = filepath.Abs(o.Keep); err != nil {
			return site, err
		}
	}
	if o.Data == "" {
		for i := range cmp.Or(o.Hospitals, demoHospitals) {
			name, _, err := generator(site.Plan, site.Seed, i)
			if err != nil {
				return site, err
			}
			site.Hospitals = append(site.Hospitals, name)
		}
		return site, nil
	}
	return site, site.findRecords(o)
}

// findRecords lists the hospitals of a data directory and reads their files.
func (s *demoSite) findRecords(o demoOptions) error {
	var err error
	if s.Data, err = filepath.Abs(o.Data); err != nil {
		return err
	}
	if s.Hospitals, err = s.records().hospitals(o.Hospitals); err != nil {
		return err
	}
	for _, name := range s.Hospitals {
		if _, _, err := s.records().read(name); err != nil {
			return err
		}
	}
	return nil
}

func (s demoSite) records() recordFolder { return recordFolder{s.Data, s.Plan} }

// create writes records, certificates, keys, charter and log beside the directory and
// moves it into place as a whole, so that what was interrupted is not in the way.
func (s *demoSite) create(ctx context.Context, address string, o demoOptions) error {
	s.Address, s.Storage = address, o.Storage.String()
	build, err := os.MkdirTemp(filepath.Dir(s.Dir), "."+filepath.Base(s.Dir)+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(build) // nothing is there any more when it was moved
	if s.Data == "" {
		s.Data = filepath.Join(s.Dir, "data")
		folder := filepath.Join(build, "data")
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
		if _, err := (recordFolder{folder, s.Plan}).generate(s.Seed, len(s.Hospitals)); err != nil {
			return err
		}
	}
	trainer, err := demoTrainer(o)
	if err != nil {
		return err
	}
	_, err = setup.Init(ctx, setup.Options{Dir: filepath.Join(build, demoFederation), Federation: "demo", Hospitals: s.Hospitals, Groups: max(1, s.Groups),
		Numbers: federation.Tolerant(len(s.Hospitals), s.Groups),
		Address: address, Plan: s.Plan, ShowNames: true, Data: s.records().files, Columns: s.records().columns, Source: demoSource, Trainer: trainer, RoundingSeed: &s.Seed, Storage: o.Storage, S3: o.S3})
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(build, "logs"), 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(build, demoFile), append(b, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Remove(s.Dir); err != nil { // it is empty
		return err
	}
	return os.Rename(build, s.Dir)
}

// demoSource is where a demonstration's hospitals remember what their records answered, from
// the folder of each: its own, because another demonstration on the same records tells the
// one machine that plays all hospitals nothing new.
var demoSource = filepath.Join("..", "..", "..", "source")

// demoTrainer is the program that every hospital's configuration names.
func demoTrainer(o demoOptions) (t setup.Trainer, err error) {
	if o.Trainer == "" {
		return t, nil
	}
	if t.Program, err = filepath.Abs(o.Trainer); err != nil {
		return t, err
	}
	b, err := setup.ReadFile(o.Trainer, external.MaxProgramBytes)
	if err != nil {
		return t, err
	}
	t.SHA256 = federation.Sum(b).String()
	if o.Base != "" {
		t.Base, err = filepath.Abs(o.Base)
	}
	return t, err
}

// demoAddress is the address asked for, if it is free, or a free one.
func demoAddress(listen string) (string, error) {
	if listen == "" {
		return freeAddress()
	}
	return listen, requireFree(listen)
}

// freeAddress asks the system for a port on loopback.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// requireFree says early and in one line that a port is taken.
func requireFree(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", address, err)
	}
	return l.Close()
}
