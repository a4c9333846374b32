package round

import (
	"slices"
	"time"

	"atrium/coordinator/federation"
)

// Phase of a round.
type Phase string

// Phases.
const (
	None       Phase = ""
	Gathering  Phase = "gathering"
	Collecting Phase = "collecting"
	Opening    Phase = "opening"
	Publishing Phase = "publishing"
	Done       Phase = "done"
	Abandoned  Phase = "abandoned"
	Closed     Phase = "closed" // the epoch of the charter ended after it, or while it ran
)

// Legal reports whether a round may go from one phase to another.
func Legal(from, to Phase) bool {
	if to == Closed {
		return from != None
	}
	switch from {
	case None, Done, Abandoned, Closed:
		return to == Gathering
	case Gathering:
		return to == Collecting || to == Abandoned
	case Collecting:
		return to == Opening || to == Abandoned
	case Opening:
		return to == Publishing || to == Abandoned
	case Publishing:
		return to == Done || to == Abandoned
	}
	return false
}

// Running reports whether the phase is one of a round under way.
func (p Phase) Running() bool { return p != None && p != Done && p != Abandoned && p != Closed }

// State is everything the machine knows. The zero State with a Charter is the state
// before the genesis entry.
type State struct {
	Charter  federation.Charter // in force
	Genesis  bool
	Epoch    uint64 // of the leading writer
	Plan     federation.Digest
	Schedule federation.Schedule
	Model    Version
	Trained  int // train rounds done under the plan
	// Evaluated is the value of Trained at the last evaluate round done.
	Evaluated int
	Converged bool // the last train round left every parameter as it was
	Finished  string
	Round     Round
	Failures  int    // rounds abandoned since the last one done
	NotBefore string // earliest opening of the next round
	Attempts  []Attempt
	Coming    *NextEpoch // the charter that may follow; nil when none was verified
	Latest    []Joined   // the latest Join of each hospital in any round, in the charter's order; nil before the first
}

// Version is a published model version.
type Version struct {
	Number     uint64
	Snapshot   federation.Digest
	Parameters federation.Digest
	Round      uint64
}

// Round is the round under way, or the last one.
type Round struct {
	Number    uint64
	Kind      federation.RoundKind
	Phase     Phase
	Header    federation.Digest
	Questions federation.Digest
	Opened    string
	Deadline  string // of the phase
	Joined    []Joined
	Pinned    [][]federation.HospitalID // S is fixed, or nil
	Cohort    [][]federation.HospitalID
	Manifest  federation.Digest
	Updates   []Held // acknowledged updates
	Discarded []Held // updates that came too late
	Declined  []Refusal
	Refused   []Refusal // whose messages were refused, and in which role
	Candidate federation.Digest
	Acks      []Ack
	Selected  federation.Digest
	S         [][]federation.HospitalID
	Able      []federation.HospitalID // custodians that acknowledged S and are not excused
	Answers   []Held
	Reason    string
}

// Joined is one hospital's latest Join.
type Joined struct {
	Hospital federation.HospitalID
	Blob     federation.Digest
	Instance federation.Digest
	Counter  uint64 // of the Join; an older one never replaces it
	Times    int    // Joins of the hospital in the round
}

// Held is a hospital's signed message by digest.
type Held struct {
	Hospital federation.HospitalID
	Blob     federation.Digest
}

// Refusal is a role that a hospital declined, or in which something of it was refused.
type Refusal struct {
	Hospital federation.HospitalID
	Role     string
}

// Ack is a custodian's acknowledgement of the candidate.
type Ack struct {
	Custodian  federation.HospitalID
	Unreadable []federation.HospitalID
}

// Attempt is a manifest under which answers may exist: what the next round on the
// same question has to reckon with. One that was abandoned before S was selected is
// forgotten: no custodian was ever asked to answer under it.
type Attempt struct {
	Round     uint64
	Kind      federation.RoundKind
	Questions federation.Digest
	Manifest  federation.Digest
	Abandoned bool
	S         [][]federation.HospitalID // set once S was selected
	Burns     []Held
	Answered  []federation.HospitalID
	Past      bool // of an earlier epoch: it can no longer be burned
}

// Join returns the Join of id in this round.
func (r Round) Join(id federation.HospitalID) (Joined, bool) {
	i := slices.IndexFunc(r.Joined, func(j Joined) bool { return j.Hospital == id })
	if i < 0 {
		return Joined{}, false
	}
	return r.Joined[i], true
}

// LatestJoin returns the latest Join of id in any round.
func (s State) LatestJoin(id federation.HospitalID) (Joined, bool) {
	i := slices.IndexFunc(s.Latest, func(j Joined) bool { return j.Hospital == id })
	if i < 0 {
		return Joined{}, false
	}
	return s.Latest[i], true
}

// InCohort reports whether id is to send an update.
func (r Round) InCohort(id federation.HospitalID) bool { return contains(r.Cohort, id) }

// Update returns the acknowledged submission of id.
func (r Round) Update(id federation.HospitalID) (federation.Digest, bool) { return find(r.Updates, id) }

// HasDeclined reports whether id declined a role.
func (r Round) HasDeclined(id federation.HospitalID, role string) bool {
	return slices.Contains(r.Declined, Refusal{id, role})
}

// Custodians lists the charter's custodians that joined this round.
func (s State) Custodians() []federation.HospitalID {
	return slices.DeleteFunc(slices.Clone(s.Charter.Custodians), func(id federation.HospitalID) bool {
		_, ok := s.Round.Join(id)
		return !ok
	})
}

func contains(groups [][]federation.HospitalID, id federation.HospitalID) bool {
	return slices.ContainsFunc(groups, func(g []federation.HospitalID) bool { return slices.Contains(g, id) })
}

func find(list []Held, id federation.HospitalID) (federation.Digest, bool) {
	i := slices.IndexFunc(list, func(h Held) bool { return h.Hospital == id })
	if i < 0 {
		return federation.Digest{}, false
	}
	return list[i].Blob, true
}

// When is the moment of an event or a question: the clock, and the hospitals whose
// connection has been gone for longer than the schedule's grace.
type When struct {
	Now  time.Time
	Gone []federation.HospitalID
}

func (w When) gone(id federation.HospitalID) bool { return slices.Contains(w.Gone, id) }

// past reports whether a deadline has come; an empty one never does.
func (w When) past(deadline string) bool {
	t, err := federation.ParseTime(deadline)
	return err == nil && !w.Now.Before(t)
}

func (w When) stamp() string { return federation.FormatTime(w.Now) }

func (w When) after(seconds int) string {
	return federation.FormatTime(w.Now.Add(time.Duration(seconds) * time.Second))
}
