package opening

import (
	"fmt"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
	"atrium/privacy/he"
)

// Plain is the Sum that Open finds for ciphertexts of these fields, with the same range and
// gates, without any: for rehearsals, in which nothing is encrypted. update is called once for
// each submitter of r; what an honest one returns are fields of the header's format, a hostile
// one may return anything.
func Plain(r Round, update func(federation.HospitalID) ([]int64, error)) (Sum, error) {
	out := newSum(r)
	sums, words := make([]int64, r.Header.Format.Count()), []uint64(nil)
	for g, members := range r.Candidate.Groups {
		result := GroupResult{Group: g, Reason: tooFew}
		if len(members) > 0 {
			clear(sums)
			for _, m := range members {
				fields, err := update(m.Hospital)
				if err != nil {
					return Sum{}, err
				}
				for i, f := range fields {
					sums[i] += f
				}
			}
			var err error
			if words, err = r.plainGroup(words, sums, g); err == nil {
				out.of(g).add(0, words)
				result = GroupResult{Group: g, Submitters: len(members)}
			} else {
				result.Reason = err.Error()
			}
		}
		out.Groups = append(out.Groups, result)
		out.Submitters += result.Submitters
	}
	out.Final = true
	return out, out.held()
}

// plainGroup returns the sums of a group in dst, if it holds.
func (r Round) plainGroup(dst []uint64, sums []int64, group int) ([]uint64, error) {
	gates := r.gates(group)
	most := int64(gates.hospitals) * int64(fixedpoint.Max(r.Header.Format.Bits))
	dst = dst[:0]
	for i, s := range sums {
		if s < 0 || s > most {
			return dst, fmt.Errorf("%w: field %d", he.ErrRange, i)
		}
		dst = append(dst, uint64(s))
	}
	gates.add(0, dst)
	return dst, gates.judge()
}

// Wide are fields as Plain wants them.
func Wide(fields []uint32) []int64 {
	wide := make([]int64, len(fields))
	for i, f := range fields {
		wide[i] = int64(f)
	}
	return wide
}

// tooFew is why a group that has no submitters is left out.
const tooFew = "too few submitters"

// Exact is Plain of the values themselves, neither rounded nor clipped, added in the order
// of the charter: what a federation without encryption would sum.
func Exact(r Round, values map[federation.HospitalID][]float64) Sum {
	out := newSum(r)
	for _, f := range out.fields {
		out.exact = append(out.exact, make([]float64, max(len(f.narrow), len(f.wide))))
	}
	out.fields = nil
	for g, members := range r.Candidate.Groups {
		result := GroupResult{Group: g, Submitters: len(members)}
		if len(members) == 0 {
			result.Reason = tooFew
		}
		into := out.exact[0]
		if out.apart() {
			into = out.exact[g]
		}
		for _, m := range members {
			for i, v := range values[m.Hospital] {
				into[i] += v
			}
		}
		out.Groups = append(out.Groups, result)
		out.Submitters += result.Submitters
	}
	return out
}

// addExact writes the sum of the groups' real numbers into dst.
func (s Sum) addExact(dst []float64, from int) {
	clear(dst)
	for _, values := range s.exact {
		for i := range min(len(dst), max(0, len(values)-from)) {
			dst[i] += values[from+i]
		}
	}
}
