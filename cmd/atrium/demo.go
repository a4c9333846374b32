package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/storage/minio"
	"atrium/storage/roundlog"
)

func newDemoCommand() *cobra.Command {
	var o demoOptions
	var storage string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole federation on this machine: a coordinator and its hospitals as processes",
		Long: `Runs a coordinator and a daemon for each hospital as separate processes of this
program, which talk gRPC over mutual TLS on loopback, and trains one model from
records that never leave their hospital. Without --data it makes up four
cardiology cohorts that differ as real hospitals do.

A process that is killed is started again, as an init system would do; see
DIR/logs/pids to try it. With --standby a second coordinator goes on when the first is
killed, within ten seconds.`,
		Example: `  atrium demo
  atrium demo --data shared/data/heart-disease/split43 --json result.json
  atrium demo --hospitals 6 --model mlp --rounds 20 --seed 7
  ATRIUM_S3_ENDPOINT=http://127.0.0.1:9000 atrium demo --storage s3://atrium/demo
  atrium demo --hospitals 9 --groups 3 --plan median.yaml
  atrium demo --plan external.yaml --trainer trainer.py
  atrium demo --keep /tmp/federation      # later the same again: it goes on where it stopped`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Hospitals != 0 && o.Hospitals < 3 {
				return usageError(fmt.Errorf("--hospitals %d: a federation needs 3, and 4 to survive the loss of one", o.Hospitals))
			}
			if o.Hospitals > federation.MaxHospitals {
				return usageError(fmt.Errorf("--hospitals %d: at most %d", o.Hospitals, federation.MaxHospitals))
			}
			if cmd.Flags().Changed("groups") && o.Groups < 1 {
				return usageError(fmt.Errorf("--groups %d: want 1 or more, each of 3 hospitals or more", o.Groups))
			}
			if cmd.Flags().Changed("rounds") && (o.Rounds < 1 || o.Rounds > federation.MaxRounds) {
				return usageError(fmt.Errorf("--rounds %d: want 1 to %d", o.Rounds, federation.MaxRounds))
			}
			if o.Model != "" && o.Model != federation.Logistic && o.Model != federation.MLP {
				return usageError(fmt.Errorf("--model %q: want %s or %s", o.Model, federation.Logistic, federation.MLP))
			}
			o.SeedGiven = cmd.Flags().Changed("seed")
			var err error
			if o.Storage, o.S3, err = newStore(cmd, storage); err != nil {
				return err
			}
			return runDemo(cmd.Context(), o, newOutput(cmd))
		},
	}
	f := cmd.Flags()
	f.StringVar(&storage, "storage", "", "`s3://BUCKET/PREFIX` of the coordinator's state; the s3.* keys are in --config or ATRIUM_S3_* (default a directory in --keep)")
	addSettings(cmd, s3Settings)
	f.StringVar(&o.Keep, "keep", "", "directory for state, keys and logs; one that holds an unfinished demonstration goes on (default a temporary one)")
	f.StringVar(&o.Data, "data", "", "directory of <hospital>_train.csv and <hospital>_test.csv, or .npy, and <hospital>_columns.yaml of who has other columns (default generated cohorts)")
	f.StringVar(&o.PlanFile, "plan", "", "plan file (default the built-in cardiology plan)")
	f.StringVar(&o.Trainer, "trainer", "", "`program` of every hospital that trains a plan whose model is external")
	f.StringVar(&o.Base, "trainer-base", "", "`file` of every hospital that such a plan builds on")
	f.StringVar(&o.Model, "model", "", "logistic or mlp (default the plan's)")
	f.IntVar(&o.Hospitals, "hospitals", 0, "how many hospitals, 3 or more; 4 survive the loss of one (default all in --data, or 4)")
	f.IntVar(&o.Groups, "groups", 0, "in how many groups hospitals are summed apart, each of 3 or more; robust rules compare them (default 1)")
	f.IntVar(&o.Rounds, "rounds", 0, "train rounds (default the plan's, 40)")
	f.Uint64Var(&o.Seed, "seed", 1, "of the generated cohorts and of stochastic rounding")
	f.StringVar(&o.JSON, "json", "", "write the result to this file as one JSON object")
	f.StringVar(&o.Listen, "listen", "", "host:port of the coordinator (default a free port on 127.0.0.1)")
	f.BoolVar(&o.Standby, "standby", false, "run a second coordinator that takes over when the first is killed")
	f.BoolVar(&o.NoRestart, "no-restart", false, "do not start a killed process again")
	return cmd
}

// runDemo runs a demonstration from its directory to its table.
func runDemo(ctx context.Context, o demoOptions, out *output) error {
	started := time.Now()
	file, err := newResultFile(o.JSON)
	if err != nil {
		return err
	}
	defer file.discard()
	site, resumed, err := openDemoSite(ctx, o)
	if err != nil {
		return err
	}
	showDemoStart(out, site, resumed)
	result, err := runSite(ctx, o, site, out, started)
	if err != nil {
		return errors.Join(err, errors.New(demoAdvice(site)))
	}
	if err := file.write(result); err != nil {
		return err
	}
	showDemoResult(out, result)
	return nil
}

// demoAdvice says where an unfinished demonstration lies and how it goes on.
func demoAdvice(site demoSite) string {
	return fmt.Sprintf("state and logs are in %s; to go on: atrium demo --keep %s", site.Dir, site.Dir)
}

