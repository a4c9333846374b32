package models

import (
	"testing"

	"atrium/aggregation"
	"atrium/coordinator/federation"
)

// FuzzReadByPlan: a snapshot of any bytes is read under a plan, or refused. What is read
// has the plan's sizes, whatever the snapshot says of itself.
func FuzzReadByPlan(f *testing.F) {
	p := testPlan()
	p.Aggregation = federation.Aggregation{Rule: federation.Scaffold, LearningRate: 1}
	p.Privacy.Clip, p.Privacy.ClipLeast = 2, 0.125
	norm := aggregation.Normalisation{Mean: []float64{1, 2}, SD: []float64{3, 4}}
	first, err := ForPlan(p, make([]float32, p.ParameterCount()), norm)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(Encode(first))
	first.Metadata[MetadataCounted] = `[{"hospital":"h-a","round":3}]`
	f.Add(Encode(first))
	f.Add([]byte("\x08\x00\x00\x00\x00\x00\x00\x00{}      "))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Decode(raw)
		if err != nil {
			return
		}
		if params, _, err := OfPlan(p, s); err == nil && len(params) != p.ParameterCount() {
			t.Errorf("%d parameters, the plan has %d", len(params), p.ParameterCount())
		}
		if clips, err := Clips(p, s); err == nil && clips != nil && len(clips) != len(p.Shared()) {
			t.Errorf("%d clips, the plan has %d tensors", len(clips), len(p.Shared()))
		}
		if state, err := State(p, s, StateControl); err == nil && state != nil && len(state) != len(p.Shared()) {
			t.Errorf("%d control tensors, the plan has %d", len(state), len(p.Shared()))
		}
		if list, err := LastCounted(p, s); err == nil {
			for i := range list {
				if i > 0 && list[i-1].Hospital >= list[i].Hospital {
					t.Errorf("%v is out of order", list)
				}
			}
		}
	})
}
