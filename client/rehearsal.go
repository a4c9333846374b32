package client

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"atrium/aggregation/fixedpoint"
	"atrium/client/dataset"
	"atrium/client/train"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/storage/models"
)

// Rehearsal is a federation in one process: hospitals train as their daemons do, the
// integers that they would encrypt are added, and the plan's rule makes the next snapshot
// of the sum. Network, log, custodians, policies and encryption are left out. With the
// same hospitals, records, seed and plan its snapshots are, byte for byte, those of daemons
// with that RoundingSeed, unless the rule keeps state: then pseudonyms in them differ.
//
// One goroutine at a time.
type Rehearsal struct {
	Plan      federation.Plan
	Charter   federation.Charter // of made-up keys
	Hospitals []*Rehearsing      // in the order given
	Model     models.Snapshot    // of Version; nothing before the statistics
	Version   uint64

	exact    bool
	byRound  bool // records are ordered by the round's number
	round    uint64
	trainers map[int]train.Trainer // by records of a graph
}

// Rehearsing is one hospital of a Rehearsal.
type Rehearsing struct {
	ID   federation.HospitalID
	Name string

	// Hostile, unless nil, is what a hostile hospital sends in a train round: any integers,
	// as those of combinations of encryptions are. Of bands it declares the greatest.
	Hostile func(Situation) []int64

	before  []int64 // what the others of its group summed to in the last train round
	groups  [][]int64
	sizes   []int
	learner *Learner
	trainer train.Trainer
	seed    uint64
}

// Records are those of one hospital.
type Records struct {
	Name        string
	Train, Test *dataset.Table
}

