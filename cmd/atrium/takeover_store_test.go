package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"atrium/client/dataset"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/storage/location"
	"atrium/storage/minio/miniotest"
)

// TestTakeoverOnFourNodes: one of four MinIO nodes is dead; then the leader is killed
// while hospitals upload, and the standby goes on with the same round within ten seconds.
func TestTakeoverOnFourNodes(t *testing.T) {
	if os.Getenv("SLOW_TESTS") == "" {
		t.Skip("takes a minute: make slow")
	}
	s := site{t: t, dir: t.TempDir(), names: []string{"a", "b", "c"}}
	store, err := startStore(t.Context(), t.TempDir(), "minio4")
	if errors.Is(err, miniotest.ErrNoNamespace) {
		t.Skipf("NOT TESTED: %v", err)
	}
	miniotest.Check(t, err)
	t.Cleanup(store.stop)
	for i, name := range s.names {
		if err := dataset.Generate(1, i).WriteCSV(s.dir, name); err != nil {
			t.Fatal(err)
		}
	}
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 5, 0
	file, config, place := filepath.Join(s.dir, "plan.yaml"), filepath.Join(s.dir, "s3.yaml"), "s3://chaos/fed"
	s.put(file, plan)
	text := "s3:\n  endpoint: [" + strings.Join(store.s3.Endpoints, ", ") + "]\n  credentials: " + store.s3.Credentials + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addresses := ports(t, 2)
	ran(t, 0, "coordinator", "init", "--hospitals", strings.Join(s.names, ","), "--dir", filepath.Join(s.dir, "fed"), "--listen", addresses[0],
		"--plan", file, "--data", s.dir, "--storage", place, "--config", config)
	store.server.Nodes[3].Kill()

	both := s.coordinators(addresses...)
	var hospitals []*process
	for _, name := range s.names {
		hospitals = append(hospitals, started(t, "hospital", "run", s.hospital(name), "--coordinator", strings.Join(addresses, ",")))
	}
	log := s.followAt(store, place)
	reached := func(what string, is func(round.State) bool) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if _, err := log.advance(t.Context()); err != nil {
				t.Fatal(err)
			}
			if is(log.state) {
				return
			}
		}
		t.Fatalf("%s: not reached in round %d, %s", what, log.state.Round.Number, log.state.Round.Phase)
	}
	reached("the third round", func(s round.State) bool { return s.Round.Number >= 3 && s.Round.Phase == round.Collecting })
	both[0].end(t, syscall.SIGKILL)
	killed := time.Now()
	if _, err := log.advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	epoch, number := log.state.Epoch, log.state.Round.Number
	reached("another leader", func(s round.State) bool { return s.Epoch > epoch })
	took := time.Since(killed)
	t.Logf("one node of four dead, killed in round %d: another led after %v", number, took)
	if took > 10*time.Second {
		t.Errorf("takeover after %v", took)
	}
	for _, d := range hospitals {
		d.await(t, "version adopted")
	}
	if _, err := log.advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log.abandoned > 0 {
		t.Errorf("%d rounds were abandoned, the last: %s", log.abandoned, log.lastReason)
	}
	for _, d := range append(hospitals, both[1]) {
		if got := d.end(t, syscall.SIGTERM); got != 0 {
			t.Errorf("%v ends with status %d", d.cmd.Args, got)
		}
	}
	s.audits("--storage", place, "--config", config)
}

// followAt opens the log of a site in a store.
func (s site) followAt(store chaosStore, place string) *follower {
	s.t.Helper()
	charter, err := setup.LoadCharter(filepath.Join(s.coordinator(), "charter.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	s3, err := store.s3.Load()
	if err != nil {
		s.t.Fatal(err)
	}
	where, err := location.Parse(place)
	if err != nil {
		s.t.Fatal(err)
	}
	bucket, err := where.Open(s.t.Context(), s3)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { bucket.Close() })
	return newFollower(bucket, charter)
}
