package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"atrium/aggregation"
	"atrium/client/dataset"
	"atrium/client/train"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
	"atrium/storage/models"
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

// runSites runs the demonstration, everything encrypted, and returns the exact AUC on all
// sites' test records together.
func runSites(t *testing.T, plan federation.Plan, data string) float64 {
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
	t.Logf("%s, %d rounds: AUC %.4f, from encrypted histograms %.4f, accuracy %.4f", modelWords(plan.Model), plan.Schedule.Rounds, *r.PooledAUC, *r.PooledAUCEncrypted, r.PooledAccuracy)
	return *r.PooledAUC
}

// pooledAUC trains the plan's model on all records in one place, as many passes.
func pooledAUC(t *testing.T, plan federation.Plan, data string) float64 {
	t.Helper()
	var x, y, testX []float32
	var labels []float64
	var all dataset.Table
	var parts []*dataset.Table
	for _, suffix := range []string{"_train.npy", "_test.npy"} {
		for i := range 4 {
			table, err := dataset.Read(filepath.Join(data, "site-"+string(rune('1'+i))+suffix), plan, dataset.Options{})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, table)
			if suffix == "_train.npy" {
				all.Features, all.Cols = table.Features, table.Cols
				all.X, all.Rows = append(all.X, table.X...), all.Rows+table.Rows
			} else {
				labels = append(labels, table.Y...)
			}
		}
	}
	norm, err := aggregation.FromSums(dataset.Sums(&all, plan, all.Rows), dataset.Ranges(plan))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		px, py, err := p.Inputs(norm)
		if err != nil {
			t.Fatal(err)
		}
		if i < 4 {
			x, y = append(x, px...), append(y, py...)
		} else {
			testX = append(testX, px...)
		}
	}
	tr, err := train.New(plan.Model, plan.Inputs(), plan.Local.Batch)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	params := models.InitialParameters(plan)
	for round := range plan.Schedule.Rounds {
		delta, _, err := tr.Train(context.Background(), params, nil, x, y, len(y), plan.LocalAt(uint64(round+1)), uint64(round))
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range delta {
			params[i] += d
		}
	}
	scores, err := tr.Score(params, testX, len(labels))
	if err != nil {
		t.Fatal(err)
	}
	auc, _ := aggregation.AUC(labels, scores)
	t.Logf("%s on pooled records: AUC %.4f", modelWords(plan.Model), auc)
	return auc
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
	got, straight := runSites(t, plan, data), runSites(t, linear(plan), data)
	if got < 0.88 || got <= straight {
		t.Errorf("AUC %v, want .88 and more than the linear model's %v", got, straight)
	}
}

// TestChestOverSkewedSites: the official test images.
func TestChestOverSkewedSites(t *testing.T) {
	plan := plans.Chest()
	data := writeSites(t, chestSites(t))
	got, pooled := runSites(t, plan, data), pooledAUC(t, plan, data)
	if got < 0.93 || got < pooled-0.01 {
		t.Errorf("AUC %v, want .93 and no less than the pooled model's %v - .01", got, pooled)
	}
}
