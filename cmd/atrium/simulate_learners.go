package main

import (
	"context"
	"sync"

	"atrium/client"
	"atrium/client/dataset"
	"atrium/client/train"
	"atrium/coordinator/federation"
	"atrium/coordinator/simulate"
	"atrium/storage/models"
)

// trainerPool lends Trainers to goroutines. What one computes does not depend on what it
// computed before, only on how many records its graph holds.
type trainerPool struct {
	plan federation.Plan
	mu   sync.Mutex
	free map[int][]train.Trainer // by records of a graph
}

func (p *trainerPool) size(rows int) int {
	if p.plan.Local.Batch > 0 {
		return p.plan.Local.Batch
	}
	size := 32
	for size < rows && size < train.MaxGraphRows {
		size *= 2
	}
	return size
}

// with lends a Trainer for a hospital with so many records.
func (p *trainerPool) with(rows int, do func(train.Trainer) error) error {
	size := p.size(rows)
	p.mu.Lock()
	var t train.Trainer
	if n := len(p.free[size]); n > 0 {
		t, p.free[size] = p.free[size][n-1], p.free[size][:n-1]
	}
	p.mu.Unlock()
	if t == nil {
		var err error
		if t, err = train.New(p.plan.Model, p.plan.Inputs(), size); err != nil {
			return err
		}
	}
	defer func() {
		p.mu.Lock()
		p.free[size] = append(p.free[size], t)
		p.mu.Unlock()
	}()
	return do(t)
}

func (p *trainerPool) close() {
	for _, list := range p.free {
		for _, t := range list {
			t.Close()
		}
	}
}

// simRecords are those of one simulated hospital.
type simRecords struct{ train, test *dataset.Table }

// simLearners are the hospitals of a simulation.
type simLearners struct {
	plan     federation.Plan
	pool     *trainerPool
	hospital []*client.Learner
	rows     []int
}

func newSimLearners(plan federation.Plan, pool *trainerPool, ids []federation.HospitalID, records []simRecords, unclipped bool) *simLearners {
	l := &simLearners{plan: plan, pool: pool}
	for i, r := range records {
		l.hospital = append(l.hospital, client.NewLearner(ids[i], plan, r.train, r.test, unclipped))
		l.rows = append(l.rows, r.train.Rows)
	}
	return l
}

func (l *simLearners) Rows(hospital int, kind federation.RoundKind) int {
	return l.hospital[hospital].Rows(kind)
}

func (l *simLearners) Kept(hospital int, round uint64) ([]byte, error) {
	return l.hospital[hospital].Kept(round)
}

func (l *simLearners) Restore(hospital int, round uint64, kept []byte) error {
	return l.hospital[hospital].Restore(round, kept)
}

func (l *simLearners) Version(s *models.Snapshot) (simulate.Version, error) {
	v := simVersion{simLearners: l}
	if s == nil {
		return v, nil
	}
	var err error
	v.base, err = client.NewBase(l.plan, *s)
	return v, err
}

// simVersion is a model as the hospitals of a simulation use it.
type simVersion struct {
	*simLearners
	base *client.Base
}

func (v simVersion) Contribute(ctx context.Context, hospital int, h federation.Header, steps int, seed uint64) (values []float64, err error) {
	err = v.pool.with(v.rows[hospital], func(t train.Trainer) (err error) {
		v.hospital[hospital].Limit(steps)
		values, err = v.hospital[hospital].Contribute(ctx, t, h, v.base, seed)
		return err
	})
	return values, err
}

func (v simVersion) Score(hospital int) (labels, scores []float64, err error) {
	err = v.pool.with(v.rows[hospital], func(t train.Trainer) (err error) {
		labels, scores, err = v.hospital[hospital].Score(t, v.base)
		return err
	})
	return labels, scores, err
}

func (v simVersion) Counted(hospital int) uint64 {
	if v.base == nil {
		return 0
	}
	return v.hospital[hospital].Counted(v.base)
}

// generateRecords makes up the records of a population.
func generateRecords(plan federation.Plan, profiles simulate.Profiles, population []simulate.Hospital, seed uint64) []simRecords {
	mixture := dataset.NewMixture(plan, seed)
	even := make([]float64, plan.Model.Labels())
	for i := range even {
		even[i] = 1 / float64(len(even))
	}
	var out []simRecords
	for i, h := range population {
		class := profiles.Classes[h.Class]
		labels := h.Labels(class, even)
		test := min(max(1, int(profiles.TestShare*float64(h.Rows)+0.5)), h.Rows)
		out = append(out, simRecords{mixture.Table(i, 0, h.Rows-test, labels, class.Skew.Shift), mixture.Table(i, 1, test, labels, class.Skew.Shift)})
	}
	return out
}

// dealRecords gives the records of a directory to a population, as its sizes and labels
// are: those for training and those held back apart, as the directory has them. How many a
// hospital has in the end is noted there.
func dealRecords(plan federation.Plan, profiles simulate.Profiles, population []simulate.Hospital, seed uint64, files []simRecords) []simRecords {
	all := simRecords{&dataset.Table{}, &dataset.Table{}}
	for _, f := range files {
		all.train.Append(f.train)
		all.test.Append(f.test)
	}
	counts := all.train.CountLabels(plan)
	shares := make([]float64, len(counts))
	for label, n := range counts {
		shares[label] = float64(n) / float64(max(1, all.train.Rows))
	}
	var wishes [][]float64
	for _, h := range population {
		wish := h.Labels(profiles.Classes[h.Class], shares)
		for label := range wish {
			wish[label] *= float64(h.Rows)
		}
		wishes = append(wishes, wish)
	}
	tests := dataset.Deal(all.test, plan, wishes, seed+1)
	var out []simRecords
	for i, t := range dataset.Deal(all.train, plan, wishes, seed) {
		population[i].Rows = t.Rows + tests[i].Rows
		out = append(out, simRecords{t, tests[i]})
	}
	return out
}

// readRecords reads the records of all hospitals of a directory.
func readRecords(plan federation.Plan, dir string) (names []string, out []simRecords, err error) {
	folder := recordFolder{dir, plan}
	if names, err = folder.hospitals(0); err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		var r simRecords
		if r.train, r.test, err = folder.read(name); err != nil {
			return nil, nil, err
		}
		out = append(out, r)
	}
	return names, out, nil
}