// runSite starts the processes, follows the log until the plan has ended and every
// hospital has reported, and stops them.
func runSite(ctx context.Context, o demoOptions, site demoSite, out *output, started time.Time) (demoResult, error) {
	charter, err := setup.LoadCharter(filepath.Join(site.coordinatorDir(), "charter.json"))
	if err != nil {
		return demoResult{}, err
	}
	bucket, there, err := openFolder(ctx, site.coordinatorDir())
	if err == nil && !there {
		err = fmt.Errorf("%s: no configuration file of the coordinator with its storage", site.coordinatorDir())
	}
	if err != nil {
		return demoResult{}, err
	}
	defer bucket.Close()
	s, err := newSupervisor(site.logs(), o.NoRestart, out.notice)
	if err != nil {
		return demoResult{}, err
	}
	running, stop := context.WithCancel(ctx)
	defer s.wait()
	defer stop()
	addresses := []string{site.Address}
	if o.Standby {
		second, err := freeAddress()
		if err != nil {
			return demoResult{}, err
		}
		addresses = append(addresses, second)
		restart := s.delay
		s.delay = func(name string) time.Duration {
			if name == demoCoordinator || name == demoStandby {
				return standbyDelay
			}
			return restart(name)
		}
	}
	for i, address := range addresses {
		s.keep(running, []string{demoCoordinator, demoStandby}[i], "coordinator", "serve", "--config", filepath.Join(site.coordinatorDir(), "atrium.yaml"),
			"--listen", address, "--addresses", address, "--"+stdinFlag)
	}
	for _, name := range site.Hospitals {
		s.keep(running, name, "hospital", "run", "--config", filepath.Join(site.hospitalDir(name), "atrium.yaml"),
			"--coordinator", strings.Join(addresses, ","), "--"+stdinFlag)
	}
	f := newFollower(bucket, charter)
	if err := followToEnd(ctx, site, f, s, out); err != nil {
		return demoResult{}, err
	}
	stop()
	s.wait()
	checkpoint, _, err := roundlog.ReadCheckpoint(ctx, bucket, charter.LogKey)
	if err != nil {
		return demoResult{}, err
	}
	head := demoLog{Size: checkpoint.Size, Root: federation.Digest(checkpoint.Root).String()}
	return collectResult(site, f, head, s.gone, started)
}

const (
	demoCoordinator = "coordinator"
	demoStandby     = "standby"
	standbyDelay    = 10 * time.Second // before a killed coordinator is started again beside another
	followInterval  = 50 * time.Millisecond
)

// followToEnd shows progress until every hospital that is still there has reported.
func followToEnd(ctx context.Context, site demoSite, f *follower, s *supervisor, out *output) error {
	defer out.progressEnds()
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	silent, leader := false, uint64(0) // the store; the term
	for {
		_, err := f.advance(ctx)
		switch unreachable := errors.Is(err, minio.ErrUnreachable); {
		case ctx.Err() != nil:
		case unreachable && !silent:
			out.notice("%v: waiting for it", err)
			silent = true
		case err != nil && !unreachable:
			return err
		case err == nil:
			silent = false
		}
		if f.state.Epoch > leader && s.kept(demoStandby) {
			if leader > 0 {
				out.notice("term %d: another coordinator leads", f.state.Epoch)
			}
			leader = f.state.Epoch
		}
		out.progress(demoProgress(site, f))
		if f.state.Finished != "" && reported(site, f, s) {
			return nil
		}
		if err := hopeless(site, f, s); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return errors.New("interrupted")
		}
	}
}

// reported: each hospital whose process is there wrote its report on the last version.
func reported(site demoSite, f *follower, s *supervisor) bool {
	for _, name := range site.Hospitals {
		r, err := client.ReadReport(filepath.Join(site.hospitalDir(name), "state"))
		if s.gone(name) == "" && (err != nil || r.Version != f.state.Model.Number) {
			return false
		}
	}
	return true
}

// hopeless says why the demonstration cannot end any more, after processes were lost.
func hopeless(site demoSite, f *follower, s *supervisor) error {
	if s.gone(demoCoordinator) != "" && (!s.kept(demoStandby) || s.gone(demoStandby) != "") {
		return errors.New("the coordinator is gone: nothing is lost, it goes on when it is started again")
	}
	var lost []string
	for _, name := range site.Hospitals {
		if s.gone(name) != "" {
			lost = append(lost, name)
		}
	}
	left := len(site.Hospitals) - len(lost)
	need := max(f.charter.MinCohort, f.charter.Threshold)
	if f.state.Finished == "" && len(lost) > 0 && left < need {
		return fmt.Errorf("%s gone: %d hospitals are left and a round needs %d (minimum cohort %d, %d of %d custodians); what was done is kept",
			strings.Join(lost, " and "), left, need, f.charter.MinCohort, f.charter.Threshold, len(f.charter.Custodians))
	}
	return nil
}

// demoProgress is one line about where the federation stands.
func demoProgress(site demoSite, f *follower) string {
	s := f.state
	line := fmt.Sprintf("train round %d of %d", s.Trained, site.Plan.Schedule.Rounds)
	if n := len(f.evaluations); n > 0 && f.evaluations[n-1].AUC != nil {
		line += fmt.Sprintf(", AUC %.3f after %d", *f.evaluations[n-1].AUC, f.evaluations[n-1].Trained)
	}
	switch {
	case s.Finished != "":
		return line + ": hospitals score it at home"
	case s.Round.Phase.Running():
		return fmt.Sprintf("%s: %s, %s, %s", line, s.Round.Kind, s.Round.Phase, round.Waiting(s))
	case f.lastReason != "" && s.Round.Phase == round.Abandoned:
		return line + ": " + f.lastReason
	}
	return line
}
