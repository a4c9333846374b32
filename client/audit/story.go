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
	Ready      []string   // custodians that checked the candidate and hold their share sums
	Complained []string   // custodians that could not read a submitter
	Dropped    []string   // submitters whom custodians could not read, or who did not vouch
	Vouched    []string   // submitters who signed the fingerprint of their ciphertext
	S          []string
	Groups     [][]string // of S, one a group of the charter; a dropped group is empty
	Sent       []string   // custodians that gave their share sums
	Burned     []string   // custodians that promised never to send
	Derived    []string   // custodians that computed the same result
	Disputed   []string   // custodians that computed another one
	Wrong      []string   // custodians whose share sums disagree with the result
	Note       string     // reasons of groups that are left out
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
