package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"atrium/client/dataset"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

// realData is the directory of a real data set; the test is skipped without it, and
// without SLOW_TESTS: it trains for minutes.
func realData(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("DATA ABSENT: ../shared/data/%s", name)
	}
	if os.Getenv("SLOW_TESTS") == "" {
		t.Skip("trains for minutes: set SLOW_TESTS=1")
	}
	return dir
}

func mustRead(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// realSite is one hospital's part of a real data set.
type realSite struct{ train, test dataset.Arrays }

func writeSites(t *testing.T, sites []realSite) string {
	t.Helper()
	dir := t.TempDir()
	for i, s := range sites {
		if err := (dataset.ArrayCohort{Train: s.train, Test: s.test}).WriteNPY(dir, "site-"+string(rune('1'+i))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ecgSites are MIT-BIH's beats, ventricular or normal, of four sites: the patients of
// DS1 and, for tests, those of DS2 in turns, so that no patient is in both.
func ecgSites(t *testing.T) []realSite {
	dir := realData(t, "ecg-mitbih-beats")
	var meta struct{ DS1, DS2 []int }
	if err := json.Unmarshal(mustRead(t, dir, "meta.json"), &meta); err != nil {
		t.Fatal(err)
	}
	beats, labels, records := mustRead(t, dir, "beats_i16_le_126.bin"), mustRead(t, dir, "labels_u8_NSVFQ.bin"), mustRead(t, dir, "record_u16_le.bin")
	sites := make([]realSite, 4)
	for i, label := range labels {
		if label != 0 && label != 2 { // N and V
			continue
		}
		record := int(binary.LittleEndian.Uint16(records[2*i:]))
		part := func(list []int, of func(*realSite) *dataset.Arrays) {
			if k := slices.Index(list, record); k >= 0 {
				a := of(&sites[k%4])
				a.Shape = []int{126}
				for j := range 126 {
					a.Values = append(a.Values, float32(int16(binary.LittleEndian.Uint16(beats[2*(126*i+j):]))))
				}
				a.Labels = append(a.Labels, label/2)
			}
		}
		part(meta.DS1, func(s *realSite) *dataset.Arrays { return &s.train })
		part(meta.DS2, func(s *realSite) *dataset.Arrays { return &s.test })
	}
	return sites
}

// chestSites are PneumoniaMNIST's training images over four sites whose share of
// pneumonia differs (about 92, 81, 66 and 42 %), and its test images in turns.
func chestSites(t *testing.T) []realSite {
	dir := filepath.Join(realData(t, "pneumoniamnist"), "raw")
	sites := make([]realSite, 4)
	deal := func(part string, site func(label uint8, k int) *dataset.Arrays) {
		images, labels := mustRead(t, dir, part+"_images_u8_28x28.bin"), mustRead(t, dir, part+"_labels_u8.bin")
		seen := map[uint8]int{}
		for i, label := range labels {
			a := site(label, seen[label])
			seen[label]++
			a.Shape = []int{28, 28}
			for _, v := range images[784*i : 784*(i+1)] {
				a.Values = append(a.Values, float32(v))
			}
			a.Labels = append(a.Labels, label)
		}
	}
	shares := map[uint8][]int{0: {0, 1, 1, 2, 2, 2, 3, 3, 3, 3}, 1: {0, 0, 0, 0, 1, 1, 1, 2, 2, 3}}
	deal("train", func(label uint8, k int) *dataset.Arrays { return &sites[shares[label][k%10]].train })
	deal("test", func(_ uint8, k int) *dataset.Arrays { return &sites[k%4].test })
	return sites
}

// runSites runs the demonstration, everything encrypted, and the same in one process, with
// the seed of the demonstration and no other; it returns the AUC on all sites' test records
// together of the shared model and of one trained on pooled records.
func runSites(t *testing.T, plan federation.Plan, data string) (shared, pooled float64) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(file, planfile.WritePlan(plan), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startDemo(t, filepath.Join(t.TempDir(), "demo"), "--plan", file, "--data", data).result()
	requireVersion(t, r, plan.Schedule.Rounds)
	if r.PooledAUC == nil || r.PooledAUCEncrypted == nil {
		t.Fatal("no AUC")
	}
	c, tables := compared(t, plan, "--data", data, "--rules", "fedavg", "--seeds", "1")
	t.Logf("AUC %.4f, from encrypted histograms %.4f\n%s", *r.PooledAUC, *r.PooledAUCEncrypted, tables)
	for _, run := range c.Runs {
		switch run.Row {
		case "fedavg":
			if run.Snapshot.String() != filepath.Base(r.Snapshot) {
				t.Errorf("the last version in one process is %s, of processes %s", run.Snapshot, r.Snapshot)
			}
			shared = *run.All.AUC
		case "pooled":
			pooled = *run.All.AUC
		}
	}
	return shared, pooled
}

// linear is the plan with its layers left out: logistic regression.
func linear(p federation.Plan) federation.Plan {
	p.Model.Layers = nil
	return p
}

// TestECGByPatient: beats of patients that nobody trained on.
func TestECGByPatient(t *testing.T) {
	plan := plans.ECG()
	data := writeSites(t, ecgSites(t))
	got, _ := runSites(t, plan, data)
	straight, _ := runSites(t, linear(plan), data)
	if got < 0.88 || got <= straight {
		t.Errorf("AUC %v, want .88 and more than the linear model's %v", got, straight)
	}
}

// TestChestOverSkewedSites: the official test images.
func TestChestOverSkewedSites(t *testing.T) {
	got, pooled := runSites(t, plans.Chest(), writeSites(t, chestSites(t)))
	if got < 0.93 || got < pooled-0.01 {
		t.Errorf("AUC %v, want .93 and no less than the pooled model's %v - .01", got, pooled)
	}
}
