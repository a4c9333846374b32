package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/models"
)

// errKept: what this hospital kept of an earlier round is gone.
var errKept = errors.New("what this hospital kept of an earlier round is missing")

// keptFolder holds, of each round in which this hospital trained and which may have been
// summed, what it keeps of its own. A file is written before the update of its round is
// fixed; the base of a later round says which one was summed, and so which one counts.
// So a crash, an abandoned round or a late update leaves nothing to be undone.
const keptFolder = "kept/"

func keptName(round uint64) string { return fmt.Sprintf("%s%012d", keptFolder, round) }

// Names of the tensors in a file.
const (
	keptControl = "control"
	keptLocal   = "local/"
)

// kept is what a hospital keeps of its own from round to round.
type kept struct {
	control []float32            // its control variate over the shared parameters; nil: zeros
	local   map[string][]float32 // by tensor that never leaves; empty: as in the base
}

// recall returns what was kept of the round that last summed an update of this hospital,
// as the model that was downloaded last says; of local tensors alone unless it is to
// train. If a control variate is gone it must not: the server's still holds it, errKept.
func (d *Daemon) recall(ctx context.Context, training bool) (kept, error) {
	plan, counted := d.cfg.Plan, d.model.counted
	if counted == 0 || !training && len(plan.Aggregation.LocalTensors) == 0 {
		return kept{}, nil
	}
	k, err := d.readKept(ctx, keptName(counted))
	if !errors.Is(err, storage.ErrNotFound) {
		return k, err
	}
	if training && plan.Aggregation.Rule == federation.Scaffold {
		return kept{}, fmt.Errorf("control variate of round %d: %w", counted, errKept)
	}
	names, err := d.keptNames(ctx)
	if err != nil {
		return kept{}, err
	}
	if len(names) == 0 {
		d.cfg.Logger.Warn("local tensors are gone and start anew", "round", counted)
		return kept{}, nil
	}
	d.cfg.Logger.Warn("local tensors of this version are gone; the newest are used", "round", counted)
	return d.readKept(ctx, names[len(names)-1])
}

