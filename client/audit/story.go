package audit

import (
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
)

// History is what happened, in the order of the log.
type History struct {
	Federation string
	Hospitals  int
	Threshold  int // custodians that must answer
	Round      uint64
	Events     []Event
}

// Event is a round, or something that happened between rounds.
type Event struct {
	Time  string // RFC 3339, UTC, by the coordinator's clock
	Words string // of what is not a round
	Round *Story // or nil
}

// Story is one round. Hospitals appear by name where the charter shows names, else by
// pseudonym.
type Story struct {
	Number   uint64
	Kind     federation.RoundKind
	Question string
	Base     uint64    // version that it is about
	Clips    []float64 // of each tensor, where the clip follows the aggregate
	Opened   time.Time
	Ended    time.Time // zero while it runs
	Phase    round.Phase
	Joined   []string // in the order of the log, once each
	Cohort   int
	Asked    []string      // the hospitals of the cohort, where a draw left some out
	Updates  time.Duration // for updates, where the plan leaves it to the machine
	Pinned   bool          // S was fixed by an earlier round on the same question
	Burnt    int           // earlier rounds on the question that it carries burn certificates for

	Submitted  []string
	Discarded  []string // updates that came too late
	Declined   []Declined
	Refused    []Declined // what the coordinator says it could not take, and why
	Acked      []string   // custodians that acknowledged the candidate
	Dropped    []string   // submitters whose envelopes too many custodians could not read
	Excused    []string   // custodians that could not read a submitter who stayed
	S          []string
	Groups     [][]string // of S, one a group of the charter; a dropped group is empty
	Answered   []string
	Late       []string // custodians that answered after the round was abandoned
	Burned     []string // custodians that promised never to answer
	Wrong      []string // custodians whose share sums disagree with the result
	Note       string   // reasons of groups that are left out
	Result     *opening.Result
	Version    uint64
	Snapshot   federation.Digest
	Reason     string // of an abandoned round
	custodians int
}

// Declined is a part that a hospital did not do, and why.
type Declined struct {
	Hospital, Role, Reason string
}

// Duration is from opening to end, by the coordinator's clock; 0 while the round runs.
func (s Story) Duration() time.Duration {
	if s.Ended.IsZero() {
		return 0
	}
	return s.Ended.Sub(s.Opened)
}
