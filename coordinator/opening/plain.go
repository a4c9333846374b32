package opening

import "atrium/coordinator/federation"

// Plain is the Sum that Open finds for ciphertexts of these fields, without any: for
// rehearsals, in which nothing is encrypted. update is called once for each submitter of
// r; its fields are those of the header's format, each within its bits.
func Plain(r Round, update func(federation.HospitalID) ([]uint32, error)) (Sum, error) {
	out := newSum(r)
	var wide []uint64
	for g, members := range r.Submitters.Groups {
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
