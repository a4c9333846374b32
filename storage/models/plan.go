package models

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// InitialParameters is the flat parameter vector before any training, from the plan
// alone: zeros for a logistic model; else weights uniform in ±√(6/inputs of a unit) from
// a generator seeded by the plan's digest, scales of 1 and zero biases and shifts; of an
// external model what its tensors declare, with the same generator. The same plan gives
// the same bytes on every CPU.
func InitialParameters(p federation.Plan) []float32 {
	params := make([]float32, p.ParameterCount())
	if p.Model.Kind == federation.Logistic {
		return params
	}
	digest := p.Digest()
	rng := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(digest[:8]), binary.LittleEndian.Uint64(digest[8:16])))
	if p.Model.Kind == federation.External {
		initialDeclared(p, params, rng)
		return params
	}
	at := 0
	for _, t := range p.Tensors() {
		if strings.HasSuffix(t.Name, ".scale") {
			for i := range t.Size() {
				params[at+i] = 1
			}
		}
		if inputs := unitInputs(t); inputs > 0 {
			bound := math.Sqrt(6 / float64(inputs))
			for i := range t.Size() {
				params[at+i] = float32(within(bound, rng))
			}
		}
		at += t.Size()
	}
	return params
}

// within draws from ±bound.
func within(bound float64, rng *rand.Rand) float64 {
	return float64(bound * float64(float64(2*rng.Float64())-1))
}

func initialDeclared(p federation.Plan, params []float32, rng *rand.Rand) {
	for _, d := range p.Model.Declared {
		if !p.Local.Trains(d.Name) {
			continue
		}
		n := federation.Tensor{Shape: d.Shape}.Size()
		for i := range params[:n] {
			params[i] = float32(d.Value + within(d.Spread, rng))
		}
		params = params[n:]
	}
}

// unitInputs is how many inputs a unit or a filter of a weight tensor has; 0 of others.
func unitInputs(t federation.Tensor) int {
	switch len(t.Shape) {
	case 2:
		return t.Shape[0]
	case 4:
		return t.Shape[1] * t.Shape[2] * t.Shape[3]
	}
	return 0
}

// ForPlan builds the snapshot of a plan's model: params is the flat parameter vector in
// the order of Plan.Tensors.
func ForPlan(p federation.Plan, params []float32, norm aggregation.Normalisation) (Snapshot, error) {
	if len(params) != p.ParameterCount() {
		return Snapshot{}, fmt.Errorf("%w: %d parameters, the plan has %d", ErrSnapshot, len(params), p.ParameterCount())
	}
	var tensors []Tensor
	for _, t := range p.Tensors() {
		n := t.Size()
		tensors = append(tensors, Tensor{Name: ModelFolder + t.Name, Shape: t.Shape, F32: params[:n:n]})
		params = params[n:]
	}
	return assemble(p, tensors, norm)
}

// Refit is ForPlan of what OfPlan reads, with what the plan's rule keeps from round to
// round, and without a copy: it shares the tensors of s. The model's come first, in the
// order of the plan.
func Refit(p federation.Plan, s Snapshot) (Snapshot, error) {
	if err := checkPlan(p, s); err != nil {
		return Snapshot{}, err
	}
	var tensors []Tensor
	for _, t := range p.Tensors() {
		have, _ := s.Tensor(ModelFolder + t.Name)
		tensors = append(tensors, Tensor{Name: have.Name, Shape: t.Shape, F32: have.F32})
	}
	norm, err := normalisation(p, s)
	if err != nil {
		return Snapshot{}, err
	}
	next, err := assemble(p, tensors, norm)
	if err != nil {
		return next, err
	}
	return next, carry(p, s, &next)
}

