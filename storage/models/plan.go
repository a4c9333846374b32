package models

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// InitialParameters is the flat parameter vector before any training, from the plan
// alone: zeros for a logistic model; for an mlp, weights uniform in ±√(6/inputs) of
// their layer from a generator seeded by the plan's digest, and zero biases. The same
// plan gives the same bytes on every CPU.
func InitialParameters(p federation.Plan) []float32 {
	params := make([]float32, p.ParameterCount())
	if p.Model.Kind == federation.Logistic {
		return params
	}
	digest := p.Digest()
	rng := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(digest[:8]), binary.LittleEndian.Uint64(digest[8:16])))
	at := 0
	for _, t := range p.Tensors() {
		if len(t.Shape) == 2 {
			bound := math.Sqrt(6 / float64(t.Shape[0]))
			for i := range t.Size() {
				params[at+i] = float32(float64(bound * float64(float64(2*rng.Float64())-1)))
			}
		}
		at += t.Size()
	}
	return params
}

// ForPlan builds the snapshot of a plan's model: params is the flat parameter vector in
// the order of Plan.Tensors.
func ForPlan(p federation.Plan, params []float32, norm aggregation.Normalisation) (Snapshot, error) {
	if len(params) != p.ParameterCount() {
		return Snapshot{}, fmt.Errorf("%w: %d parameters, the plan has %d", ErrSnapshot, len(params), p.ParameterCount())
	}
	if err := norm.Validate(len(p.Features)); err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	names := make([]string, len(p.Features))
	for i, f := range p.Features {
		names[i] = f.Name
	}
	s := Snapshot{Metadata: map[string]string{
		MetadataFeatures: FormatNames(names), MetadataLabel: p.Label.Name, MetadataClasses: FormatNames([]string{"0", "1"}),
	}}
	for _, t := range p.Tensors() {
		n := t.Size()
		s.Tensors = append(s.Tensors, Tensor{Name: ModelFolder + t.Name, Shape: t.Shape, F32: params[:n:n]})
		params = params[n:]
	}
	features := []int{len(p.Features)}
	s.Tensors = append(s.Tensors, Tensor{Name: PreprocessingMean, Shape: features, F64: norm.Mean},
		Tensor{Name: PreprocessingSD, Shape: features, F64: norm.SD})
	return s, s.Validate()
}

// OfPlan reads the flat parameter vector and the preprocessing back, refusing a
// snapshot that is not of the plan's model.
func OfPlan(p federation.Plan, s Snapshot) ([]float32, aggregation.Normalisation, error) {
	var params []float32
	var norm aggregation.Normalisation
	for _, t := range p.Tensors() {
		have, ok := s.Tensor(ModelFolder + t.Name)
		if !ok || len(have.F32) != t.Size() {
			return nil, norm, fmt.Errorf("%w: tensor %s is missing or of another size than the plan's", ErrSnapshot, t.Name)
		}
		params = append(params, have.F32...)
	}
	mean, _ := s.Tensor(PreprocessingMean)
	sd, _ := s.Tensor(PreprocessingSD)
	norm = aggregation.Normalisation{Mean: mean.F64, SD: sd.F64}
	if err := norm.Validate(len(p.Features)); err != nil {
		return nil, norm, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return params, norm, nil
}
