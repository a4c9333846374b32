package coordinator

import (
	"slices"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
)

// Status says where a federation stands; names appear only where the charter allows.
type Status struct {
	Federation string                  `json:"federation"`
	Charter    federation.Digest       `json:"charter"`
	Epoch      uint64                  `json:"epoch"` // of the charter
	Plan       string                  `json:"plan"`
	PlanDigest federation.Digest       `json:"plan_digest"`
	Rounds     int                     `json:"rounds"`  // train rounds the plan wants
	Trained    int                     `json:"trained"` // train rounds done
	Finished   string                  `json:"finished,omitempty"`
	Metric     string                  `json:"metric,omitempty"` // of the stop rule, and
	Scored     *round.Scored           `json:"scored,omitempty"` // what it goes by
	Round      uint64                  `json:"round"`
	Kind       federation.RoundKind    `json:"kind"`
	Month      federation.Month        `json:"month,omitempty"`  // that the round evaluates
	Months     string                  `json:"months,omitempty"` // that the plan evaluates, and which is next
	Phase      round.Phase             `json:"phase"`
	Waiting    string                  `json:"waiting,omitempty"`
	Advice     string                  `json:"advice,omitempty"`    // what to do when the round waits for ever
	Abandoned  string                  `json:"abandoned,omitempty"` // why the last round was
	Masked     []string                `json:"masked,omitempty"`    // columns that too few hospitals have, by group where there are several
	Version    uint64                  `json:"version"`             // that the next round is on; 0: none, statistics come first
	Snapshot   federation.Digest       `json:"snapshot"`            // of it
	Newest     uint64                  `json:"newest"`              // version: what follows has the next number
	LogSize    int64                   `json:"log_size"`            // of the published checkpoint
	LogRoot    federation.Digest       `json:"log_root"`
	Summed     string                  `json:"summed"`             // whom a sum is over
	Warnings   []string                `json:"warnings,omitempty"` // what the charter's choices give away
	Hospitals  []HospitalStatus        `json:"hospitals"`
	Progress   *Progress               `json:"progress,omitempty"`   // of the round under way
	Derivation *Derivation             `json:"derivation,omitempty"` // of the last sum that was opened
	Signed     []federation.HospitalID `json:"signed,omitempty"`     // custodians that derived Version themselves
	Last       *opening.LastRound      `json:"last,omitempty"`       // of the hospital that asks; nil to others
}

// HospitalStatus is one hospital's part in the round under way.
type HospitalStatus struct {
	ID        federation.HospitalID `json:"id"`
	Name      string                `json:"name,omitempty"`
	Connected bool                  `json:"connected"`
	Joined    bool                  `json:"joined"`
	Submitted bool                  `json:"submitted"`
	Custodian bool                  `json:"custodian"`
	Asked     bool                  `json:"asked"` // for an update, since its cohort is known

	Capability federation.Capability `json:"capability,omitzero"` // that it said in its latest Join
}

// Status returns the status of the latest committed state.
func (c *Coordinator) Status() Status {
	v := c.View()
	s := v.State
	w := c.moment(s)
	if v.Leads { // else nobody is to be connected here
		w.Gone, _ = c.presence.Gone(s.Charter.Members, time.Duration(s.Schedule.GraceSeconds)*time.Second)
	}
	out := Status{Federation: s.Charter.Federation, Charter: s.Charter.Digest(), Epoch: s.Charter.Epoch, Plan: v.Plan.Name, PlanDigest: s.Plan,
		Rounds: s.Schedule.Rounds, Trained: s.Trained, Finished: s.Finished,
		Round: s.Round.Number, Kind: s.Round.Kind, Month: s.Round.Part.Month, Months: round.MonthText(s), Phase: s.Round.Phase, Waiting: round.Waiting(s), Advice: round.Advice(s, w), Abandoned: s.Round.Reason,
		Progress: progress(s), Derivation: derivation(s), Signed: holders(s.Signed),
		Version: s.Model.Number, Snapshot: s.Model.Snapshot, Newest: s.Newest, LogSize: v.Head.Size, LogRoot: v.Head.Root,
		Summed: s.Charter.Summed(), Warnings: s.Charter.Warnings()}
	out.Masked = v.Plan.MaskWords(s.Round.Masked)
	if s.Round.Masked == nil {
		out.Masked = v.Plan.MaskWords(s.Short)
	}
	if s.Schedule.Stop.On() {
		out.Scored = &s.Scored
		out.Metric = s.Schedule.Stop.Metric
	}
	for _, m := range s.Charter.Members {
		_, joined := s.Round.Join(m.ID)
		_, submitted := s.Round.Update(m.ID)
		_, custodian := s.Charter.Point(m.ID)
		latest, _ := s.LatestJoin(m.ID)
		out.Hospitals = append(out.Hospitals, HospitalStatus{ID: m.ID, Name: m.Name, Connected: c.presence.Present(m.ID),
			Joined: joined, Submitted: submitted, Custodian: custodian, Asked: s.Round.InCohort(m.ID), Capability: latest.Capability})
	}
	return out
}

// StatusFor is the Status that a hospital gets: of hospitals its own alone, and its part in the
// last round.
func (c *Coordinator) StatusFor(id federation.HospitalID) Status {
	out := c.Status()
	out.Progress, out.Derivation, out.Signed = nil, nil, nil
	out.Hospitals = slices.DeleteFunc(out.Hospitals, func(h HospitalStatus) bool { return h.ID != id })
	if e := c.View().ended; e != nil {
		out.Last = &opening.LastRound{Round: e.entry.Round, Kind: e.round.Kind, Result: e.entry.Blob, Asked: e.round.InCohort(id)}
		for _, g := range e.entry.Groups {
			out.Last.Summed = out.Last.Summed || slices.Contains(e.round.S[g], id)
		}
	}
	return out
}
