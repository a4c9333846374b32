package round

import (
	"fmt"
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
// before the genesis entry. Its canonical JSON is part of a [Memo]'s.
type State struct {
	Charter  federation.Charter      `json:"charter"` // in force
	Genesis  bool                    `json:"genesis"`
	Epoch    uint64                  `json:"epoch"` // of the leading writer
	Plan     federation.Digest       `json:"plan,omitzero"`
	Schedule federation.Schedule     `json:"schedule,omitzero"`
	Rule     *federation.Aggregation `json:"rule,omitempty"`    // of the plan, where it compares groups
	Model    Version                 `json:"model,omitzero"`    // that the next round is on; zero: none, statistics come first
	Newest   uint64                  `json:"newest,omitempty"`  // number of the newest version: Model's, unless a plan began anew or from an older one
	Sketch   *federation.Sketch      `json:"sketch,omitempty"`  // of Model, where the charter has a guard
	Trained  int                     `json:"trained,omitempty"` // train rounds done under the plan
	// Evaluated is the value of Trained at the last evaluate round done or skipped.
	Evaluated int                 `json:"evaluated,omitempty"`
	Month     federation.Month    `json:"month,omitempty"`     // of the plan's months, evaluated or skipped last
	Converged bool                `json:"converged,omitempty"` // the last train round left every parameter as it was, or nearer to that than the guard
	Scored    Scored              `json:"scored,omitzero"`     // what the stop rule goes by
	Finished  string              `json:"finished,omitempty"`
	Round     Round               `json:"round"`
	Took      []int               `json:"took,omitempty"`       // milliseconds that the deadline's share of hospitals took, in the last train rounds
	Failures  int                 `json:"failures,omitempty"`   // rounds abandoned since the last one done
	NotBefore string              `json:"not_before,omitempty"` // earliest opening of the next round
	Expired   uint64              `json:"expired,omitempty"`    // the ciphertexts of rounds up to it may be retired
	Ended     []DayEnd            `json:"ended,omitempty"`      // rounds that did not expire yet, where the charter counts days
	Attempts  []Attempt           `json:"attempts,omitempty"`
	Outcome   Outcome             `json:"outcome,omitzero"`   // of the candidate that was opened last
	Signed    []Held              `json:"signed,omitempty"`   // custodians that derived Model themselves
	Numbered  []Held              `json:"numbered,omitempty"` // that derived version Newest, where that is not Model
	Coming    *NextEpoch          `json:"-"`                  // the charter that may follow; nil when none was verified
	Withheld  []Withheld          `json:"withheld,omitempty"` // who declines where all of a group are summed, oldest word last
	Opened    []federation.Opened `json:"opened,omitempty"`   // sums that the guard remembers, of this epoch
	Lines     []Line              `json:"lines,omitempty"`    // whom evaluations are of, by part of the records, in this epoch
	Latest    []Joined            `json:"latest,omitempty"`   // the latest Join of each hospital in any round, in the charter's order; nil before the first

	// Short is by group what fell below K holders when hospitals did not answer, until K are summed
	// again under this plan.
	Short []federation.Columns `json:"short,omitempty"`
}

// Version is a published model version.
type Version struct {
	Number     uint64            `json:"number"`
	Snapshot   federation.Digest `json:"snapshot"`
	Parameters federation.Digest `json:"parameters"`
	Round      uint64            `json:"round"`
	Steps      uint64            `json:"steps,omitempty"` // train rounds that it went through since the statistics at its beginning
}

// OnBase returns a header with what the next round starts from.
func (s State) OnBase(h federation.Header) federation.Header {
	h.Version, h.Base, h.Parameters = s.Model.Number, s.Model.Snapshot, s.Model.Parameters
	h.Newest, h.Steps = s.Newest, s.Model.Steps
	return h
}

// Round is the round under way, or the last one.
type Round struct {
	Number    uint64                    `json:"number"`
	Kind      federation.RoundKind      `json:"kind,omitempty"`
	Phase     Phase                     `json:"phase,omitempty"`
	Header    federation.Digest         `json:"header,omitzero"`
	Questions federation.Digest         `json:"questions,omitzero"`
	Part      federation.Part           `json:"part,omitzero"`  // of the records, that an evaluation is about
	Asks      string                    `json:"asks,omitempty"` // of an evaluation: its question
	Opened    string                    `json:"opened,omitempty"`
	Deadline  string                    `json:"deadline,omitempty"` // of the phase
	Joined    []Joined                  `json:"joined,omitempty"`
	Pinned    [][]federation.HospitalID `json:"pinned,omitempty"`   // S is fixed, or nil
	PinnedTo  federation.Digest         `json:"pinned_to,omitzero"` // by the manifest under which a cohort was drawn
	Cohort    [][]federation.HospitalID `json:"cohort,omitempty"`
	Masked    []federation.Columns      `json:"masked,omitempty"` // by group; see federation.Manifest
	Manifest  federation.Digest         `json:"manifest,omitzero"`
	Updates   []Held                    `json:"updates,omitempty"`   // acknowledged updates
	Discarded []Held                    `json:"discarded,omitempty"` // updates that came too late
	Declined  []Refusal                 `json:"declined,omitempty"`
	Declines  []Held                    `json:"declines,omitempty"` // of updates while it gathered, where a cohort is drawn
	Refused   []Refusal                 `json:"refused,omitempty"`  // whose messages were refused, and in which role
	Candidate federation.Digest         `json:"candidate,omitzero"`
	Tried     int                       `json:"tried,omitempty"`   // candidates so far
	S         [][]federation.HospitalID `json:"s,omitempty"`       // of the candidate
	Dropped   []federation.HospitalID   `json:"dropped,omitempty"` // whom candidates left out: unreadable, or without a vouch
	Each      int64                     `json:"each,omitempty"`    // bytes of a ciphertext, where each of S is to vouch for its own
	Fetched   []federation.HospitalID   `json:"fetched,omitempty"` // of S, whose ciphertexts custodians fetch instead
	Readies   []Answer                  `json:"readies,omitempty"` // of custodians, on this candidate
	Vouches   []Held                    `json:"vouches,omitempty"`
	Sends     []Held                    `json:"sends,omitempty"` // in the order in which they came
	Burns     []Held                    `json:"burns,omitempty"`
	Reason    string                    `json:"reason,omitempty"`

	// Where the deadline follows from what rounds took.
	Seconds   int    `json:"seconds,omitempty"`   // for updates
	Collected string `json:"collected,omitempty"` // when it began to collect; "" before and after
	Durations []int  `json:"durations,omitempty"` // milliseconds that each update took
}

// Joined is one hospital's latest Join.
type Joined struct {
	Hospital federation.HospitalID `json:"hospital,omitempty"`
	Blob     federation.Digest     `json:"blob,omitzero"`
	Instance federation.Digest     `json:"instance,omitzero"`
	Counter  uint64                `json:"counter,omitempty"` // of the Join; an older one never replaces it
	Times    int                   `json:"times,omitempty"`   // Joins of the hospital in the round

	Capability federation.Capability `json:"capability,omitzero"`
	Lacks      federation.Columns    `json:"lacks,omitempty"`
	Releases   []federation.Digest   `json:"releases,omitempty"`
}

// Held is a hospital's signed message by digest.
type Held struct {
	Hospital federation.HospitalID `json:"hospital"`
	Blob     federation.Digest     `json:"blob"`
}

// Refusal is a role that a hospital declined, or in which something of it was refused.
type Refusal struct {
	Hospital federation.HospitalID `json:"hospital"`
	Role     string                `json:"role"`
	Reason   string                `json:"reason,omitempty"` // why it declined
}

// Answer is a custodian's word on the candidate.
type Answer struct {
	Custodian  federation.HospitalID   `json:"custodian"`
	Blob       federation.Digest       `json:"blob"`
	Unreadable []federation.HospitalID `json:"unreadable,omitempty"` // none: it is ready
}

// Attempt is a manifest under which share sums were or may have been sent: what the next
// round on the same question has to reckon with, under whatever plan and however much later. One
// that ended before t custodians were ready is forgotten: no custodian was asked to send under it.
type Attempt struct {
	Round     uint64                    `json:"round"`
	Kind      federation.RoundKind      `json:"kind"`
	Questions federation.Digest         `json:"questions"`
	Asks      string                    `json:"asks,omitempty"` // of an evaluation: its question
	Manifest  federation.Digest         `json:"manifest"`
	Plan      federation.Digest         `json:"plan"`
	Public    bool                      `json:"public,omitempty"` // something followed from its sum
	Burns     []Held                    `json:"burns,omitempty"`
	Failed    bool                      `json:"failed,omitempty"` // no group of it holds: S may be asked once more
	S         [][]federation.HospitalID `json:"s,omitempty"`      // where it failed
	Past      bool                      `json:"past,omitempty"`   // of an earlier epoch
	Pin       federation.Digest         `json:"pin,omitzero"`     // where it failed: what its manifest is pinned to, where a cohort is drawn
}

// Outcome is what the log says of the candidate that was opened last, for custodians to
// derive.
type Outcome struct {
	Round      uint64                  `json:"round"`
	Header     federation.Digest       `json:"header"`
	Manifest   federation.Digest       `json:"manifest"`
	Candidate  federation.Digest       `json:"candidate"`
	Sends      []Held                  `json:"sends"`
	Result     federation.Digest       `json:"result,omitzero"` // zero: no group holds
	Plan       federation.Digest       `json:"plan"`
	Version    uint64                  `json:"version,omitempty"`
	Snapshot   federation.Digest       `json:"snapshot,omitzero"`
	Parameters federation.Digest       `json:"parameters,omitzero"`
	Steps      uint64                  `json:"steps,omitempty"`    // train rounds that Version went through
	Owing      []federation.HospitalID `json:"owing,omitempty"`    // custodians that were ready and did not derive it yet
	Derived    []Held                  `json:"derived,omitempty"`  // who derived the same
	Disputed   []Held                  `json:"disputed,omitempty"` // who derived something else
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

// CandidateOf lists a set of the cohort, by group, with what each of them submitted and no
// sums yet; the error is [ErrMismatch] when one of them did not.
func (r Round) CandidateOf(set [][]federation.HospitalID) (federation.Candidate, error) {
	list := federation.Candidate{V: 1, Manifest: r.Manifest, Sums: make([]federation.Digest, len(set))}
	for _, group := range set {
		members := []federation.Submitter{}
		for _, id := range group {
			blob, ok := r.Update(id)
			if !ok {
				return federation.Candidate{}, fmt.Errorf("no update of %s: %w", id, ErrMismatch)
			}
			members = append(members, federation.Submitter{Hospital: id, Submission: blob})
		}
		list.Groups = append(list.Groups, members)
	}
	return list, nil
}

// HasDeclined reports whether id declined a role.
func (r Round) HasDeclined(id federation.HospitalID, role string) bool {
	return slices.ContainsFunc(r.Declined, func(d Refusal) bool { return d.Hospital == id && d.Role == role })
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

// When is the moment of an event or a question: the wall clock, the clock by which
// deadlines are set and judged, and the hospitals whose connection has been gone for longer
// than the schedule's grace.
type When struct {
	Now   time.Time // of entries
	Clock time.Time // of deadlines; zero: Now
	Gone  []federation.HospitalID
}

// clock is the time by which deadlines are set and judged.
func (w When) clock() time.Time {
	if w.Clock.IsZero() {
		return w.Now
	}
	return w.Clock
}

func (w When) gone(id federation.HospitalID) bool { return slices.Contains(w.Gone, id) }

// past reports whether a deadline has come; an empty one never does.
func (w When) past(deadline string) bool {
	t, err := federation.ParseTime(deadline)
	return err == nil && !w.clock().Before(t)
}

func (w When) stamp() string { return federation.FormatTime(w.Now) }

func (w When) after(seconds int) string {
	return federation.FormatTime(w.clock().Add(time.Duration(seconds) * time.Second))
}

// updateTime is how many seconds the round under way waits for updates.
func (s State) updateTime() int {
	if s.Round.Seconds > 0 {
		return s.Round.Seconds
	}
	return s.Schedule.UpdateSeconds
}

// PhaseTime is the whole time of the phase under way.
func (s State) PhaseTime() time.Duration {
	seconds := s.Schedule.OpenSeconds
	switch s.Round.Phase {
	case Gathering:
		seconds = s.Schedule.GatherSeconds
	case Collecting:
		seconds = s.updateTime()
	}
	return time.Duration(seconds) * time.Second
}