// keptNames lists what is kept, by round.
func (d *Daemon) keptNames(ctx context.Context) ([]string, error) {
	objects, err := d.store.List(ctx, keptFolder)
	if err != nil {
		return nil, fatal{err}
	}
	var names []string
	for _, o := range objects {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return names, nil
}

func (d *Daemon) readKept(ctx context.Context, name string) (kept, error) {
	raw, err := storage.GetAtMost(ctx, d.store, name, models.MaxSnapshotBytes)
	if err != nil {
		return kept{}, err
	}
	return decodeKept(d.cfg.Plan, name, raw)
}

// decodeKept reads what encode wrote; name stands for it in errors.
func decodeKept(p federation.Plan, name string, raw []byte) (kept, error) {
	s, err := models.Decode(raw)
	if err != nil {
		return kept{}, fmt.Errorf("%s: %w", name, err)
	}
	if s.Metadata[models.MetadataState] != models.StateKey(p) {
		return kept{}, fmt.Errorf("%s is of another rule: %w", name, errKept)
	}
	k := kept{local: map[string][]float32{}}
	for _, t := range s.Tensors {
		if local, ok := strings.CutPrefix(t.Name, keptLocal); ok {
			k.local[local] = t.F32
		} else {
			k.control = t.F32
		}
	}
	return k, k.check(p, name)
}

// check refuses what is not of the plan's model.
func (k kept) check(p federation.Plan, name string) error {
	if k.control != nil && len(k.control) != p.SharedCount() {
		return fmt.Errorf("%s: control variate of %d, the plan has %d: %w", name, len(k.control), p.SharedCount(), errKept)
	}
	for _, t := range p.Tensors() {
		if have, ok := k.local[t.Name]; ok && len(have) != t.Size() {
			return fmt.Errorf("%s: tensor %s of %d, the plan has %d: %w", name, t.Name, len(have), t.Size(), errKept)
		}
	}
	return nil
}

// keep makes what follows from a round durable before its update is fixed.
func (d *Daemon) keep(ctx context.Context, round uint64, k kept) error {
	raw, err := k.encode(d.cfg.Plan)
	if err != nil {
		return err
	}
	if err := d.tidyKept(ctx, round); err != nil {
		return err
	}
	name := keptName(round)
	// An earlier attempt in this round that was never fixed may have left its own.
	if err := d.store.Delete(ctx, name); err != nil {
		return fatal{err}
	}
	if err := storage.PutOnce(ctx, d.store, name, raw); err != nil {
		return fatal{err}
	}
	return nil
}

// keepAgain makes what an earlier round on the same question kept that of this round: the
// same integers are summed, if any are.
func (d *Daemon) keepAgain(ctx context.Context, before, now uint64) error {
	if before == now {
		return nil
	}
	raw, err := storage.GetAtMost(ctx, d.store, keptName(before), models.MaxSnapshotBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return nil // the rule keeps nothing
	}
	if err != nil {
		return fatal{err}
	}
	if err := d.store.Delete(ctx, keptName(now)); err != nil {
		return fatal{err}
	}
	if err := storage.PutOnce(ctx, d.store, keptName(now), raw); err != nil {
		return fatal{err}
	}
	return nil
}

// encode writes it as a snapshot.
func (k kept) encode(p federation.Plan) ([]byte, error) {
	s := models.Snapshot{Metadata: map[string]string{models.MetadataState: models.StateKey(p)}}
	if k.control != nil {
		s.Tensors = append(s.Tensors, models.Tensor{Name: keptControl, Shape: []int{len(k.control)}, F32: k.control})
	}
	for name, values := range k.local {
		s.Tensors = append(s.Tensors, models.Tensor{Name: keptLocal + name, Shape: []int{len(values)}, F32: values})
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return models.Encode(s), nil
}

// tidyKept deletes what later rounds replaced, and of those that may still turn out to
// have been summed all but the newest.
func (d *Daemon) tidyKept(ctx context.Context, round uint64) error {
	names, err := d.keptNames(ctx)
	if err != nil {
		return err
	}
	counted := keptName(d.model.counted)
	open := 0
	for _, name := range slices.Backward(names) {
		if name > counted {
			open++
		}
		if name != counted && (name < counted || open > maxKept) && name != keptName(round) {
			if err := d.store.Delete(ctx, name); err != nil {
				return fatal{err}
			}
		}
	}
	return nil
}

// merge returns parameters with this hospital's own tensors in place of the base's; the
// base itself where it has none.
func (k kept) merge(p federation.Plan, params []float32) []float32 {
	if len(k.local) == 0 {
		return params
	}
	merged, at := slices.Clone(params), 0
	for _, t := range p.Tensors() {
		copy(merged[at:at+t.Size()], k.local[t.Name])
		at += t.Size()
	}
	return merged
}

// split takes the tensors that are not learned together out of a trained change: it
// returns the change of the others, in the same memory, and what the local ones have
// become.
func split(p federation.Plan, start, delta []float32) (shared []float32, local map[string][]float32) {
	if len(p.Aggregation.LocalTensors) == 0 && len(p.Local.Trained) == 0 {
		return delta, nil
	}
	local = map[string][]float32{}
	from, to := 0, 0
	for _, t := range p.Tensors() {
		n := t.Size()
		if p.IsLocal(t.Name) {
			values := make([]float32, n)
			for i := range values {
				values[i] = start[from+i] + delta[from+i]
			}
			local[t.Name] = values
		} else if p.IsShared(t.Name) {
			to += copy(delta[to:], delta[from:from+n])
		}
		from += n
	}
	return delta[:to], local
}

// correction is c − cᵢ for every parameter, 0 for those that are not learned together;
// nil without control variates.
func (k kept) correction(p federation.Plan, control []float32) []float32 {
	if p.Aggregation.Rule != federation.Scaffold {
		return nil
	}
	out := make([]float32, 0, p.ParameterCount())
	at := 0
	for _, t := range p.Tensors() {
		n := t.Size()
		out = append(out, make([]float32, n)...)
		if !p.IsShared(t.Name) {
			continue
		}
		copy(out[len(out)-n:], control[at:at+n])
		if k.control != nil {
			for i, v := range k.control[at : at+n] {
				out[len(out)-n+i] -= v
			}
		}
		at += n
	}
	return out
}
