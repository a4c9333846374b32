package main

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/client/audit"
	"atrium/client/train"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// newSlowlyCommand is a daemon like that of `atrium hospital run` on a slower machine.
func newSlowlyCommand() *cobra.Command {
	var step time.Duration
	cmd := &cobra.Command{
		Use: "slowly", Args: noArguments,
		Short: "Run a hospital's daemon whose every training step takes a while",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, hospitalSettings)
			if err != nil {
				return err
			}
			return runDaemon(cmd, func(ctx context.Context) error {
				return runHospital(ctx, cmd, c, func(cfg *client.Config) {
					trainer, err := train.New(cfg.Plan.Model, cfg.Plan.Inputs(), 1000)
					if err != nil {
						panic(err)
					}
					cfg.Trainer = slowly{trainer, step}
				})
			})
		},
	}
	addSettings(cmd, hospitalSettings)
	addStdinFlag(cmd)
	cmd.Flags().DurationVar(&step, "step", time.Second, "that a step takes")
	return cmd
}

// slowly is a train.Trainer that takes its time in a round.
type slowly struct {
	train.Trainer
	step time.Duration
}

func (s slowly) Train(ctx context.Context, base, correction, x, y []float32, rows int, local federation.Local, seed uint64) ([]float32, float64, error) {
	select {
	case <-time.After(time.Duration(local.StepsOf(rows)) * s.step):
		return s.Trainer.Train(ctx, base, correction, x, y, rows, local, seed)
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

// TestUnequalHospitals: of seven processes one trains for twenty minutes and one takes as
// many steps as it can. Train rounds draw five hospitals, are content with four, wait for
// nobody, and the stop rule ends the plan; the audit passes over all of it.
func TestUnequalHospitals(t *testing.T) {
	plan := plans.Cardiology()
	plan.Local.Steps, plan.Local.Epochs, plan.Local.ProxMu = 40, 0, 0.01
	plan.Local.PartialWork = federation.PartialWork{Least: 0.05}
	plan.Schedule = federation.Schedule{Rounds: 40, EvaluateEvery: 1, GatherSeconds: 20, UpdateSeconds: 20, OpenSeconds: 20, GraceSeconds: 1,
		Deadline: federation.Deadline{Mode: federation.DeadlineAuto, Least: 4, Quantile: 0.5, Factor: 2},
		Cohort:   federation.Cohort{Size: 4, Extra: 0.25},
		Stop:     federation.Stop{Metric: federation.MetricAUC, Patience: 3, MinDelta: 0.02}}
	const tooSlow, slow = "f", "g"
	s := newSiteWith(t, plan, []string{"a", "b", "c", "d", "e", tooSlow, slow}, "--min-cohort", "4")
	began := time.Now()
	lead := started(t, "coordinator", "serve", s.coordinator())
	var daemons []*process
	for _, name := range s.names {
		switch name {
		case tooSlow:
			daemons = append(daemons, startedAs(t, "chaos", "slowly", "--step", "30s", "--config", s.hospital(name)+"/atrium.yaml"))
		case slow:
			daemons = append(daemons, startedAs(t, "chaos", "slowly", "--step", "100ms", "--config", s.hospital(name)+"/atrium.yaml"))
		default:
			daemons = append(daemons, started(t, "hospital", "run", s.hospital(name)))
		}
	}
	daemons[0].await(t, "version adopted")
	took := time.Since(began)
	for _, d := range append(daemons, lead) {
		if got := d.end(t, os.Interrupt); got != 0 {
			t.Errorf("%v ends with status %d", d.cmd.Args, got)
		}
	}
	i := s.inspect()
	if want := regexp.MustCompile(`^auc did not rise by more than 0\.02, evaluations in a row: 3; the best is 0\.\d{4} of version \d+, after \d+ of 40 train rounds$`); !want.MatchString(i.Finished) ||
		i.Scored == nil || i.Scored.Waited != 3 || i.Trained >= 40 || i.Trained != i.Scored.Count {
		t.Errorf("after %d rounds, %+v, it ended: %s", i.Trained, i.Scored, i.Finished)
	}
	if out, _ := ran(t, 0, "coordinator", "status", s.coordinator()); !regexp.MustCompile(`stop rule +auc 0\.\d+, the best 0\.`).MatchString(out) || !strings.Contains(out, i.Finished) {
		t.Errorf("status:\n%s", out)
	}
	s.checkRounds(i.Finished, tooSlow)
	s.audits()
	t.Logf("%d train rounds took %v: %s", i.Trained, took, i.Finished)
}

// checkRounds looks at what the log tells of the train rounds.
func (s site) checkRounds(finished, tooSlow string) {
	s.t.Helper()
	b, there, err := openFolder(s.t.Context(), s.coordinator())
	if err != nil || !there {
		s.t.Fatalf("open the storage: %v", err)
	}
	defer b.Close()
	h, err := audit.Show(s.t.Context(), b, 0, audit.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if last := h.Events[len(h.Events)-1]; last.Words != "the plan ended: "+finished {
		s.t.Errorf("the last event is %q", last.Words)
	}
	times, draws := map[string]int{}, map[string]bool{}
	rounds := 0
	for _, e := range h.Events {
		r := e.Round
		if r == nil || r.Kind != federation.Train || r.Phase != round.Done {
			continue
		}
		rounds++
		draws[strings.Join(r.Asked, " ")] = true
		for _, name := range r.S {
			times[name]++
		}
		for _, name := range r.S {
			if !slices.Contains(r.Asked, name) {
				s.t.Errorf("round %d sums %s, which was not drawn", r.Number, name)
			}
		}
		if len(r.Asked) != 5 || len(r.S) < 4 || slices.Contains(r.S, tooSlow) || r.Updates < 4*time.Second || r.Updates > 20*time.Second {
			s.t.Errorf("round %d draws %v, sums %v, waits %v", r.Number, r.Asked, r.S, r.Updates)
		}
	}
	if rounds < 4 || len(draws) < 2 { // four draws of five from seven are the same once in 9,000 runs
		s.t.Errorf("%d rounds with %d cohorts", rounds, len(draws))
	}
	s.t.Logf("sums by hospital: %v", times)
}
