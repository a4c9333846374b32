package opening

import (
	"math"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
)

// fields are the integers of an opened vector, in 4 bytes each where every sum of the
// round fits. One of the two is nil.
type fields struct {
	narrow []uint32
	wide   []uint64
}

// newFields returns zeros that hold sums of up to n fields of the format.
func newFields(f fixedpoint.Format, n int) fields {
	if uint64(n)*fixedpoint.Max(f.Bits) <= math.MaxUint32 {
		return fields{narrow: make([]uint32, f.Count())}
	}
	return fields{wide: make([]uint64, f.Count())}
}

// add adds v from an index on.
func (f fields) add(from int, v []uint64) {
	if f.narrow == nil {
		for i, x := range v {
			f.wide[from+i] += x
		}
		return
	}
	for i, x := range v {
		f.narrow[from+i] += uint32(x)
	}
}

// take subtracts what was added.
func (f fields) take(from int, v []uint64) {
	if f.narrow == nil {
		for i, x := range v {
			f.wide[from+i] -= x
		}
		return
	}
	for i, x := range v {
		f.narrow[from+i] -= uint32(x)
	}
}

// read copies fields from an index on into dst.
func (f fields) read(from int, dst []uint64) {
	if f.narrow == nil {
		copy(dst, f.wide[from:])
		return
	}
	for i, x := range f.narrow[from : from+len(dst)] {
		dst[i] = uint64(x)
	}
}

// Sum is an opened aggregate over all groups that held.
type Sum struct {
	Submitters int                     // hospitals in it
	Groups     []GroupResult           // one a group of the charter
	Used       []federation.HospitalID // custodians whose share sums agree with the result
	Wrong      []federation.HospitalID // custodians whose share sums do not
	Final      bool                    // each group holds or fails a gate: other share sums would open the same

	format fixedpoint.Format
	fields []fields    // one, or one a group where groups are kept apart
	exact  [][]float64 // the same of a sum of real numbers; nil: fields
}

// newSum makes room for what the round's rule needs: one vector, or one a group.
func newSum(r Round) Sum {
	out := Sum{format: r.Header.Format}
	apart := r.Header.Kind == federation.Train && r.Plan.Aggregation.Robust()
	total := 0
	for _, members := range r.Candidate.Groups {
		total += len(members)
		if apart {
			var f fields
			if len(members) > 0 {
				f = newFields(out.format, len(members))
			}
			out.fields = append(out.fields, f)
		}
	}
	if !apart {
		out.fields = []fields{newFields(out.format, total)}
	}
	return out
}

// apart reports whether each group has a vector of its own.
func (s Sum) apart() bool { return max(len(s.fields), len(s.exact)) > 1 }

// of is the vector that a group is added to.
func (s Sum) of(group int) fields {
	if s.apart() {
		return s.fields[group]
	}
	return s.fields[0]
}

// Values writes the real numbers from an index on into dst: sums over Submitters, in the
// layout of the plan's Format for the kind.
func (s Sum) Values(dst []float64, from int) error {
	if s.exact != nil {
		s.addExact(dst, from)
		return nil
	}
	var room [stepFields]uint64 // a rule reads so many at a time: not worth a collection
	words := room[:min(len(dst), len(room))]
	if len(dst) > len(room) {
		words = make([]uint64, len(dst))
	}
	if !s.apart() {
		s.fields[0].read(from, words)
	} else {
		part := make([]uint64, len(dst))
		for g, f := range s.fields {
			if s.Groups[g].Submitters == 0 {
				continue
			}
			f.read(from, part)
			for i, w := range part {
				words[i] += w
			}
		}
	}
	return s.format.Range(from, from+len(dst)).Dequantise(dst, words, s.Submitters)
}

// group writes the real numbers of one group that held, where groups are kept apart.
func (s Sum) group(g int, dst []float64, from int) error {
	if s.exact != nil {
		copy(dst, s.exact[g][from:])
		return nil
	}
	words := make([]uint64, len(dst))
	s.fields[g].read(from, words)
	return s.format.Range(from, from+len(dst)).Dequantise(dst, words, s.Groups[g].Submitters)
}

// Note gives the reasons of the groups that are left out, in words; empty if none.
func (s Sum) Note() string { return reasons(s.Groups) }

// Settled reports whether nothing would change with more share sums than so many: each group
// holds or fails a gate, or as many are there as show that a group which does not open never
// will (f of them may be wrong).
func (s Sum) Settled(c federation.Charter, sends int) bool {
	return s.Final || sends >= c.Settling()
}