// assemble adds what a snapshot of the plan's model has besides its parameters.
func assemble(p federation.Plan, tensors []Tensor, norm aggregation.Normalisation) (Snapshot, error) {
	if err := norm.Validate(len(p.Features)); err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	names := make([]string, len(p.Features))
	for i, f := range p.Features {
		names[i] = f.Name
	}
	classes := p.Label.Columns
	if len(classes) == 0 {
		for i := range p.Model.Labels() {
			classes = append(classes, strconv.Itoa(i))
		}
	}
	features := []int{len(p.Features)}
	s := Snapshot{Metadata: map[string]string{
		MetadataFeatures: FormatNames(names), MetadataLabel: p.Label.Name, MetadataClasses: FormatNames(classes),
	}, Tensors: append(tensors, Tensor{Name: PreprocessingMean, Shape: features, F64: norm.Mean},
		Tensor{Name: PreprocessingSD, Shape: features, F64: norm.SD})}
	return s, s.Validate()
}

// DecodeForPlan is DecodeFrom for the model of a plan, with one vector for all of its
// parameters: params is what OfPlan would copy, and the tensors of s are its parts. It
// lies in spare where that has the capacity.
func DecodeForPlan(p federation.Plan, r io.Reader, spare []float32) (s Snapshot, params []float32, norm aggregation.Normalisation, err error) {
	if n := p.ParameterCount(); cap(spare) >= n {
		params = spare[:n]
	} else {
		params = make([]float32, n)
	}
	parts, at := map[string][]float32{}, 0
	for _, t := range p.Tensors() {
		n := t.Size()
		parts[ModelFolder+t.Name] = params[at : at+n : at+n]
		at += n
	}
	s, err = decode(r, MaxSnapshotBytes, func(name string, n int) []float32 {
		if part := parts[name]; len(part) == n {
			return part
		}
		return make([]float32, n) // of another model: checkPlan says so
	})
	if err == nil {
		err = checkPlan(p, s)
	}
	if err == nil {
		norm, err = normalisation(p, s)
	}
	return s, params, norm, err
}

// OfPlan reads the flat parameter vector and the preprocessing back, refusing a
// snapshot that is not of the plan's model.
func OfPlan(p federation.Plan, s Snapshot) ([]float32, aggregation.Normalisation, error) {
	if err := checkPlan(p, s); err != nil {
		return nil, aggregation.Normalisation{}, err
	}
	params := make([]float32, 0, p.ParameterCount())
	for _, t := range p.Tensors() {
		have, _ := s.Tensor(ModelFolder + t.Name)
		params = append(params, have.F32...)
	}
	norm, err := normalisation(p, s)
	if err != nil {
		return nil, norm, err
	}
	return params, norm, nil
}

// checkPlan refuses a snapshot whose model is not exactly the plan's: the same parameters
// in another shape, or beside a tensor that no one reads, would be another question with
// the same answer (see ParametersDigest).
func checkPlan(p federation.Plan, s Snapshot) error {
	tensors := p.Tensors()
	for _, t := range tensors {
		have, ok := s.Tensor(ModelFolder + t.Name)
		if !ok || len(have.F32) != t.Size() {
			return fmt.Errorf("%w: tensor %s is missing or of another size than the plan's", ErrSnapshot, t.Name)
		}
		if !slices.Equal(have.Shape, t.Shape) {
			return fmt.Errorf("%w: tensor %s has shape %v, the plan's has %v", ErrSnapshot, t.Name, have.Shape, t.Shape)
		}
	}
	for _, t := range s.Tensors {
		name, model := strings.CutPrefix(t.Name, ModelFolder)
		if model && !slices.ContainsFunc(tensors, func(of federation.Tensor) bool { return of.Name == name }) {
			return fmt.Errorf("%w: tensor %s is not of the plan's model", ErrSnapshot, t.Name)
		}
	}
	return nil
}

func normalisation(p federation.Plan, s Snapshot) (aggregation.Normalisation, error) {
	mean, _ := s.Tensor(PreprocessingMean)
	sd, _ := s.Tensor(PreprocessingSD)
	norm := aggregation.Normalisation{Mean: mean.F64, SD: sd.F64}
	if err := norm.Validate(len(p.Features)); err != nil {
		return norm, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return norm, nil
}
