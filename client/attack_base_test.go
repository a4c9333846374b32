package client_test

import (
	"slices"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

const underived = "this version was neither derived here nor signed by enough custodians"

// TestNothingIsComputedOnAMadeUpBase: whether training on a base overflows is an answer too, and
// integers that were computed on it must not go into a sum on the true one. So a hospital
// neither decodes nor declines for it: it says nothing until f+1 custodians signed.
func TestNothingIsComputedOnAMadeUpBase(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	params := slices.Repeat([]float32{.002}, l.plan.ParameterCount())
	flat := func(s *models.Snapshot) {
		for i := range s.Tensors {
			if s.Tensors[i].Name == models.PreprocessingSD {
				for j := range s.Tensors[i].F64 {
					s.Tensors[i].F64[j] = 1e30
				}
			}
		}
	}
	evaluate := l.open(federation.Evaluate)
	evaluate.Version, evaluate.Newest = 1, 1
	evaluate.Base, evaluate.Parameters = l.baseOf(params, flat)
	evaluate.Questions = l.plan.Questions(evaluate.Kind, evaluate.Parameters)
	huge := slices.Clone(params)
	huge[chol] = 3.4e38
	for name, h := range map[string]federation.Header{
		"a weight that overflows":           l.trainOn(l.baseOf(huge, nil)),
		"deviations that nothing gets over": l.trainOn(l.baseOf(params, flat)),
		"the same, evaluated":               evaluate,
	} {
		p := l.gather(h)
		p.derived = l.signed(h.Version, h.Base, h.Parameters, l.sites[3]) // f of them
		for _, s := range l.sites[:3] {
			o := p.askUpdate(s, p.manifest)
			if len(o.messages) > 0 || !strings.Contains(o.refusal, underived) {
				t.Errorf("%s: %s sends %d messages, %q", name, s.name, len(o.messages), o.refusal)
			}
		}
	}
}