// NewRehearsal sums hospitals in so many groups, as `init --groups` makes them. The caller
// closes it.
func NewRehearsal(plan federation.Plan, hospitals []Records, groups int, seed uint64) (*Rehearsal, error) {
	r := &Rehearsal{Plan: plan, trainers: map[int]train.Trainer{}}
	var members []federation.Member
	for _, h := range hospitals {
		t, err := r.trainer(h.Train.Rows)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		m := madeUp(h.Name)
		members = append(members, m)
		r.Hospitals = append(r.Hospitals, &Rehearsing{ID: m.ID, Name: h.Name, trainer: t, seed: seed,
			learner: NewLearner(m.ID, plan, h.Train, h.Test, false)})
	}
	var err error
	r.Charter, err = federation.NewCharter(rehearsal, rehearsal, members, true)
	if err == nil {
		r.Charter, err = r.Charter.Grouped(r.groups(groups))
	}
	if err == nil {
		r.Charter = r.Charter.With(federation.Tolerant(len(hospitals), groups)) // who has few records is left out
		err = errors.Join(r.Charter.Validate(), federation.CheckRule(r.Charter, plan))
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// WithoutFixedPoint has hospitals contribute changes as they were computed, neither
// clipped nor rounded, and adds them as real numbers: a federation without encryption.
func (r *Rehearsal) WithoutFixedPoint() {
	r.exact = true
	for _, h := range r.Hospitals {
		h.learner = NewLearner(h.ID, r.Plan, h.learner.train, h.learner.test, true)
	}
}

// Start replaces the parameters that follow from the plan, behind the statistics round, and
// orders records by the number of each round instead of its base: rehearsals that differ
// in precision alone then take the same steps.
func (r *Rehearsal) Start(params []float32) error {
	_, norm, err := models.OfPlan(r.Plan, r.Model)
	if err != nil {
		return err
	}
	r.byRound = true
	r.Model, err = models.ForPlan(r.Plan, params, norm)
	return err
}

const rehearsal = "rehearsal" // name of the federation, and in the place of its log's key

// madeUp is a member with keys that nobody has.
func madeUp(name string) federation.Member {
	seed := sha256.Sum256([]byte("atrium/rehearsal/v1\n" + name))
	public := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
	return federation.Member{ID: federation.NewHospitalID(rehearsal, public), Name: name, IdentityKey: public, TLSKey: federation.Sum(seed[:])}
}

// groups cuts the hospitals into n groups.
func (r *Rehearsal) groups(n int) [][]federation.HospitalID {
	var ids []federation.HospitalID
	for _, h := range r.Hospitals {
		ids = append(ids, h.ID)
	}
	return federation.CutGroups(ids, n)
}

// trainer returns the one for hospitals with so many records; they share it, because
// what it computes does not depend on what it computed before.
func (r *Rehearsal) trainer(rows int) (train.Trainer, error) {
	if r.Plan.Local.Batch > 0 {
		rows = 0
	}
	if t := r.trainers[rows]; t != nil {
		return t, nil
	}
	t, err := newTrainer(r.Plan, rows)
	if err == nil {
		r.trainers[rows] = t
	}
	return t, err
}

// Close releases the trainers.
func (r *Rehearsal) Close() error {
	var errs []error
	for _, t := range r.trainers {
		errs = append(errs, t.Close())
	}
	clear(r.trainers)
	return errors.Join(errs...)
}

// Hospital returns the one with that pseudonym, or nil.
func (r *Rehearsal) Hospital(id federation.HospitalID) *Rehearsing {
	i := slices.IndexFunc(r.Hospitals, func(h *Rehearsing) bool { return h.ID == id })
	if i < 0 {
		return nil
	}
	return r.Hospitals[i]
}

// Round gathers a cohort, nil for every hospital, leaves out who has too few records, and
// publishes what the round finds.
func (r *Rehearsal) Round(ctx context.Context, kind federation.RoundKind, cohort []federation.HospitalID) (opening.Result, error) {
	h, err := r.header(kind)
	if err != nil {
		return opening.Result{}, err
	}
	candidate, err := r.candidate(kind, cohort)
	if err != nil {
		return opening.Result{}, fmt.Errorf("%s round %d: %w", kind, h.Round, err)
	}
	r.mask(candidate)
	var base *Base
	if kind != federation.Statistics {
		if base, err = NewBase(r.Plan, r.Model); err != nil {
			return opening.Result{}, err
		}
	}
	round := opening.Round{Charter: r.Charter, Plan: r.Plan, Header: h, Candidate: candidate, Submissions: r.submissions(kind, candidate)}
	r.round = h.Round // also if it fails: the next has another number
	sum, err := r.sum(ctx, round, base)
	if err != nil {
		return opening.Result{}, fmt.Errorf("%s round %d: %w", kind, h.Round, err)
	}
	outcome, err := opening.Conclude(round, sum, r.Model)
	if err != nil {
		return opening.Result{}, err
	}
	if outcome.Snapshot != nil {
		r.Model, r.Version = *outcome.Snapshot, r.Version+1
	}
	return outcome.Result, nil
}

// mask has those who are summed mask what too few of their group have.
func (r *Rehearsal) mask(s federation.Candidate) {
	masks := r.Charter.Masks(s.Set(), func(id federation.HospitalID) federation.Columns { return r.Hospital(id).learner.Lacks() }, nil)
	for g, group := range s.Groups {
		for _, m := range group {
			r.Hospital(m.Hospital).learner.Mask(federation.MaskOf(masks, g))
		}
	}
}

// sum adds what the submitters contribute.
func (r *Rehearsal) sum(ctx context.Context, round opening.Round, base *Base) (opening.Sum, error) {
	if !r.exact {
		heard := newHeard(round)
		sum, err := opening.Plain(round, func(id federation.HospitalID) ([]int64, error) {
			h := r.Hospital(id)
			fields, err := h.update(ctx, round.Header, base, r.byRound)
			if err == nil && round.Header.Kind == federation.Train {
				fields = heard.send(h, fields)
			}
			return fields, err
		})
		heard.end(r.Hospitals)
		return sum, err
	}
	all := map[federation.HospitalID][]float64{}
	for _, group := range round.Candidate.Groups {
		for _, m := range group {
			values, err := r.Hospital(m.Hospital).values(ctx, round.Header, base, r.byRound)
			if err != nil {
				return opening.Sum{}, err
			}
			all[m.Hospital] = values
		}
	}
	return opening.Exact(round, all), nil
}

// submissions are what is declared in them.
func (r *Rehearsal) submissions(kind federation.RoundKind, s federation.Candidate) map[federation.HospitalID]federation.Submission {
	out := map[federation.HospitalID]federation.Submission{}
	for _, group := range s.Groups {
		for _, m := range group {
			h := r.Hospital(m.Hospital)
			rows := h.learner.Rows(kind)
			if h.Hostile != nil {
				rows = r.Plan.Privacy.WeightCap
			}
			out[m.Hospital] = federation.Submission{Hospital: m.Hospital, Band: r.Plan.Band(kind, rows)}
		}
	}
	return out
}

// header is that of the next round, as far as hospitals and rule look at it.
func (r *Rehearsal) header(kind federation.RoundKind) (federation.Header, error) {
	format, err := opening.Format(r.Plan, kind, r.Model)
	if err != nil {
		return federation.Header{}, err
	}
	h := federation.Header{V: 1, Federation: rehearsal, Round: r.round + 1, Kind: kind, Plan: r.Plan.Digest(), Version: r.Version,
		MaxHostileMembers: r.Charter.MaxHostileMembers, MinCohort: r.Charter.MinCohort, Format: format}
	if h.Newest = r.Version; r.Version > 0 {
		h.Steps = r.Version - 1
		h.Parameters = models.ParametersDigest(r.Model)
	}
	h.Questions = r.Plan.Questions(kind, h.Parameters)
	return h, nil
}

// candidate are those of the cohort with enough records, where a group has enough of them.
func (r *Rehearsal) candidate(kind federation.RoundKind, cohort []federation.HospitalID) (federation.Candidate, error) {
	out := federation.Candidate{V: 1}
	any := false
	for _, group := range r.Charter.Groups {
		members := []federation.Submitter{}
		for _, id := range group {
			if (cohort == nil || slices.Contains(cohort, id)) && r.Hospital(id).learner.Rows(kind) >= r.Plan.Privacy.MinRecords {
				members = append(members, federation.Submitter{Hospital: id})
			}
		}
		if len(members) < r.Charter.MinCohort {
			members = []federation.Submitter{}
		}
		any = any || len(members) > 0
		out.Groups = append(out.Groups, members)
	}
	if !any {
		return out, fmt.Errorf("no group has %d hospitals with %d eligible records", r.Charter.MinCohort, r.Plan.Privacy.MinRecords)
	}
	return out, nil
}

// values are what the hospital contributes.
func (h *Rehearsing) values(ctx context.Context, header federation.Header, base *Base, byRound bool) ([]float64, error) {
	order := h.seedOf("order", header)
	if byRound {
		order = repeatable("order", h.Name, h.seed, []string{fmt.Sprint(header.Round)})
	}
	values, err := h.learner.Contribute(ctx, h.trainer, header, base, binary.LittleEndian.Uint64(order[:8]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	return values, nil
}

func (h *Rehearsing) seedOf(purpose string, header federation.Header) [32]byte {
	return repeatable(purpose, h.Name, h.seed, header.Questions)
}

// update returns the fields that the hospital's daemon would encrypt.
func (h *Rehearsing) update(ctx context.Context, header federation.Header, base *Base, byRound bool) ([]int64, error) {
	values, err := h.values(ctx, header, base, byRound)
	if err != nil {
		return nil, err
	}
	fields := make([]uint32, header.Format.Count())
	_, err = header.Format.Quantise(fields, values, fixedpoint.NewRounding(h.seedOf("rounding", header)))
	return opening.Wide(fields), err
}

// Scores are what a model says of the test records of one hospital: Width labels and
// scores a record.
type Scores struct {
	Labels, Scores []float64
	Width          int
}

// ScoresOf returns those of the Model at each hospital; after fine-tuning there, if tuned.
func (r *Rehearsal) ScoresOf(ctx context.Context, tuned bool) ([]Scores, error) {
	base, err := NewBase(r.Plan, r.Model)
	if err != nil {
		return nil, err
	}
	return r.each(func(h *Rehearsing) ([]float64, []float64, error) {
		if tuned {
			return h.learner.ScoreTuned(ctx, h.trainer, base, h.seed)
		}
		return h.learner.Score(h.trainer, base)
	})
}

// ScoresAlone returns those of a model that each hospital trained by the plan's rounds on
// its own records alone.
func (r *Rehearsal) ScoresAlone(ctx context.Context) ([]Scores, error) {
	return r.each(func(h *Rehearsing) ([]float64, []float64, error) {
		return h.learner.ScoreAlone(ctx, h.trainer, h.seed<<32)
	})
}

// ScoresPooled returns those of a model that was trained by the plan's rounds on the
// records of all in one place.
func (r *Rehearsal) ScoresPooled(ctx context.Context) ([]Scores, error) {
	all := &dataset.Table{}
	for _, h := range r.Hospitals {
		all.Append(h.learner.train)
	}
	t, err := r.trainer(all.Rows)
	if err != nil {
		return nil, err
	}
	params, norm, err := trainAlone(ctx, r.Plan, t, all, r.Hospitals[0].seed<<32, func() {})
	if err != nil {
		return nil, err
	}
	return r.each(func(h *Rehearsing) ([]float64, []float64, error) {
		scores, err := scoreAll(r.Plan, h.trainer, params, norm, h.learner.test)
		return h.learner.test.Y, scores, err
	})
}

func (r *Rehearsal) each(score func(*Rehearsing) (labels, scores []float64, err error)) ([]Scores, error) {
	var out []Scores
	for _, h := range r.Hospitals {
		labels, scores, err := score(h)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		out = append(out, Scores{labels, scores, h.learner.test.Labels})
	}
	return out, nil
}
