package client

import (
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
)

// Situation is what a hostile hospital knows when it makes up its part of a train round.
type Situation struct {
	Plan      federation.Plan
	Header    federation.Header
	Hospitals int     // of its group that are summed
	Own       []int64 // the fields that it would send if it were honest

	// Before is what the others of its group summed to in the train round before, which it
	// finds by subtraction: a group's sum can be opened from the log by anyone. Nil in the
	// first.
	Before []int64
	Groups [][]int64 // what each group summed to then, the hostile among them
	Sizes  []int     // of the groups, then
}

// heard is what hostile hospitals find out in a round.
type heard struct {
	round  opening.Round
	groups [][]int64 // sums
	sent   map[federation.HospitalID][]int64
}

func newHeard(r opening.Round) *heard {
	return &heard{round: r, groups: make([][]int64, len(r.Candidate.Groups)), sent: map[federation.HospitalID][]int64{}}
}

// group finds a submitter.
func (l *heard) group(id federation.HospitalID) int {
	return slices.IndexFunc(l.round.Candidate.Groups, func(members []federation.Submitter) bool {
		return slices.ContainsFunc(members, func(m federation.Submitter) bool { return m.Hospital == id })
	})
}

// send returns what a hospital sends that would send these fields.
func (l *heard) send(h *Rehearsing, fields []int64) []int64 {
	g := l.group(h.ID)
	if h.Hostile != nil {
		fields = h.Hostile(Situation{Plan: l.round.Plan, Header: l.round.Header, Hospitals: len(l.round.Candidate.Groups[g]), Own: fields, Before: h.before, Groups: h.groups, Sizes: h.sizes})
		l.sent[h.ID] = fields
	}
	if l.groups[g] == nil {
		l.groups[g] = make([]int64, len(fields))
	}
	for i, f := range fields {
		l.groups[g][i] += f
	}
	return fields
}

// end tells the hostile what the others sent.
func (l *heard) end(hospitals []*Rehearsing) {
	for _, h := range hospitals {
		own, ok := l.sent[h.ID]
		if !ok {
			continue
		}
		h.groups, h.sizes = l.groups, nil
		for _, members := range l.round.Candidate.Groups {
			h.sizes = append(h.sizes, len(members))
		}
		h.before = slices.Clone(l.groups[l.group(h.ID)])
		for i, f := range own {
			h.before[i] -= f
		}
	}
}
