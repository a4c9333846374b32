package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/models"
)

// record is what one round learned, which is what costs time to compute again.
type record struct {
	Round      uint64             `json:"round"`
	Manifest   federation.Digest  `json:"manifest"`
	Failed     []failed           `json:"failed,omitempty"` // who could not compute
	Result     federation.Digest  `json:"result"`
	Snapshot   federation.Digest  `json:"snapshot,omitzero"`
	Parameters federation.Digest  `json:"parameters,omitzero"`
	Sketch     *federation.Sketch `json:"sketch,omitempty"`
	Metric     *Metric            `json:"metric,omitempty"`
	Evaluation *Scored            `json:"evaluation,omitempty"`
	Stop       *float64           `json:"stop,omitempty"`    // the stop rule's metric
	Refused    string             `json:"refused,omitempty"` // why the rule did not take the sum
	Lost       string             `json:"lost,omitempty"`    // why the line without encryption ended

	encrypted, exact *models.Snapshot
}

type failed struct {
	Hospital federation.HospitalID `json:"hospital"`
	Reason   string                `json:"reason"`
}

// inputs name everything that a simulation follows from.
type inputs struct {
	V          int               `json:"v"` // 1
	Plan       federation.Digest `json:"plan"`
	Profiles   federation.Digest `json:"profiles"`
	Population federation.Digest `json:"population"`
	Groups     int               `json:"groups"`
	Seed       uint64            `json:"seed"`
}

const inputsName = "simulation"

// records keeps what rounds learned. Without a store it keeps the round under way alone.
type records struct {
	w     *world
	store storage.Bucket
	fresh bool // a round was learned in this run: learners have what they keep
}

func openRecords(w *world) (*records, error) {
	k := &records{w: w, store: w.cfg.Store}
	if k.store == nil {
		return k, nil
	}
	have := federation.Encode(w.cfg.inputs())
	was, err := storage.GetAtMost(w.ctx, k.store, inputsName, maxRecord)
	if errors.Is(err, storage.ErrNotFound) {
		return k, storage.PutOnce(w.ctx, k.store, inputsName, have)
	}
	if err != nil || bytes.Equal(was, have) {
		return k, err
	}
	old, err := federation.Decode[inputs](was, maxRecord)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", inputsName, err)
	}
	return nil, fmt.Errorf("the directory holds a simulation with another %s: start anew in another directory", old.differs(w.cfg.inputs()))
}

func (c Config) inputs() inputs {
	type drawn struct {
		Name  string
		Rows  int
		Speed float64
		Train int
		Test  int
	}
	var list []drawn
	for i, h := range c.Population {
		list = append(list, drawn{h.Name, h.Rows, h.Speed, c.Encrypted.Rows(i, federation.Train), c.Encrypted.Rows(i, federation.Evaluate)})
	}
	return inputs{V: 1, Plan: c.Plan.Digest(), Profiles: federation.Sum(federation.Encode(c.Profiles)),
		Population: federation.Sum(federation.Encode(list)), Groups: c.Groups, Seed: c.Seed}
}

func (i inputs) differs(o inputs) string {
	switch {
	case i.V != o.V:
		return "format"
	case i.Plan != o.Plan:
		return "plan"
	case i.Profiles != o.Profiles:
		return "set of profiles"
	case i.Seed != o.Seed:
		return "seed"
	case i.Groups != o.Groups:
		return "number of groups"
	}
	return "set of hospitals or records"
}

func recordName(round uint64) string { return fmt.Sprintf("rounds/%012d/record", round) }
func snapshotName(round uint64, line string) string {
	return fmt.Sprintf("rounds/%012d/%s.safetensors", round, line)
}
func keptName(round uint64, line string, hospital int) string {
	return fmt.Sprintf("kept/%012d/%s/%06d", round, line, hospital)
}

// Names of the lines.
const (
	lineEncrypted = "encrypted"
	lineExact     = "exact"
)

func lineName(exact bool) string {
	if exact {
		return lineExact
	}
	return lineEncrypted
}

