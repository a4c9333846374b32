package models

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"atrium/coordinator/federation"
)

// Roles of a rule's own tensors, of which there is one for each tensor that is learned
// together: OptimiserFolder, the role, a slash, the tensor's name. They are F32.
const (
	StateMomentum = "momentum" // of FedAvgM
	StateFirst    = "first"    // moments of FedAdagrad, FedYogi and FedAdam
	StateSecond   = "second"
	StateControl  = "control" // the server's control variate of SCAFFOLD
)

// roles lists what a rule keeps.
func roles(rule string) []string {
	switch rule {
	case federation.FedAvgM:
		return []string{StateMomentum}
	case federation.FedAdagrad, federation.FedYogi, federation.FedAdam:
		return []string{StateFirst, StateSecond}
	case federation.Scaffold:
		return []string{StateControl}
	}
	return nil
}

// StateCount is how many numbers a plan's rule keeps with each version.
func StateCount(p federation.Plan) int { return len(roles(p.Aggregation.Rule)) * p.SharedCount() }

// StateKey says which plans can go on with a snapshot's state: those of the same rule
// and with the same tensors trained and staying in the hospitals. It is empty if nothing
// is kept.
func StateKey(p federation.Plan) string {
	if len(roles(p.Aggregation.Rule)) == 0 && !p.Aggregation.KeepsState() {
		return ""
	}
	key := append([]string{p.Aggregation.Rule}, p.Aggregation.LocalTensors...)
	if len(p.Local.Trained) > 0 {
		key = append(append(key, trainedKey), p.Local.Trained...)
	}
	return FormatNames(key)
}

// trainedKey stands before patterns of trained tensors; no pattern that matches a tensor
// has a colon.
const trainedKey = "trained:"

// continues reports whether a plan goes on with what the rule kept in s.
func continues(p federation.Plan, s Snapshot) bool {
	key := StateKey(p)
	return key != "" && s.Metadata[MetadataState] == key
}

// Afresh is s with which no plan goes on with what a rule kept: it shares the tensors.
func (s Snapshot) Afresh() Snapshot {
	s.Metadata = maps.Clone(s.Metadata)
	delete(s.Metadata, MetadataState)
	return s
}

// State returns the tensors of one role in the order of Plan.Shared, nil where the rule
// starts anew.
func State(p federation.Plan, s Snapshot, role string) ([]Tensor, error) {
	if !continues(p, s) {
		return nil, nil
	}
	var out []Tensor
	for _, t := range p.Shared() {
		have, ok := s.Tensor(OptimiserFolder + role + "/" + t.Name)
		if !ok || !slices.Equal(have.Shape, t.Shape) || have.F32 == nil {
			return nil, fmt.Errorf("%w: %s of tensor %s is missing or of another shape", ErrSnapshot, role, t.Name)
		}
		out = append(out, have)
	}
	return out, nil
}

// carry adds to next what the plan's rule keeps: from base, or fresh.
func carry(p federation.Plan, base Snapshot, next *Snapshot) error {
	key := StateKey(p)
	if key == "" {
		return nil
	}
	next.Metadata[MetadataState] = key
	if counted, ok := base.Metadata[MetadataCounted]; ok && continues(p, base) {
		next.Metadata[MetadataCounted] = counted
	}
	for _, role := range roles(p.Aggregation.Rule) {
		state, err := State(p, base, role)
		if err != nil {
			return err
		}
		if state == nil {
			state = fresh(p, role)
		}
		next.Tensors = append(next.Tensors, state...)
	}
	return nil
}

// fresh is what a role starts with.
func fresh(p federation.Plan, role string) []Tensor {
	var out []Tensor
	for _, t := range p.Shared() {
		values := make([]float32, t.Size())
		if role == StateSecond {
			first := p.Aggregation.Adaptive().FirstSecond()
			for i := range values {
				values[i] = first
			}
		}
		out = append(out, Tensor{Name: OptimiserFolder + role + "/" + t.Name, Shape: t.Shape, F32: values})
	}
	return out
}

// Counted says which round last summed an update of a hospital.
type Counted struct {
	Hospital federation.HospitalID `json:"hospital"`
	Round    uint64                `json:"round"`
}

// LastCounted returns, in the order of hospitals, which round last summed an update of
// each; hospitals need it where they keep something of their own. Nothing where the plan
// starts anew.
func LastCounted(p federation.Plan, s Snapshot) ([]Counted, error) {
	text, ok := s.Metadata[MetadataCounted]
	if !ok || !continues(p, s) {
		return nil, nil
	}
	return parseCounted([]byte(text))
}

func parseCounted(text []byte) ([]Counted, error) {
	list, err := federation.Decode[[]Counted](text, MaxHeaderBytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSnapshot, MetadataCounted, err)
	}
	for i, c := range list {
		if i > 0 && list[i-1].Hospital >= c.Hospital || c.Round == 0 || c.Round > maxCounter {
			return nil, fmt.Errorf("%w: %s: %.80q is out of order, or of no round", ErrSnapshot, MetadataCounted, c.Hospital)
		}
	}
	return list, nil
}

// Count notes in s that a round summed updates of these hospitals.
func (s Snapshot) Count(p federation.Plan, round uint64, hospitals []federation.HospitalID) error {
	list, err := LastCounted(p, s)
	if err != nil {
		return err
	}
	for _, h := range hospitals {
		i, known := slices.BinarySearchFunc(list, h, func(c Counted, h federation.HospitalID) int {
			return cmp.Compare(c.Hospital, h)
		})
		if !known {
			list = slices.Insert(list, i, Counted{Hospital: h})
		}
		list[i].Round = round
	}
	s.Metadata[MetadataCounted] = string(federation.Encode(list))
	return nil
}
