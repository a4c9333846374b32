package simulate

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"atrium/aggregation"
	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/storage/models"
)

// errRule: the plan's rule does not take the sum, so that the round is abandoned.
var errRule = errors.New("the rule does not take the sum")

// lines are the two courses of learning: from sums of fields, and from sums of the values.
type lines struct {
	encrypted, exact line
	bytes            int64                                  // of the encrypted line's snapshot
	lost             string                                 // why the exact line ended
	computed         map[federation.HospitalID]contribution // of the round under way; nil before its cohort is asked
	refused          string                                 // why the rule did not take its sum
	concluded        record                                 // of the last round that was
}

type line struct {
	snapshot *models.Snapshot
	version  Version // of it; nil: not read yet
}

// contribution is what one hospital has computed in the round under way.
type contribution struct {
	fields []uint32
	exact  []float64
	failed string // why it declines

	tooSlow bool // and does not even begin
}

// open reads the versions that a round works on.
func (w *world) open() error {
	for _, l := range []struct {
		line     *line
		learners Learners
	}{{&w.lines.encrypted, w.cfg.Encrypted}, {&w.lines.exact, w.cfg.Exact}} {
		if l.line.version != nil {
			continue
		}
		var err error
		if l.line.version, err = l.learners.Version(l.line.snapshot); err != nil {
			return err
		}
		if err := w.kept.restore(l.line.version, l.learners, l.line == &w.lines.exact); err != nil {
			return err
		}
	}
	return nil
}

// compute has a cohort compute its contributions, or takes from an earlier run who could not.
func (w *world) compute(h federation.Header, cohort []federation.HospitalID) error {
	w.lines.computed, w.lines.refused = map[federation.HospitalID]contribution{}, ""
	if known, ok, err := w.kept.read(h.Round); err != nil || ok {
		for _, f := range known.Failed {
			w.lines.computed[f.Hospital] = contribution{failed: f.Reason, tooSlow: f.Reason == tooSlow}
		}
		return err
	}
	if err := w.open(); err != nil {
		return err
	}
	w.tell(false)
	out := make([]contribution, len(cohort))
	err := w.parallel(len(cohort), func(i int) (err error) {
		out[i], err = w.contribute(h, w.byID[cohort[i]])
		return err
	})
	for i, id := range cohort {
		w.lines.computed[id] = out[i]
	}
	return err
}

// contribute computes one hospital's part in both lines.
func (w *world) contribute(h federation.Header, by *host) (out contribution, err error) {
	hospital, steps := by.index, 0
	if h.Kind == federation.Train && w.plan.Local.PartialWork.On() {
		var ok bool
		if steps, ok = by.steps(h); !ok {
			return contribution{failed: tooSlow, tooSlow: true}, nil
		}
	}
	order := w.secret("order", h, hospital)
	seed := binary.LittleEndian.Uint64(order[:8])
	values, err := w.lines.encrypted.version.Contribute(w.ctx, hospital, h, steps, seed)
	if err == nil {
		err = opening.CheckOwn(w.plan, h, w.plan.Band(h.Kind, w.cfg.Encrypted.Rows(hospital, h.Kind)), func(dst []float64, from int) { copy(dst, values[from:]) })
	}
	if err == nil {
		out.fields = make([]uint32, len(values))
		_, err = h.Format.Quantise(out.fields, values, fixedpoint.NewRounding(w.secret("rounding", h, hospital)))
	}
	if w.ctx.Err() != nil {
		return out, w.ctx.Err()
	}
	if gate := (*aggregation.GateError)(nil); errors.As(err, &gate) {
		return contribution{failed: "gate " + gate.Gate}, nil
	}
	if err != nil {
		return contribution{failed: "the update could not be computed here"}, nil
	}
	if w.lines.lost == "" { // a model without clip may run away: learn finds nothing here then
		out.exact, _ = w.lines.exact.version.Contribute(w.ctx, hospital, h, steps, seed)
	}
	return out, w.ctx.Err()
}

// tooSlow is what a daemon says that cannot take the least partial work.
const tooSlow = "too slow for the least partial work in this round's time"

