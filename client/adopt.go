package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"atrium/aggregation"
	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// adopt scores the last version of a finished plan on this hospital's test records,
// beside a model trained on its own records alone, and writes the report here.
func (d *Daemon) adopt(ctx context.Context, w *atriumpb.Work) error {
	snapshot, err := asDigest(w.GetSnapshot())
	if err != nil {
		return err
	}
	if err := d.checkAdopted(w, snapshot); err != nil {
		return err
	}
	federated, err := d.score(ctx, d.test, snapshot, federation.Digest{}, "")
	if err != nil {
		return err
	}
	tuned, err := d.scoreTuned(ctx, snapshot)
	if err != nil {
		return err
	}
	d.forget() // it is not held beside the other
	alone, err := d.scoreAlone(ctx)
	if err != nil {
		return err
	}
	r := Report{Hospital: d.cfg.Name, Federation: d.cfg.Charter.Federation, Version: w.GetVersion(), Snapshot: snapshot.String(),
		Reason: w.GetReason(), Rows: d.train.Rows, TestRows: d.test.Rows, BytesSent: d.link.sent.Load(), Rounds: d.state.Submitted()}
	if r.AUC, r.Accuracy, err = measure(d.test.Y, federated, d.test.Labels); err != nil {
		return err
	}
	if r.AUCAlone, r.AccuracyAlone, err = measure(d.test.Y, alone, d.test.Labels); err != nil {
		return err
	}
	if tuned != nil {
		r.AccuracyTuned = new(float64)
		if r.AUCTuned, *r.AccuracyTuned, err = measure(d.test.Y, tuned, d.test.Labels); err != nil {
			return err
		}
	}
	if err := d.writePredictions(federated, alone); err != nil {
		return fatal{err}
	}
	if err := writeJSON(filepath.Join(d.cfg.State, ReportFile), r); err != nil {
		return fatal{err}
	}
	d.adopted = r.Version
	d.cfg.Logger.Info("version adopted", "version", r.Version, "reason", r.Reason)
	return nil
}

// checkAdopted refuses a version under a number for which f+1 custodians did not sign.
func (d *Daemon) checkAdopted(w *atriumpb.Work, snapshot federation.Digest) error {
	for _, m := range d.derivedWords(w) {
		if m.Version == w.GetVersion() && m.Snapshot == snapshot {
			return d.mustHave(w, derivedBase(m))
		}
	}
	for _, b := range d.state.Bases {
		if b.Version == w.GetVersion() && b.Snapshot == snapshot {
			return nil
		}
	}
	return fmt.Errorf("adopt version %d, snapshot %s: %w", w.GetVersion(), snapshot.Short(), participant.ErrBase)
}

// scoreTuned trains a version on with this hospital's own records, where the plan says
// so, keeps what comes out beside the report, and scores it on the test records. It never
// leaves the hospital.
func (d *Daemon) scoreTuned(ctx context.Context, snapshot federation.Digest) ([]float64, error) {
	plan := d.cfg.Plan
	if plan.Local.FineTune == 0 {
		return nil, nil
	}
	params, norm, err := d.base(ctx, snapshot, federation.Digest{})
	if err != nil {
		return nil, err
	}
	own, err := d.recall(ctx, false)
	if err != nil {
		return nil, err
	}
	tuned, err := fineTune(ctx, plan, d.trainer, d.train, own.merge(plan, params), norm, 0)
	if err != nil {
		return nil, err
	}
	s, err := models.ForPlan(plan, tuned, norm)
	if err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(d.cfg.State, TunedFile), models.Encode(s)); err != nil {
		return nil, fatal{err}
	}
	return scoreAll(plan, d.trainer, tuned, norm, d.test)
}

// measure returns the mean AUC over the labels of a record and the share of right
// decisions.
func measure(labels, scores []float64, width int) (auc *float64, accuracy float64, err error) {
	if v, ok := aggregation.MacroAUC(labels, scores, width); ok {
		auc = &v
	}
	c, err := aggregation.NewConfusion(labels, scores)
	if err != nil {
		return nil, 0, err
	}
	accuracy, _ = c.Accuracy()
	return auc, accuracy, nil
}

// scoreAlone scores the test records with a model of this hospital's own.
func (d *Daemon) scoreAlone(ctx context.Context) ([]float64, error) {
	params, norm, err := trainAlone(ctx, d.cfg.Plan, d.trainer, d.train, 0, d.letGo)
	if err != nil {
		return nil, err
	}
	return scoreAll(d.cfg.Plan, d.trainer, params, norm, d.test)
}

func (d *Daemon) writePredictions(federated, alone []float64) error {
	b := []byte("label,score,score_alone")
	names := d.cfg.Plan.Label.Columns
	if len(names) > 0 {
		b = append(b, ",of"...)
	}
	b = append(b, '\n')
	for i, y := range d.test.Y {
		b = strconv.AppendFloat(b, y, 'g', -1, 64)
		b = strconv.AppendFloat(append(b, ','), federated[i], 'g', -1, 64)
		b = strconv.AppendFloat(append(b, ','), alone[i], 'g', -1, 64)
		if len(names) > 0 {
			b = append(b, ',')
			b = append(b, csvCell(names[i%len(names)])...)
		}
		b = append(b, '\n')
	}
	return writeFile(filepath.Join(d.cfg.State, PredictionsFile), b)
}

// csvCell is a name as a CSV file has it; names of columns hold no quotes.
func csvCell(name string) string { return `"` + name + `"` }

// writeFile replaces a file of the state directory as a whole.
func writeFile(path string, b []byte) error {
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'))
}

// ReadReport reads the report of a state directory; fs.ErrNotExist when there is none.
func ReadReport(state string) (Report, error) {
	return readJSON[Report](filepath.Join(state, ReportFile))
}

// ReadStatus reads the status of a state directory; fs.ErrNotExist when there is none.
func ReadStatus(state string) (Status, error) {
	return readJSON[Status](filepath.Join(state, StatusFile))
}

func readJSON[T any](path string) (T, error) {
	var v T
	b, err := os.ReadFile(path)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// loadStatus takes up what the run before counted, and the version it adopted.
func (d *Daemon) loadStatus() {
	before, err := ReadStatus(d.cfg.State)
	s := Status{Hospital: d.cfg.Name, Pseudonym: string(d.self), Federation: d.cfg.Charter.Federation}
	s.follows(d.cfg.Charter)
	if err == nil {
		s.BytesSent, s.Refused, s.Heard = before.BytesSent, before.Refused, before.Heard
		s.Joined, s.LeftOut, s.Share, s.ShareRound = before.Joined, before.LeftOut, before.Share, before.ShareRound
	}
	s.does(doingAway, 0)
	d.status.change(0, func(shown *Status) { *shown = s })
	if r, err := ReadReport(d.cfg.State); err == nil && r.Federation == d.cfg.Charter.Federation {
		d.adopted = r.Version
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.cfg.Logger.Warn("report", "error", err)
	}
}
