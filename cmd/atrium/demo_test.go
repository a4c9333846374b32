package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"atrium/coordinator"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/roundlog"
)

// The tests in this file run the program as processes, over real TLS.

// demo is a running `atrium demo`.
type demo struct {
	t    *testing.T
	dir  string
	json string
	cmd  *exec.Cmd
	out  bytes.Buffer
	err  bytes.Buffer
}

func startDemo(t *testing.T, dir string, args ...string) *demo {
	t.Helper()
	d := &demo{t: t, dir: dir, json: filepath.Join(t.TempDir(), "result.json")}
	d.cmd = exec.CommandContext(t.Context(), "atrium", append([]string{"demo", "--keep", dir, "--json", d.json}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.err
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// result waits for a demonstration that must succeed.
func (d *demo) result() demoResult {
	d.t.Helper()
	if err := d.cmd.Wait(); err != nil {
		d.t.Fatalf("%v\n%s%s", err, d.out.Bytes(), d.err.Bytes())
	}
	b, err := os.ReadFile(d.json)
	if err != nil {
		d.t.Fatal(err)
	}
	var r demoResult
	if err := json.Unmarshal(b, &r); err != nil {
		d.t.Fatal(err)
	}
	if !strings.Contains(d.out.String(), "pooled test AUC") || d.out.Len() == 0 {
		d.t.Errorf("no table:\n%s", d.out.Bytes())
	}
	return r
}

// eventually polls for something that other processes do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range 6000 {
		if done() {
			return
		}
		<-ticker.C
	}
	t.Fatalf("%s: not within a minute", what)
}

// batches waits until the log has n batches: the demonstration is under way.
func (d *demo) batches(n int64) {
	d.t.Helper()
	name := filepath.Join(demoSite{Dir: d.dir}.store(), filepath.FromSlash(storage.Batch(n)))
	eventually(d.t, name, func() bool { _, err := os.Stat(name); return err == nil })
}

// pids reads which process is whose.
func (d *demo) pids() map[string]int {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, "logs", "pids"))
	if err != nil {
		d.t.Fatal(err)
	}
	list := map[string]int{}
	for line := range strings.Lines(string(b)) {
		var pid int
		var name string
		if _, err := fmt.Sscan(line, &pid, &name); err != nil {
			d.t.Fatalf("%q: %v", line, err)
		}
		list[name] = pid
	}
	return list
}

func (d *demo) kill(names ...string) {
	d.t.Helper()
	pids := d.pids()
	for _, name := range names {
		if pids[name] <= 0 { // 0 would be this process and all of its group
			d.t.Fatalf("kill %s: no such process in %v", name, pids)
		}
		if err := syscall.Kill(pids[name], syscall.SIGKILL); err != nil {
			d.t.Fatalf("kill %s: %v", name, err)
		}
	}
}

// requireAudit verifies and replays the store of a demonstration with the commands.
func requireAudit(t *testing.T, r demoResult) {
	t.Helper()
	for _, what := range []string{"verify", "replay"} {
		args := append([]string{"audit", what, "--storage", r.Store}, anchored(t, filepath.Join(r.StateDir, demoFederation))...)
		out, err := exec.Command("atrium", args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "OK: ") {
			t.Errorf("audit %s: %v\n%s", what, err, out)
		}
	}
}

// requireVersion checks that nothing was lost or done twice: one version for the
// statistics and one for each train round.
func requireVersion(t *testing.T, r demoResult, rounds int) {
	t.Helper()
	if r.Rounds != rounds || r.Version != uint64(rounds)+1 {
		t.Errorf("version %d after %d train rounds: want %d after %d", r.Version, r.Rounds, rounds+1, rounds)
	}
}

const split43 = "../../../shared/data/heart-disease/split43"

// requireRecords skips a test where the real records are not there; make test and a CI
// run say so.
func requireRecords(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(split43); err != nil {
		t.Skipf("DATA ABSENT: %s", split43)
	}
}

