package rpc_test

import (
	"context"
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/models"
)

// hospitalWithout starts a daemon whose files have an empty column; it warns the world.
func (w *world) hospitalWithout(name, column string) func() {
	w.t.Helper()
	cfg := w.config(name)
	cfg.Logger = w.logger
	for _, file := range []string{cfg.Train, cfg.Test} {
		w.must(emptyColumn(file, column))
	}
	return w.run(cfg)
}

func emptyColumn(file, column string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	rows, err := csv.NewReader(strings.NewReader(string(raw))).ReadAll()
	if err != nil {
		return err
	}
	var out strings.Builder
	if at := slices.Index(rows[0], column); at >= 0 {
		for _, row := range rows[1:] {
			row[at] = ""
		}
	}
	if err := csv.NewWriter(&out).WriteAll(rows); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(out.String()), 0o600)
}

// version reads a published snapshot with its preprocessing.
func (w *world) version(b storage.Bucket, digest federation.Digest) (params []float32, mean, sd []float64) {
	w.t.Helper()
	s, err := models.Get(w.t.Context(), b, digest)
	w.must(err)
	params, norm, err := models.OfPlan(w.plan, s)
	w.must(err)
	return params, norm.Mean, norm.SD
}

const chol = 3 // its place among the plan's features

// TestColumnOfOneHospital: the records, mean and deviation of a column that one hospital alone
// has are in no sum, and no version learns anything of it.
func TestColumnOfOneHospital(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 2, 1 })
	c, stop := w.coordinator()
	defer stop()
	defer w.hospitalWithout(w.names[0], "")()
	for _, name := range w.names[1:] {
		defer w.hospitalWithout(name, "chol")()
	}
	line := w.warned("columns of ours are masked")
	if !strings.Contains(line, "columns=chol") {
		t.Errorf("the hospital says %q", line)
	}
	s := w.until(c, "the plan's end", finished)
	if !slices.Equal(s.Masked, []string{"chol"}) {
		t.Errorf("the status says that %q is masked", s.Masked)
	}
	text, story := w.show(c, 1)
	if got := story.Result.Statistics.Records; got[chol] != 0 || got[chol-1] == 0 {
		t.Errorf("records of each column: %v", got)
	}
	if !strings.Contains(text, "masked        chol: too few hospitals have it") {
		t.Errorf("the log does not say what is masked:\n%s", text)
	}
	f := w.plan.Features[chol]
	params, mean, sd := w.version(c.Bucket(), s.Snapshot)
	if mean[chol] != (f.Min+f.Max)/2 || sd[chol] != 1 {
		t.Errorf("mean %v, deviation %v of what nobody measured", mean[chol], sd[chol])
	}
	if params[chol] != 0 || params[chol-1] == 0 {
		t.Errorf("weights %v", params)
	}
	for _, name := range w.names {
		w.report(name, s.Version)
	}
	w.audited(c)
}

// TestColumnCalledLate: of three hospitals that have a column one is kept from submitting in
// train rounds. The sum in which two have it is not made; the next masks the column, and what
// the two had encrypted with it is not encrypted again.
func TestColumnCalledLate(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.EvaluateEvery, p.Schedule.UpdateSeconds = 1, 0, 4
	})
	late := w.id(w.names[2])
	var running atomic.Pointer[coordinator.Coordinator]
	w.between = func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if r, ok := req.(*atriumpb.SubmitRequest); ok && running.Load().View().State.Round.Kind == federation.Train {
			if signed, err := federation.DecodeSigned(r.GetSigned()); err != nil || signed.Signer == late {
				return nil, status.Error(codes.Unavailable, "the network is down")
			}
		}
		return next(ctx, req)
	}
	c, stop := w.coordinator()
	defer stop()
	running.Store(c)
	for _, name := range w.names[:3] {
		defer w.hospital(name)()
	}
	defer w.hospitalWithout(w.names[3], "chol")()
	s := w.until(c, "the plan's end", finished)
	w.says(c, 2, "column 4 of the plan has 2 holders in group 0, fewer than K = 3")
	_, story := w.show(c, s.Round)
	if len(story.S) != 3 || slices.Contains(story.S, w.names[2]) || !slices.Equal(story.Masked, []string{"chol"}) {
		t.Errorf("round %d is of %v and masks %v", s.Round, story.S, story.Masked)
	}
	before, statistics := w.show(c, 1)
	if len(statistics.Masked) > 0 {
		t.Errorf("the statistics mask something:\n%s", before)
	}
	params, _, _ := w.version(c.Bucket(), s.Snapshot)
	if params[chol] != 0 || params[chol-1] == 0 {
		t.Errorf("weights %v", params)
	}
	w.audited(c)
}
