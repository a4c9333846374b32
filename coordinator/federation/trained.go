package federation

import (
	"fmt"
	"path"
	"slices"
)

// Trains reports whether a tensor is trained; one that is not stays as the base has it.
func (l Local) Trains(tensor string) bool {
	return len(l.Trained) == 0 || matchesAny(l.Trained, tensor)
}

// Tensors lists the parameters of a snapshot of the plan's model, in the order of the flat
// vector: all, but of an External model only those that are trained.
func (p Plan) Tensors() []Tensor {
	all := p.Model.Tensors(p.Inputs())
	if p.Model.Kind != External {
		return all
	}
	return slices.DeleteFunc(all, func(t Tensor) bool { return !p.Local.Trains(t.Name) })
}

// ParameterCount is the length of the plan's flat parameter vector.
func (p Plan) ParameterCount() int { return count(p.Tensors()) }

// IsLocal reports whether a tensor is trained and never leaves the hospitals.
func (p Plan) IsLocal(tensor string) bool {
	return p.Local.Trains(tensor) && matchesAny(p.Aggregation.LocalTensors, tensor)
}

// IsShared reports whether a tensor is learned together.
func (p Plan) IsShared(tensor string) bool { return p.Local.Trains(tensor) && !p.IsLocal(tensor) }

// Shared lists the tensors that are learned together, in the order of Tensors.
func (p Plan) Shared() []Tensor {
	return slices.DeleteFunc(p.Tensors(), func(t Tensor) bool { return !p.IsShared(t.Name) })
}

// SharedCount is the number of parameters that are learned together.
func (p Plan) SharedCount() int { return count(p.Shared()) }

// TrainedCount is the number of parameters that are trained, together or in one hospital.
func (p Plan) TrainedCount() int {
	return count(slices.DeleteFunc(p.Tensors(), func(t Tensor) bool { return !p.Local.Trains(t.Name) }))
}

// validateTensors checks which tensors are trained and which are learned together.
func (p Plan) validateTensors() error {
	if p.Model.Validate(p.Inputs()) != nil {
		return nil // said elsewhere
	}
	all := p.Model.Tensors(p.Inputs())
	if err := checkPatterns("local.trained", p.Local.Trained, all, "matches no tensor of the model"); err != nil {
		return err
	}
	trained := slices.DeleteFunc(all, func(t Tensor) bool { return !p.Local.Trains(t.Name) })
	if err := checkPatterns("aggregation.local_tensors", p.Aggregation.LocalTensors, trained, "matches no tensor of the model that is trained"); err != nil {
		return err
	}
	switch n := p.ParameterCount(); {
	case p.Model.Kind == External && p.Model.Base == "" && len(trained) < len(p.Model.Declared):
		return bad("model.base", "missing: tensors that are not trained are in a file that every hospital has, and this is its SHA-256")
	case len(trained) > MaxTrained && p.Model.Kind == External:
		return bad("model.tensors", "%d tensors are trained: at most %d", len(trained), MaxTrained)
	case n > MaxParameters && p.Model.Kind == External:
		return bad("model.tensors", "%d parameters are trained: at most %d", n, MaxParameters)
	case len(p.Shared()) == 0:
		return bad("aggregation.local_tensors", "no tensor is left to learn together")
	}
	return nil
}

// checkPatterns refuses what is no pattern or matches none of the tensors.
func checkPatterns(key string, patterns []string, tensors []Tensor, none string) error {
	if len(patterns) > MaxPatterns {
		return bad(key, "%d patterns: at most %d", len(patterns), MaxPatterns)
	}
	for i, pattern := range patterns {
		key := fmt.Sprintf("%s[%d]", key, i)
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" || len(pattern) > MaxName {
			return bad(key, "%.80q is no pattern: want a tensor's name, with * and ? for parts of it", pattern)
		}
		if !slices.ContainsFunc(tensors, func(t Tensor) bool { return matches(pattern, t.Name) }) {
			return bad(key, "%q %s", pattern, none)
		}
	}
	return nil
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, name) })
}
