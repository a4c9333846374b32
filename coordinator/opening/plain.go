package opening

import "atrium/coordinator/federation"

// Plain is the Sum that Open finds for ciphertexts of these fields, without any: for
// rehearsals, in which nothing is encrypted. update is called once for each submitter of
// r; its fields are those of the header's format, each within its bits.
func Plain(r Round, update func(federation.HospitalID) ([]uint32, error)) (Sum, error) {
	out := newSum(r)
	var wide []uint64
	for g, members := range r.Candidate.Groups {
		result := GroupResult{Group: g, Submitters: len(members)}
		if len(members) == 0 {
			result.Reason = tooFew
		}
		for _, m := range members {
			fields, err := update(m.Hospital)
			if err != nil {
				return Sum{}, err
			}
			wide = wide[:0]
			for _, f := range fields {
				wide = append(wide, uint64(f))
			}
			out.of(g).add(0, wide)
		}
		out.Groups = append(out.Groups, result)
		out.Submitters += result.Submitters
	}
	return out, nil
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