func TestDemoOnRealRecords(t *testing.T) {
	t.Parallel()
	requireRecords(t)
	r := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--data", split43).result()
	requireVersion(t, r, 40)
	if r.PooledAUC == nil || *r.PooledAUC < 0.871 || r.PooledAccuracy < 0.77 {
		t.Errorf("pooled AUC %s, accuracy %.3f: want at least 0.871 and 0.77", number(r.PooledAUC), r.PooledAccuracy)
	}
	if r.PooledAUCEncrypted == nil || *r.PooledAUCEncrypted < *r.PooledAUC-0.002 || *r.PooledAUCEncrypted > *r.PooledAUC+0.002 {
		t.Errorf("AUC from encrypted histograms %s beside %s exact", number(r.PooledAUCEncrypted), number(r.PooledAUC))
	}
	mean := 0.0
	for _, h := range r.Hospitals {
		if h.AUC == nil {
			t.Fatalf("%s has no AUC", h.Name)
		}
		if h.Name != "switzerland" {
			mean += *h.AUC / 3
		}
		if h.BytesSent == 0 || h.Rows == 0 {
			t.Errorf("%s: %d rows, %d bytes sent", h.Name, h.Rows, h.BytesSent)
		}
	}
	if len(r.Hospitals) != 4 || mean < 0.828 {
		t.Errorf("mean AUC of cleveland, hungarian and va is %.4f over %d hospitals: want at least 0.828", mean, len(r.Hospitals))
	}
	t.Logf("AUC %.4f, mean of three %.4f, accuracy %.4f, %.1f s", *r.PooledAUC, mean, r.PooledAccuracy, r.WallSeconds)
	requireAudit(t, r)
}

// TestDemoEncryptionCostsNoAccuracy: 100 encrypted rounds of the plan whose plaintext
// result is known.
func TestDemoEncryptionCostsNoAccuracy(t *testing.T) {
	t.Parallel()
	requireRecords(t)
	b, err := os.ReadFile(filepath.Join(split43, "..", "golden_flamby_split.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		FedAvg struct {
			AUC map[string]float64 `json:"test_auc"`
		} `json:"fedavg_100rounds_10fullbatch_steps_lr0.1"`
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	want := golden.FedAvg.AUC["pooled"]
	r := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--data", split43, "--rounds", "100").result()
	if r.PooledAUC == nil || want == 0 || *r.PooledAUC < want-0.001 || *r.PooledAUC > want+0.001 {
		t.Errorf("pooled AUC %s after 100 encrypted rounds: in plaintext it is %.4f", number(r.PooledAUC), want)
	}
}

func TestDemoSameSeedSameModel(t *testing.T) {
	t.Parallel()
	first := startDemo(t, filepath.Join(t.TempDir(), "a"), "--rounds", "3", "--seed", "7", "--model", "mlp").result()
	second := startDemo(t, filepath.Join(t.TempDir(), "b"), "--rounds", "3", "--seed", "7", "--model", "mlp").result()
	if filepath.Base(first.Snapshot) != filepath.Base(second.Snapshot) {
		t.Errorf("the same seed gave %s and %s", first.Snapshot, second.Snapshot)
	}
	other := startDemo(t, filepath.Join(t.TempDir(), "c"), "--rounds", "3", "--seed", "8", "--model", "mlp").result()
	if filepath.Base(first.Snapshot) == filepath.Base(other.Snapshot) {
		t.Errorf("seeds 7 and 8 gave the same model")
	}
	requireAudit(t, first)
}

func TestDemoSurvivesKills(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		victims []string
	}{
		{"one hospital", []string{"riverside"}},
		{"two hospitals", []string{"riverside", "lakeview"}},
		{"the coordinator", []string{"coordinator"}},
		{"everyone", []string{"coordinator", "northgate", "riverside", "hillcrest", "lakeview"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--rounds", "12")
			for _, n := range []int64{12, 60} {
				d.batches(n)
				d.kill(c.victims...)
			}
			r := d.result()
			requireVersion(t, r, 12)
			for _, h := range r.Hospitals {
				if h.Missing != "" {
					t.Errorf("%s: %s", h.Name, h.Missing)
				}
			}
			requireAudit(t, r)
			t.Logf("%d rounds, %d abandoned", r.AllRounds, r.Abandoned)
		})
	}
}