// read returns what a round learned in an earlier run; ok is false if none did.
func (k *records) read(round uint64) (r record, ok bool, err error) {
	if k.store == nil || k.fresh {
		return record{}, false, nil
	}
	raw, err := storage.GetAtMost(k.w.ctx, k.store, recordName(round), maxRecord)
	if errors.Is(err, storage.ErrNotFound) {
		return record{}, false, nil
	}
	if err == nil {
		r, err = federation.Decode[record](raw, maxRecord)
	}
	if err != nil || r.Snapshot.IsZero() {
		return r, err == nil, err
	}
	for _, l := range []struct {
		name string
		into **models.Snapshot
	}{{lineEncrypted, &r.encrypted}, {lineExact, &r.exact}} {
		raw, err := storage.GetAtMost(k.w.ctx, k.store, snapshotName(round, l.name), models.MaxSnapshotBytes)
		if err != nil {
			return r, false, err
		}
		s, err := models.Decode(raw)
		if err != nil {
			return r, false, fmt.Errorf("%s: %w", snapshotName(round, l.name), err)
		}
		*l.into = &s
	}
	if models.Digest(*r.encrypted) != r.Snapshot {
		return r, false, fmt.Errorf("%s: %w", snapshotName(round, lineEncrypted), storage.ErrDigest)
	}
	return r, true, nil
}

// end keeps of a round that was abandoned who could not compute, so that it need not be
// computed to come to the same.
func (k *records) end(round uint64) error {
	if k.store == nil || k.w.lines.computed == nil {
		return nil
	}
	if _, known, err := k.read(round); known || err != nil {
		return err
	}
	k.fresh = true
	return k.put(record{Round: round, Refused: k.w.lines.refused, Lost: k.w.lines.lost})
}

// put stores a record, with who could not compute.
func (k *records) put(r record) error {
	for _, group := range k.w.coord.state.Round.Cohort {
		for _, id := range group {
			if reason := k.w.lines.computed[id].failed; reason != "" {
				r.Failed = append(r.Failed, failed{id, reason})
			}
		}
	}
	return storage.PutOnce(k.w.ctx, k.store, recordName(r.Round), federation.Encode(r))
}

// write keeps what a round learned; the record comes last.
func (k *records) write(r record, s federation.Candidate) error {
	k.fresh = true
	if k.store == nil {
		return nil
	}
	if r.encrypted != nil {
		for name, snapshot := range map[string]*models.Snapshot{lineEncrypted: r.encrypted, lineExact: r.exact} {
			if err := storage.PutOnce(k.w.ctx, k.store, snapshotName(r.Round, name), models.Encode(*snapshot)); err != nil {
				return err
			}
		}
	}
	if k.w.plan.Aggregation.KeepsState() {
		if err := k.keep(r.Round, s); err != nil {
			return err
		}
	}
	return k.put(r)
}

// keepWriters write side by side, because each waits for its disk.
const keepWriters = 16

// keep stores what the hospitals of S keep of their own.
func (k *records) keep(round uint64, s federation.Candidate) error {
	members := slices.Concat(s.Groups...)
	return k.w.spread(keepWriters, len(members), func(i int) error {
		hospital := k.w.byID[members[i].Hospital].index
		for line, learners := range map[string]Learners{lineEncrypted: k.w.cfg.Encrypted, lineExact: k.w.cfg.Exact} {
			kept, err := learners.Kept(hospital, round)
			if err == nil && kept != nil {
				err = storage.PutOnce(k.w.ctx, k.store, keptName(round, line, hospital), kept)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// restore gives learners back what hospitals kept in an earlier run, before the first round
// that is learned in this one.
func (k *records) restore(v Version, learners Learners, exact bool) error {
	if k.store == nil || k.fresh || !k.w.plan.Aggregation.KeepsState() || exact && k.w.lines.lost != "" {
		return nil
	}
	for i := range k.w.hosts {
		round := v.Counted(i)
		if round == 0 {
			continue
		}
		raw, err := storage.GetAtMost(k.w.ctx, k.store, keptName(round, lineName(exact), i), models.MaxSnapshotBytes)
		if err == nil {
			err = learners.Restore(i, round, raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
