package coordinator

import (
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// Progress is who did their part of the round under way. Lists are in the order in which that
// came; Declined says why beside the name.
type Progress struct {
	Joined    []federation.HospitalID          `json:"joined"`
	Asked     []federation.HospitalID          `json:"asked"` // for an update
	Updates   []federation.HospitalID          `json:"updates"`
	Declined  map[federation.HospitalID]string `json:"declined,omitempty"`
	Ready     []federation.HospitalID          `json:"ready"`               // custodians, for the candidate
	Objected  []federation.HospitalID          `json:"objected,omitempty"`  // custodians that cannot read somebody
	Vouching  bool                             `json:"vouching"`            // whether submitters are to vouch
	Vouched   []federation.HospitalID          `json:"vouched,omitempty"`   // those who did
	Sent      []federation.HospitalID          `json:"sent"`                // custodians
	Burned    []federation.HospitalID          `json:"burned,omitempty"`    // custodians that promised to send nothing
	Threshold int                              `json:"threshold,omitempty"` // custodians that must be ready, and send
}

// progress is that of the round under way; nil between rounds.
func progress(s round.State) *Progress {
	r := s.Round
	if !r.Phase.Running() {
		return nil
	}
	p := &Progress{Asked: slices.Concat(r.Cohort...), Updates: holders(r.Updates), Vouching: r.Each > 0, Vouched: holders(r.Vouches),
		Sent: holders(r.Sends), Burned: holders(r.Burns), Threshold: s.Charter.Threshold}
	for _, j := range r.Joined {
		p.Joined = append(p.Joined, j.Hospital)
	}
	for _, d := range r.Declined {
		if p.Declined == nil {
			p.Declined = map[federation.HospitalID]string{}
		}
		p.Declined[d.Hospital] = d.Reason
	}
	for _, a := range r.Readies {
		if len(a.Unreadable) == 0 {
			p.Ready = append(p.Ready, a.Custodian)
		} else {
			p.Objected = append(p.Objected, a.Custodian)
		}
	}
	return p
}

// Derivation is which custodians computed what the last sum came to themselves.
type Derivation struct {
	Round    uint64                  `json:"round"`
	Version  uint64                  `json:"version,omitempty"` // 0: an evaluation, or nothing that holds
	Derived  []federation.HospitalID `json:"derived"`           // the same
	Owing    []federation.HospitalID `json:"owing,omitempty"`   // were ready and did not say yet
	Disputed []federation.HospitalID `json:"disputed,omitempty"`
}

// derivation is that of the last candidate that was opened; nil before the first.
func derivation(s round.State) *Derivation {
	o := s.Outcome
	if o.Round == 0 {
		return nil
	}
	return &Derivation{o.Round, o.Version, holders(o.Derived), o.Owing, holders(o.Disputed)}
}

func holders(list []round.Held) []federation.HospitalID {
	var ids []federation.HospitalID
	for _, h := range list {
		ids = append(ids, h.Hospital)
	}
	return ids
}

// Skips is which evaluations under the plan were left out, so that the stop rule counts them
// as none.
type Skips struct {
	Count int    `json:"count"`
	Round uint64 `json:"round"`  // the last one
	Why   string `json:"reason"` // of that
}