// TestDemoStandby: a coordinator that is killed and not started again costs no round.
func TestDemoStandby(t *testing.T) {
	t.Parallel()
	d := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--rounds", "6", "--standby", "--no-restart")
	d.batches(12)
	site, err := loadDemoSite(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := ran(t, 0, "coordinator", "status", site.coordinatorDir(), "--json")
	var now coordinator.Inspection
	if err := json.Unmarshal([]byte(out), &now); err != nil {
		t.Fatal(err)
	}
	victim := demoCoordinator
	if !slices.Contains(now.Lease.Addresses, site.Address) {
		victim = demoStandby // both start at once, and it was faster
	}
	d.kill(victim)
	r := d.result()
	requireVersion(t, r, 6)
	if r.Abandoned > 0 || !strings.Contains(d.err.String(), ": another coordinator leads") {
		t.Errorf("%d rounds abandoned:\n%s", r.Abandoned, d.err.String())
	}
	requireAudit(t, r)
}

func TestDemoGoesOnWithoutOneHospital(t *testing.T) {
	t.Parallel()
	d := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--rounds", "4", "--no-restart")
	d.batches(12)
	d.kill("hillcrest")
	r := d.result()
	requireVersion(t, r, 4)
	missing := 0
	for _, h := range r.Hospitals {
		if h.Missing != "" {
			missing++
		}
	}
	if missing != 1 || !strings.Contains(d.out.String(), "no report: signal: killed") {
		t.Errorf("%d hospitals without a report:\n%s", missing, d.out.Bytes())
	}
	requireAudit(t, r)
}

func TestDemoStopsWithoutTwoHospitalsAndGoesOn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	d := startDemo(t, dir, "--rounds", "5", "--no-restart")
	d.batches(20)
	d.kill("hillcrest", "northgate")
	if err := d.cmd.Wait(); err == nil || !strings.Contains(d.err.String(), "2 hospitals are left and a round needs 3") ||
		!strings.Contains(d.err.String(), "to go on: atrium demo --keep") {
		t.Fatalf("%v: %s", err, d.err.Bytes())
	}
	r := startDemo(t, dir).result()
	requireVersion(t, r, 5)
	requireAudit(t, r)
}

func TestDemoLeavesNoProcess(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		d := startDemo(t, filepath.Join(t.TempDir(), signal.String()), "--rounds", "1000")
		d.batches(10)
		pids := d.pids()
		if err := d.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := d.cmd.Wait(); !errors.As(err, &exit) || (signal != syscall.SIGKILL && exit.ExitCode() != 1) {
			t.Errorf("%v: %v", signal, err)
		}
		for name, pid := range pids {
			eventually(t, name+" ends after "+signal.String(), func() bool { return !runs(pid) })
		}
	}
}

// runs reports whether a process is there and not merely waiting to be reaped.
func runs(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !bytes.Contains(b, []byte(") Z "))
}

// TestDemoSingleClass: a hospital whose test records have one class has no AUC.
func TestDemoSingleClass(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var names []string
	for i := range 3 {
		names = append(names, fmt.Sprintf("site-%d", i))
		rows := "age,sex,trestbps,chol,fbs,thalach,exang,oldpeak,cp_2,cp_3,cp_4,restecg_1,restecg_2,disease\n"
		for k := range 24 {
			rows += fmt.Sprintf("%d,%d,%d,,0,%d,0,1,0,1,0,0,0,%d\n", 40+k, k%2, 110+k, 120+3*k, max(k%2, boolean(i == 0)))
		}
		for _, part := range []string{"train", "test"} {
			if err := os.WriteFile(filepath.Join(data, names[i]+"_"+part+".csv"), []byte(rows), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	d := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--rounds", "1", "--data", data)
	r := d.result()
	b, err := os.ReadFile(d.json)
	if err != nil {
		t.Fatal(err)
	}
	if r.Hospitals[0].AUC != nil || !strings.Contains(string(b), `"auc": null`) || !strings.Contains(d.out.String(), "–") {
		t.Errorf("a single class has an AUC:\n%s%s", b, d.out.Bytes())
	}
	if r.Hospitals[1].AUC == nil || len(r.Hospitals) != 3 {
		t.Errorf("%+v", r.Hospitals)
	}
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestAuditNamesWhatWasChanged flips one byte of stored objects and asks the auditor.
func TestAuditNamesWhatWasChanged(t *testing.T) {
	t.Parallel()
	r := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--rounds", "2").result()
	bucket, err := local.Open(r.Store)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	batch, err := bucket.Get(t.Context(), storage.Batch(7), 0, -1)
	if err != nil || len(batch) > roundlog.MaxBatchBytes {
		t.Fatal(err)
	}
	for _, prefix := range []string{storage.LogFolder, storage.TileFolder, storage.ModelsFolder, storage.RoundsFolder} {
		objects, err := bucket.List(t.Context(), prefix)
		if err != nil || len(objects) == 0 {
			t.Fatalf("%s: %d objects, %v", prefix, len(objects), err)
		}
		name := objects[len(objects)/2].Name
		path := filepath.Join(r.Store, filepath.FromSlash(name))
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Clone(was)
		changed[len(changed)/2] ^= 1
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("atrium", "audit", "verify", "--storage", r.Store).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), name) {
			t.Errorf("one byte of %s changed: %v\n%s", name, err, out)
		}
		t.Logf("%s", bytes.TrimSpace(out))
		if err := os.WriteFile(path, was, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	requireAudit(t, r)
}