// secret is 32 bytes for a purpose, a round and a hospital.
func (w *world) secret(purpose string, h federation.Header, hospital int) [32]byte {
	b := []byte("atrium/simulation/v1\n" + purpose + "\n")
	for _, n := range []uint64{w.cfg.Seed, h.Round, uint64(hospital)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return sha256.Sum256(b)
}

// parallel does n things on the workers. The error is of the first that has one.
func (w *world) parallel(n int, do func(i int) error) error { return w.spread(w.cfg.Workers, n, do) }

func (w *world) spread(workers, n int, do func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var group sync.WaitGroup
	for range max(1, min(workers, n)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if w.ctx.Err() != nil {
					errs[i] = w.ctx.Err()
					return
				}
				errs[i] = do(i)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// conclude sums what S contributed, applies the rule in both lines, and measures: once in a
// round, however often more share sums have the sum opened again.
func (w *world) conclude(r opening.Round) (record, error) {
	if done := w.lines.concluded; done.Round == r.Header.Round && done.Manifest == r.Manifest {
		return done, nil
	}
	known, ok, err := w.kept.read(r.Header.Round)
	if err != nil {
		return known, err
	}
	if known.Refused != "" {
		return known, fmt.Errorf("%w: %s", errRule, known.Refused)
	}
	if !ok {
		if known, err = w.learn(r); err != nil {
			return known, err
		}
		if err := w.kept.write(known, r.Candidate); err != nil {
			return known, err
		}
	}
	if known.Manifest != r.Manifest {
		return known, fmt.Errorf("round %d: the events are not those of the simulation that the directory holds; another version of this program made it: start anew in another directory", r.Header.Round)
	}
	w.lines.lost = known.Lost
	if known.encrypted != nil {
		w.lines.encrypted, w.lines.exact = line{snapshot: known.encrypted}, line{snapshot: known.exact}
		w.lines.bytes = int64(len(models.Encode(*known.encrypted)))
	}
	last := &w.rounds[len(w.rounds)-1]
	last.Metric, last.Evaluation = known.Metric, known.Evaluation
	w.lines.concluded = known
	return known, nil
}

// learn is conclude where no earlier run did it.
func (w *world) learn(r opening.Round) (record, error) {
	out := record{Round: r.Header.Round, Manifest: r.Manifest, Lost: w.lines.lost}
	fields, values := map[federation.HospitalID][]uint32{}, map[federation.HospitalID][]float64{}
	for _, group := range r.Candidate.Groups {
		for _, m := range group {
			c := w.lines.computed[m.Hospital]
			fields[m.Hospital], values[m.Hospital] = c.fields, c.exact
			if c.exact == nil && out.Lost == "" {
				out.Lost = fmt.Sprintf("round %d: it ran away without a clip", r.Header.Round)
			}
		}
	}
	base := func(l line) models.Snapshot {
		if l.snapshot == nil {
			return models.Snapshot{}
		}
		return *l.snapshot
	}
	sum, err := opening.Plain(r, func(id federation.HospitalID) ([]int64, error) { return opening.Wide(fields[id]), nil })
	var outcome opening.Outcome
	if err == nil {
		outcome, err = opening.Conclude(r, sum, base(w.lines.encrypted))
	}
	if err != nil {
		w.lines.refused = err.Error()
		return out, fmt.Errorf("%w: %w", errRule, err)
	}
	out.Result, out.encrypted, out.Sketch = federation.Sum(federation.Encode(outcome.Result)), outcome.Snapshot, outcome.Sketch
	if e := outcome.Result.Evaluation; e != nil {
		out.Evaluation = &Scored{AUC: e.AUC, Accuracy: e.Accuracy}
		out.Stop = e.Metric(w.plan.Schedule.Stop.Metric)
	}
	if out.Lost == "" {
		exact, err := opening.Conclude(r, opening.Exact(r, values), base(w.lines.exact))
		if err != nil {
			out.Lost = fmt.Sprintf("round %d: %v", r.Header.Round, err)
		}
		out.exact = exact.Snapshot
	}
	if outcome.Snapshot == nil {
		return out, nil
	}
	for _, other := range []*models.Snapshot{w.lines.exact.snapshot, out.encrypted} {
		if out.exact == nil { // lost: it stays where it was
			out.exact = other
		}
	}
	out.Snapshot, out.Parameters = models.Digest(*out.encrypted), models.ParametersDigest(*out.encrypted)
	if r.Header.Kind == federation.Train {
		out.Metric, err = w.measure(out, outcome.Result.Train.Saturated)
	}
	return out, err
}

// measure scores the versions of both lines on the records that all hospitals hold back.
func (w *world) measure(of record, saturated float64) (*Metric, error) {
	scored, err := w.score(w.cfg.Encrypted, of.encrypted)
	if err != nil {
		return nil, err
	}
	m := &Metric{Scored: scored, Saturated: saturated}
	if of.Lost != "" {
		return m, nil
	}
	exact, err := w.score(w.cfg.Exact, of.exact)
	if err != nil {
		return nil, err
	}
	m.Exact = &exact
	m.Greatest, m.Relative, err = distance(w.plan, *of.encrypted, *of.exact)
	return m, err
}

func (w *world) score(learners Learners, s *models.Snapshot) (Scored, error) {
	version, err := learners.Version(s)
	if err != nil {
		return Scored{}, err
	}
	labels, scores := make([][]float64, len(w.hosts)), make([][]float64, len(w.hosts))
	if err := w.parallel(len(w.hosts), func(i int) (err error) {
		labels[i], scores[i], err = version.Score(i)
		return err
	}); err != nil {
		return Scored{}, err
	}
	var y, p []float64
	for i := range labels {
		y, p = append(y, labels[i]...), append(p, scores[i]...)
	}
	out := Scored{AUC: meanAUC(y, p, max(1, w.plan.Model.Several))}
	confusion, err := aggregation.NewConfusion(y, p)
	if err != nil {
		return out, err
	}
	out.Accuracy, _ = confusion.Accuracy()
	return out, nil
}

// meanAUC is the mean over labels, of which each record has as many, one after the other;
// those of a single class do not count, and nil is when none does.
func meanAUC(y, scores []float64, labels int) *float64 {
	sum, defined := 0.0, 0
	for k := range labels {
		var own, score []float64
		for i := k; i < len(y); i += labels {
			own, score = append(own, y[i]), append(score, scores[i])
		}
		if auc, ok := aggregation.AUC(own, score); ok {
			sum, defined = sum+auc, defined+1
		}
	}
	if defined == 0 {
		return nil
	}
	mean := sum / float64(defined)
	return &mean
}

// distance compares the parameters of two snapshots.
func distance(p federation.Plan, a, b models.Snapshot) (greatest, relative float64, err error) {
	x, _, err := models.OfPlan(p, a)
	if err != nil {
		return 0, 0, err
	}
	y, _, err := models.OfPlan(p, b)
	if err != nil {
		return 0, 0, err
	}
	var apart, norm float64
	for i := range x {
		d := math.Abs(float64(x[i]) - float64(y[i]))
		greatest = max(greatest, d)
		apart += d * d
		norm += float64(y[i]) * float64(y[i])
	}
	if norm > 0 {
		relative = math.Sqrt(apart / norm)
	}
	return greatest, relative, nil
}
