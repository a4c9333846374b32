package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"atrium/aggregation"
	"atrium/client"
	"atrium/storage"
)

// demoResult is what --json writes. An AUC of a single class is null.
type demoResult struct {
	Rounds             int            `json:"rounds"` // train rounds
	Version            uint64         `json:"version"`
	Reason             string         `json:"reason"` // why the plan ended
	PooledAUC          *float64       `json:"pooled_auc"`
	PooledAUCEncrypted *float64       `json:"pooled_auc_encrypted"` // null when nothing was evaluated
	PooledAccuracy     float64        `json:"pooled_accuracy"`
	Hospitals          []demoHospital `json:"hospitals"`
	AllRounds          uint64         `json:"all_rounds"` // of every kind, abandoned ones among them
	Abandoned          int            `json:"abandoned"`
	WallSeconds        float64        `json:"wall_seconds"`
	Log                demoLog        `json:"log"`
	Charter            string         `json:"charter"` // digest of the one in force, for `atrium audit`
	StateDir           string         `json:"state_dir"`
	Store              string         `json:"store"` // the coordinator's storage, for `atrium audit`
	Snapshot           string         `json:"snapshot"`
	Seed               uint64         `json:"seed"`
}

type demoHospital struct {
	Name          string   `json:"name"`
	Rows          int      `json:"rows"` // training records
	TestRows      int      `json:"test_rows"`
	AUC           *float64 `json:"auc"`
	Accuracy      *float64 `json:"accuracy"`
	AUCAlone      *float64 `json:"auc_alone"`
	AccuracyAlone *float64 `json:"accuracy_alone"`
	AUCTuned      *float64 `json:"auc_tuned,omitempty"` // where the plan fine-tunes
	AccuracyTuned *float64 `json:"accuracy_tuned,omitempty"`
	BytesSent     int64    `json:"bytes_sent"`
	Missing       string   `json:"missing,omitempty"` // why there is no report
}

type demoLog struct {
	Size int64  `json:"size"`
	Root string `json:"root"`
}

// collectResult reads what the daemons wrote in their own state directories: none of
// it went through the coordinator.
func collectResult(site demoSite, f *follower, head demoLog, lost func(string) string, started time.Time) (demoResult, error) {
	s := f.state
	r := demoResult{Rounds: s.Trained, Version: s.Model.Number, Reason: s.Finished, AllRounds: s.Round.Number, Abandoned: f.abandoned,
		Log: head, Charter: s.Charter.Digest().String(), StateDir: site.Dir, Store: site.store(), Seed: site.Seed, Snapshot: site.store() + "/" + storage.ModelSegment(s.Model.Snapshot)}
	if n := len(f.evaluations); n > 0 && f.evaluations[n-1].Trained == s.Trained {
		r.PooledAUCEncrypted = f.evaluations[n-1].AUC
	}
	var all predictions
	for _, name := range site.Hospitals {
		state := filepath.Join(site.hospitalDir(name), "state")
		report, err := client.ReadReport(state)
		if errors.Is(err, fs.ErrNotExist) || (err == nil && report.Version != r.Version) {
			r.Hospitals = append(r.Hospitals, demoHospital{Name: name, Missing: "no report: " + lost(name)})
			continue
		}
		if err != nil {
			return r, err
		}
		r.Hospitals = append(r.Hospitals, demoHospital{Name: name, Rows: report.Rows, TestRows: report.TestRows, AUC: report.AUC,
			Accuracy: &report.Accuracy, AUCAlone: report.AUCAlone, AccuracyAlone: &report.AccuracyAlone,
			AUCTuned: report.AUCTuned, AccuracyTuned: report.AccuracyTuned, BytesSent: report.BytesSent})
		if err := all.read(filepath.Join(state, client.PredictionsFile)); err != nil {
			return r, err
		}
	}
	if auc, ok := aggregation.MacroAUC(all.labels, all.scores, site.Plan.Model.Width()); ok {
		r.PooledAUC = &auc
	}
	confusion, err := aggregation.NewConfusion(all.labels, all.scores)
	r.PooledAccuracy, _ = confusion.Accuracy()
	r.WallSeconds = time.Since(started).Seconds()
	return r, err
}

// predictions are labels and scores of test records; of several labels all of a record
// follow one another.
type predictions struct{ labels, scores []float64 }

// read adds those of one hospital.
func (all *predictions) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for i, row := range rows[min(1, len(rows)):] {
		y, err1 := strconv.ParseFloat(row[0], 64)
		p, err2 := strconv.ParseFloat(row[1], 64)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("%s:%d: %w", path, i+2, err)
		}
		all.labels, all.scores = append(all.labels, y), append(all.scores, p)
	}
	return nil
}

// gains sorts hospitals by what the federation brought them, for honest words.
func (r demoResult) gains() (better, worse, unknown []string) {
	for _, h := range r.Hospitals {
		switch {
		case h.AUC == nil || h.AUCAlone == nil:
			unknown = append(unknown, h.Name)
		case *h.AUC > *h.AUCAlone:
			better = append(better, h.Name)
		default:
			worse = append(worse, h.Name)
		}
	}
	return better, worse, unknown
}
