package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// The program that `make chaos` builds: atrium with two commands more, "run" for the run
// itself and "onehot" for its hospitals. It is this package's test binary under another
// name, so that no user has it.
//
// A run is a federation of processes that go on while they are killed, stopped and cut
// off. Afterwards the log says which updates it acknowledged and each result which it
// holds (chaos_tally_test.go). What happens to whom follows from the seed
// (chaos_faults_test.go); how long everything else takes does not, so that a seed repeats
// a run as weather repeats.
func chaosMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRootCommand()
	root.AddCommand(newChaosCommand(), newOneHotCommand(), newSlowlyCommand())
	root.SetArgs(os.Args[1:])
	os.Exit(report(os.Stderr, root.ExecuteContext(ctx)))
}

// chaosOptions is what the flags of a run say.
type chaosOptions struct {
	Rounds       int
	Seed         uint64
	Storage      string
	Hospitals    int
	Groups       int
	Coordinators int
	Keep         string
	Wedge        time.Duration
}

func newChaosCommand() *cobra.Command {
	var o chaosOptions
	cmd := &cobra.Command{
		Use: "run", Args: noArguments,
		Short: "Run rounds between processes that are killed, stopped and cut off",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Hospitals < 4 || o.Hospitals > 6 {
				return usageError(fmt.Errorf("--hospitals %d: want 4 to 6", o.Hospitals))
			}
			if o.Wedge == 0 {
				o.Wedge = patience(o.Storage)
			}
			return runChaos(cmd.Context(), o, newOutput(cmd))
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Rounds, "rounds", 200, "train rounds that must be done")
	f.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "what happens to whom")
	f.StringVar(&o.Storage, "storage", "local", "local, minio or minio4")
	f.IntVar(&o.Hospitals, "hospitals", chaosHospitals, "how many")
	f.IntVar(&o.Groups, "groups", 1, "in how many groups they are summed apart")
	f.IntVar(&o.Coordinators, "coordinators", chaosCoordinators, "how many: one leads, the others stand by")
	f.StringVar(&o.Keep, "keep", "", "empty directory for state and logs (default a temporary one, removed after success)")
	f.DurationVar(&o.Wedge, "wedge", 0, "no step towards the end of a round for so long, while all are there, is a wedge (default 1m; 3m with minio4)")
	return cmd
}

// patience is how long a run waits for the next step when all are there: more than a
// keep-alive takes to fail on both sides. A MinIO node that is killed while it writes an
// object keeps the object's lock on the others for up to two minutes.
func patience(storage string) time.Duration {
	if storage == "minio4" {
		return 3 * time.Minute
	}
	return time.Minute
}

// again is the command that repeats a run.
func (o chaosOptions) again() string {
	if o.Hospitals == chaosHospitals && o.Groups == 1 && o.Coordinators == chaosCoordinators {
		return fmt.Sprintf("make chaos ROUNDS=%d SEED=%d STORAGE=%s", o.Rounds, o.Seed, o.Storage)
	}
	return fmt.Sprintf(".tools/chaos/chaos run --rounds %d --seed %d --storage %s --hospitals %d --groups %d --coordinators %d",
		o.Rounds, o.Seed, o.Storage, o.Hospitals, o.Groups, o.Coordinators)
}

// What a run has if nothing else is asked for.
const (
	chaosHospitals    = 4
	chaosCoordinators = 2
)

// runChaos is a whole run. Its last line on standard output is the verdict.
func runChaos(ctx context.Context, o chaosOptions, out *output) error {
	dir, remove, err := benchOptions{Keep: o.Keep}.directory()
	if err != nil {
		return err
	}
	c, err := newChaos(ctx, dir, o, out)
	if err != nil {
		return err
	}
	defer c.close()
	started := time.Now()
	wedged, err := c.play(ctx)
	if err != nil {
		return fmt.Errorf("%w\nseed %d, logs and faults.log are in %s", err, o.Seed, c.site.logs())
	}
	t, err := c.verdict(ctx)
	if err != nil {
		return fmt.Errorf("%w\nseed %d, state and logs are in %s", err, o.Seed, dir)
	}
	for _, outcome := range sortedKeys(t.outcomes) {
		out.line("%5d %s", t.outcomes[outcome], outcome)
	}
	for _, kind := range sortedKeys(c.applied) {
		out.line("%5d %s", c.applied[kind], kind)
	}
	for _, n := range slices.Sorted(maps.Keys(t.ended)) {
		if !c.hurt[n] {
			out.line("round %d was abandoned although nothing happened in it or shortly before: %s", n, t.ended[n])
		}
	}
	out.lines(t.wrong)
	out.line("%d updates summed once, %d left out with a reason, %d noted by hospitals; %s; to repeat: %s",
		t.summed, t.leftOut, t.told, time.Since(started).Round(time.Second), o.again())
	out.line("%d rounds, %d faults, %d updates acknowledged, %d lost, %d counted twice, %d wedged",
		t.rounds, c.faults(), t.acknowledged, t.lost, t.twice, wedged)
	if t.lost+t.twice+wedged > 0 {
		return fmt.Errorf("seed %d: state and logs are in %s", o.Seed, dir)
	}
	return remove()
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

// verdict audits the log and counts.
func (c *chaos) verdict(ctx context.Context) (*tally, error) {
	anchors, err := anchorsIn(filepath.Dir(c.site.coordinatorDir()))
	if err != nil {
		return nil, err
	}
	for _, what := range []string{"verify", "replay"} {
		args := append([]string{"audit", what, "--state", c.site.coordinatorDir()}, anchors...)
		out, err := exec.CommandContext(ctx, c.processes.program, args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "OK: ") {
			return nil, fmt.Errorf("audit %s: %w\n%s", what, err, out)
		}
	}
	t, err := count(ctx, c.bucket, c.follower.charter, c.roster)
	if err != nil {
		return nil, err
	}
	for u := range c.seen { // while it ran
		if !t.updates[u] {
			t.lost++
			t.wrong = append(t.wrong, fmt.Sprintf("submission %s of %s was in the log and is not any more", u.blob, u.hospital))
		}
	}
	for i, name := range c.site.hospitals {
		if err := t.acknowledgedTo(c.roster[i], filepath.Join(c.site.logs(), name+".log")); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// TestChaos is a short run.
func TestChaos(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "chaos", "run", "--rounds", "6", "--seed", "7").CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	verdict := regexp.MustCompile(`^\d+ rounds, [1-9]\d* faults, [1-9]\d* updates acknowledged, 0 lost, 0 counted twice, 0 wedged$`)
	noted := regexp.MustCompile(`(?m)^[1-9]\d* updates summed once, \d+ left out with a reason, [1-9]\d* noted by hospitals; `)
	if err != nil || !verdict.MatchString(lines[len(lines)-1]) || !noted.Match(out) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
